package client

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[credential redacted]"

// Credential is an API key that a job was given. It shows itself to no
// formatting verb, log or encoder; only the client sends it. The zero value is
// none.
type Credential struct {
	// A pointer, because fmt prints what is in an unexported field without asking
	// the type, and of a pointer to a text shows the address.
	text *string
}

// NewCredential takes the text of a credential as it was given. Whether it is
// one is for the service to say: reason [CredentialMalformed].
func NewCredential(text string) Credential { return Credential{&text} }

// IsZero tells whether there is none.
func (c Credential) IsZero() bool { return c.text == nil }

// Format writes a fixed text for every verb.
func (Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is a fixed text.
func (Credential) String() string { return redacted }

// GoString is a fixed text.
func (Credential) GoString() string { return redacted }

// LogValue is a fixed text.
func (Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is a fixed text, so that no encoder shows the credential.
func (Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is a fixed text, so that no encoder shows the credential.
func (Credential) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
