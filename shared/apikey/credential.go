package apikey

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// The parts of a credential's text form, each of fixed width:
//
//	cpdk_ + base62(locator, key id) + _ + base62(secret) + base62(CRC32)
//
// A typo is refused without any I/O, the text tells which ring to read, and one
// regular expression, [CredentialPattern], finds leaked credentials.
const (
	// CredentialPrefix is how every credential begins.
	CredentialPrefix = "cpdk_"

	checksumWidth = 6
	secretStart   = len(CredentialPrefix) + block62Width + 1
	checksumStart = secretStart + block62Width

	// CredentialLength is the length of every credential, in bytes.
	CredentialLength = checksumStart + checksumWidth

	// CredentialPattern matches every credential; it is for secret scanners.
	CredentialPattern = `cpdk_[0-9A-Za-z]{43}_[0-9A-Za-z]{49}`
)

// holdsCredential tells whether a text has something in it that begins like a
// credential. Such a text must not be kept.
func holdsCredential(text string) bool { return strings.Contains(text, CredentialPrefix) }

// CheckText tells what is wrong with a text that a client wants kept: it must be
// printable and hold no credential, whose only places are Secrets Manager and the
// answer that makes it. Errors: invalid_request.
func CheckText(field, text string) error {
	switch {
	case holdsCredential(text):
		return Invalid(field, "holds what looks like an API key ("+CredentialPrefix+"…), which must not be stored")
	case !isPrintable(text):
		return Invalid(field, "contains a character that cannot be printed")
	}
	return nil
}

const redacted = "[credential redacted]"

// leaked matches more than CredentialPattern: a credential that was cut off or
// lost a character tells its secret all the same.
var leaked = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(CredentialPrefix + "[0-9A-Za-z_]+") })

// Redact replaces every credential in a text that somebody else wrote.
func Redact(text string) string {
	if !strings.Contains(text, CredentialPrefix) {
		return text
	}
	return leaked().ReplaceAllLiteralString(text, redacted)
}

// RedactBytes is Redact for bytes. It returns text itself when there is nothing
// to replace, which is the case with nearly every log line.
func RedactBytes(text []byte) []byte {
	if !bytes.Contains(text, []byte(CredentialPrefix)) {
		return text
	}
	return leaked().ReplaceAllLiteral(text, []byte(redacted))
}

// Digest is SHA-256 of a credential's secret. A slow password hash would add
// nothing: the secret is 256 random bits, so there is no guess to slow down.
type Digest [sha256.Size]byte

// Equal compares in constant time.
func (d Digest) Equal(other Digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// Credential is the secret string that a user gets once. It redacts itself
// under every formatting verb and encoder; [Credential.Reveal] is the one way
// to its text. The zero value is no credential.
type Credential struct {
	parts *credentialParts
}

// The secret is behind two pointers, because fmt prints what is in an
// unexported field by reflection, without asking the type. It follows one
// pointer when the verb is bad, and never a second: it shows an address.
type credentialParts struct {
	locator Locator
	keyID   KeyID
	secret  *[32]byte
}

// NewCredential makes the credential of a new key from 32 bytes of random. It
// fails only when random does.
func NewCredential(locator Locator, id KeyID, random io.Reader) (Credential, error) {
	parts := &credentialParts{locator: locator, keyID: id, secret: new([32]byte)}
	if _, err := io.ReadFull(random, parts.secret[:]); err != nil {
		return Credential{}, err
	}
	return Credential{parts}, nil
}

// ErrCredentialMalformed is the answer of ParseCredential to any text that is
// no credential. It never tells what is wrong: that would help only a forger.
var ErrCredentialMalformed = errors.New("not a credential: mistyped or cut off")

// ParseCredential accepts exactly the texts that Reveal returns.
func ParseCredential(text string) (Credential, error) {
	if len(text) != CredentialLength || text[:len(CredentialPrefix)] != CredentialPrefix || text[secretStart-1] != '_' {
		return Credential{}, ErrCredentialMalformed
	}
	if text[checksumStart:] != checksum(text[:checksumStart]) {
		return Credential{}, ErrCredentialMalformed
	}
	address, ok := decodeBlock62(text[len(CredentialPrefix) : secretStart-1])
	if !ok {
		return Credential{}, ErrCredentialMalformed
	}
	secret, ok := decodeBlock62(text[secretStart:checksumStart])
	if !ok {
		return Credential{}, ErrCredentialMalformed
	}
	parts := &credentialParts{locator: Locator(address[:16]), keyID: KeyID(address[16:]), secret: &secret}
	if !parts.keyID.wellFormed() {
		return Credential{}, ErrCredentialMalformed
	}
	return Credential{parts}, nil
}

// Reveal is the credential's text. Only Secrets Manager and the answer of create
// and rotate may ever hold it.
func (c Credential) Reveal() string {
	if c.parts == nil {
		return ""
	}
	var address [32]byte
	copy(address[:16], c.parts.locator[:])
	copy(address[16:], c.parts.keyID[:])
	var block [block62Width]byte
	text := make([]byte, 0, CredentialLength)
	text = append(text, CredentialPrefix...)
	encodeBlock62(&block, address)
	text = append(text, block[:]...)
	text = append(text, '_')
	encodeBlock62(&block, *c.parts.secret)
	text = append(text, block[:]...)
	return string(text) + checksum(string(text))
}

// checksum is CRC32 (IEEE) over text in 6 base62 digits.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var digits [checksumWidth]byte
	for i := checksumWidth - 1; i >= 0; i-- {
		digits[i] = base62Digits[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// IsZero tells whether this is no credential.
func (c Credential) IsZero() bool { return c.parts == nil }

// Locator tells which ring the credential's key is in.
func (c Credential) Locator() Locator { return c.parts.locator }

// KeyID is the id of the credential's key.
func (c Credential) KeyID() KeyID { return c.parts.keyID }

// Digest is what a ring keeps of the credential.
func (c Credential) Digest() Digest { return sha256.Sum256(c.parts.secret[:]) }

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
