package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/userapikey/service/shared/apikey"
)

// How many items a page of a listing has: what a client may ask for, from 1,
// and what it gets unless it does.
const (
	MaxPageLimit     = 100
	DefaultPageLimit = 50
)

const (
	limitParameter  = "limit"
	cursorParameter = "cursor"
)

// PageQuery are the query parameters of a route that answers a listing in pages.
var PageQuery = []string{limitParameter, cursorParameter}

// Page is the part of a listing that a request asks for.
type Page struct {
	// Limit is how many items the page has at most, 1 to MaxPageLimit.
	Limit int
	// After is the position of the last item of the page before this one; "" is
	// the listing's beginning. Whoever knows how cursors are made can make one of
	// any position, so it is no more to be trusted than what else a caller sends.
	After string

	listing string
	caller  apikey.Locator
}

// Page reads the query parameters limit and cursor. The listing's name tells
// listings of one caller apart, and what each is of when that is not the caller:
// a cursor is good for the caller and the listing that it was made for.
// Errors: invalid_request naming the parameter.
func (r *Request) Page(listing string) (Page, error) {
	page := Page{Limit: DefaultPageLimit, listing: listing, caller: r.Principal.Owner.Locator()}
	limit, given, err := r.query(limitParameter)
	if err != nil {
		return Page{}, err
	}
	if given {
		if page.Limit, err = parseLimit(limit); err != nil {
			return Page{}, err
		}
	}
	cursor, given, err := r.query(cursorParameter)
	if err != nil {
		return Page{}, err
	}
	if given {
		if page.After, err = page.parseCursor(cursor); err != nil {
			return Page{}, err
		}
	}
	return page, nil
}

// parseLimit accepts a number as strconv writes it, and no other way to write it.
func parseLimit(text string) (int, error) {
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > MaxPageLimit || strconv.Itoa(limit) != text {
		return 0, apikey.Invalid(limitParameter, fmt.Sprintf("must be a whole number from 1 to %d", MaxPageLimit))
	}
	return limit, nil
}

// bindingBytes is the length of the hash in a cursor, enough that no cursor fits
// another listing or caller by chance.
const bindingBytes = 8

// Cursor is the text that asks for the page after the position, which is not "":
// base64url of the binding and the position.
func (p Page) Cursor(position string) string {
	binding := p.binding(position)
	return base64.RawURLEncoding.EncodeToString(append(binding[:], position...))
}

// parseCursor accepts exactly what Cursor writes for this listing and caller,
// and answers the position.
func (p Page) parseCursor(text string) (string, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(decoded) <= bindingBytes {
		return "", InvalidCursor()
	}
	position := string(decoded[bindingBytes:])
	// Writing it again finds every difference: another listing's or caller's
	// binding, and what base64 overlooks, such as line breaks and surplus bits.
	if p.Cursor(position) != text {
		return "", InvalidCursor()
	}
	return position, nil
}

// binding is the beginning of SHA-256 over listing, caller and position, each
// but the last of known length. It has no key: it keeps clients from using a
// cursor where it means something else. A caller who forges one gets a page of
// their own listing.
func (p Page) binding(position string) (binding [bindingBytes]byte) {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p.listing))))
	h.Write([]byte(p.listing))
	h.Write(p.caller[:])
	h.Write([]byte(position))
	copy(binding[:], h.Sum(nil))
	return binding
}

// InvalidCursor is the error for a cursor that is not one of the listing's, and
// for one whose position is none that the listing has.
func InvalidCursor() error {
	return apikey.Invalid(cursorParameter, "must be a nextCursor that this listing has answered to you, unchanged")
}
