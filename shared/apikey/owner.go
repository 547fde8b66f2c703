package apikey

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Bounds of an owner's parts, in bytes. They keep every key name, item and log
// line small; identity providers stay far below them.
const (
	MaxAccountIDBytes = 128
	MaxIAMIDBytes     = 128
	MaxUsernameBytes  = 256
)

// Owner is a user in one account. The same person in another account is
// another owner and needs another key.
type Owner struct {
	AccountID string
	// IAMID is the user's IBMid, as the issuer's token names it.
	IAMID string
	// Username is for display; it is no part of the identity.
	Username string
}

// Validate tells whether the owner can be identified: account id and IAM id
// are present and every part is printable and within its bounds.
func (o Owner) Validate() error {
	for _, part := range []struct {
		name, value string
		maxBytes    int
		required    bool
	}{
		{"accountId", o.AccountID, MaxAccountIDBytes, true},
		{"iamId", o.IAMID, MaxIAMIDBytes, true},
		{"username", o.Username, MaxUsernameBytes, false},
	} {
		switch {
		case part.value == "" && part.required:
			return fmt.Errorf("%s is empty", part.name)
		case len(part.value) > part.maxBytes:
			return fmt.Errorf("%s is longer than %d bytes", part.name, part.maxBytes)
		case !isPrintable(part.value):
			return fmt.Errorf("%s contains a character that cannot be printed", part.name)
		}
	}
	return nil
}

// isPrintable tells whether s is valid UTF-8 of printable characters only. U+FFFD
// is none of them: it is what gateways and decoders make of every invalid byte and
// lone surrogate, so two different users, or runs, could become the same one.
func isPrintable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Locator names an owner's partition without telling who the owner is. It is
// part of every credential, so that a credential itself tells which ring to
// read.
type Locator [16]byte

// Locator is the first 16 bytes of SHA-256 over account id and IAM id, each
// preceded by its length (8 bytes, big endian) so that no two owners can be
// made to share one by moving characters between the parts.
func (o Owner) Locator() Locator { return Locator(hashOf(o.AccountID, o.IAMID)) }

// hashOf is the first 16 bytes of SHA-256 over texts, each preceded by its
// length.
func hashOf(texts ...string) [16]byte {
	h := sha256.New()
	for _, text := range texts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
	return [16]byte(h.Sum(nil))
}

// ParseLocator accepts exactly what [Locator.String] writes.
func ParseLocator(text string) (Locator, error) {
	var l Locator
	if len(text) != 2*len(l) {
		return Locator{}, errLocator
	}
	if _, err := hex.Decode(l[:], []byte(text)); err != nil || l.String() != text {
		return Locator{}, errLocator
	}
	return l, nil
}

var errLocator = errors.New("not a locator")

// String is the locator in 32 lower-case hexadecimal digits.
func (l Locator) String() string { return hex.EncodeToString(l[:]) }
