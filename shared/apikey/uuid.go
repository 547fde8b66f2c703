package apikey

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"time"
)

// UUID is a UUID of version 7 (RFC 9562, section 5.7). It is made here rather
// than by a library because time and randomness are arguments in this package.
type UUID [16]byte

// KeyID names a key.
type KeyID = UUID

// NewUUID makes an id from the instant (milliseconds count) and 10 bytes of
// random. It fails only when random does.
func NewUUID(now time.Time, random io.Reader) (UUID, error) {
	var id UUID
	if _, err := io.ReadFull(random, id[6:]); err != nil {
		return UUID{}, err
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	return id, nil
}

var errUUID = errors.New("not a UUID of version 7 in lower case")

// ParseUUID accepts exactly what [UUID.String] writes.
func ParseUUID(s string) (UUID, error) {
	if len(s) != 36 {
		return UUID{}, errUUID
	}
	var id UUID
	// Whatever stands where the hyphens belong is caught by writing the id again.
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil || !id.wellFormed() || id.String() != s {
		return UUID{}, errUUID
	}
	return id, nil
}

// String is the UUID's text form, in lower case.
func (id UUID) String() string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Time is the instant, in milliseconds, that the id was made at.
func (id UUID) Time() time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC() //nolint:gosec // 48 bits fit
}

func (id UUID) wellFormed() bool { return id[6]>>4 == 7 && id[8]>>6 == 0b10 }
