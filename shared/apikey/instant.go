package apikey

import "time"

// Instant is a time as the product writes it everywhere: RFC 3339, UTC,
// milliseconds.
type Instant time.Time

// IsZero tells that there is no such instant; a field with `omitzero` is then
// left out.
func (i Instant) IsZero() bool { return time.Time(i).IsZero() }

// String is the instant's text, such as 2026-11-02T16:45:00.000Z.
func (i Instant) String() string { return time.Time(i).UTC().Format("2006-01-02T15:04:05.000Z") }

// MarshalText writes the instant.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
