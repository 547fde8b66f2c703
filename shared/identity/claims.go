package identity

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/userapikey/service/shared/apikey"
)

// ClaimNames says which claims of a token hold what. A name is looked up as it
// stands first, so that names such as "custom:account" and
// "https://example.com/roles" work, and then as a path with dots through nested
// objects.
type ClaimNames struct {
	// IAMID names the user's IBMid: a string, required; "iam_id" by default.
	IAMID string
	// AccountID names the account: a string, required; "account.bss" by default.
	AccountID string
	// Username names what to call the user: a string, may be missing;
	// "preferred_username" by default.
	Username string
	// Roles names the roles: a list of strings, or one string that is one role;
	// none when missing; "roles" by default. A string is not taken apart: at a
	// space, "Billing Administrator" would become an Administrator.
	Roles string
}

// DefaultClaimNames are the names that take the place of empty ones.
func DefaultClaimNames() ClaimNames {
	return ClaimNames{
		IAMID:     "iam_id",
		AccountID: "account.bss",
		Username:  "preferred_username",
		Roles:     "roles",
	}
}

func (n ClaimNames) withDefaults() ClaimNames {
	defaults := DefaultClaimNames()
	for _, name := range []struct {
		set     *string
		missing string
	}{
		{&n.IAMID, defaults.IAMID},
		{&n.AccountID, defaults.AccountID},
		{&n.Username, defaults.Username},
		{&n.Roles, defaults.Roles},
	} {
		if *name.set == "" {
			*name.set = name.missing
		}
	}
	return n
}

// claims is the payload of a token whose signature holds.
type claims map[string]any

// parseClaims decodes with the library's JSON package because that one, unlike
// the standard library's, refuses an object that has a name twice.
func parseClaims(payload []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return nil, refuse("The token's payload is not a JSON object with distinct names.")
	}
	return c, nil
}

// check holds the registered claims (RFC 7519, section 4.1) against who must
// have issued the token, for whom, and when.
func (c claims) check(issuer, audience string, now time.Time) error {
	iss, err := c.text("iss", true)
	if err != nil {
		return err
	}
	if iss != issuer {
		return refuse("The token is from another issuer.")
	}
	aud, err := c.list("aud")
	if err != nil {
		return err
	}
	if !slices.Contains(aud, audience) {
		return refuse("The token is for another audience.")
	}
	exp, ok, err := c.date("exp")
	if err != nil {
		return err
	}
	if !ok {
		return missing("exp")
	}
	if !now.Before(exp.Add(leeway)) {
		return refuse("The token has expired.")
	}
	for _, start := range []struct{ claim, detail string }{
		{"nbf", "The token is not valid yet."},
		// The RFC does not ask for this one, but where a token says that it was
		// made in the future, its other times cannot be trusted either.
		{"iat", "The token says that it was issued in the future."},
	} {
		at, ok, err := c.date(start.claim)
		if err != nil {
			return err
		}
		if ok && now.Add(leeway).Before(at) {
			return refuse(start.detail)
		}
	}
	return nil
}

func (c claims) principal(names ClaimNames) (apikey.Principal, error) {
	var p apikey.Principal
	for _, part := range []struct {
		claim    string
		required bool
		to       *string
	}{
		{names.IAMID, true, &p.Owner.IAMID},
		{names.AccountID, true, &p.Owner.AccountID},
		{names.Username, false, &p.Owner.Username},
	} {
		value, err := c.text(part.claim, part.required)
		if err != nil {
			return apikey.Principal{}, err
		}
		*part.to = value
	}
	if err := p.Owner.Validate(); err != nil {
		return apikey.Principal{}, refuse("The token does not name a user of an account: " + err.Error() + ".")
	}
	roles, err := c.list(names.Roles)
	if err != nil {
		return apikey.Principal{}, err
	}
	for _, role := range roles {
		p.Roles = append(p.Roles, apikey.Role(role))
	}
	return p, nil
}

// lookup returns nil for a claim that is missing. One that is null counts as
// missing too.
func (c claims) lookup(name string) any {
	if value, ok := c[name]; ok {
		return value
	}
	var value any = map[string]any(c)
	for part := range strings.SplitSeq(name, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[part]
	}
	return value
}

func (c claims) text(name string, required bool) (string, error) {
	switch value := c.lookup(name).(type) {
	case string:
		return value, nil
	case nil:
		if required {
			return "", missing(name)
		}
		return "", nil
	default:
		return "", wrongType(name, "a string")
	}
}

// list reads a string as a list of one, as RFC 7519 has it for aud.
func (c claims) list(name string) ([]string, error) {
	switch value := c.lookup(name).(type) {
	case nil:
		return nil, nil
	case string:
		return []string{value}, nil
	case []any:
		list := make([]string, len(value))
		for i, element := range value {
			entry, ok := element.(string)
			if !ok {
				return nil, wrongType(name, "a string or a list of strings")
			}
			list[i] = entry
		}
		return list, nil
	default:
		return nil, wrongType(name, "a string or a list of strings")
	}
}

// maxDate bounds a NumericDate, in seconds: some 34,000 years. It is far from
// where a time.Time, or one with the leeway added, would wrap around.
const maxDate = 1 << 40

// date reads a NumericDate: seconds since 1970, possibly with a fraction.
func (c claims) date(name string) (at time.Time, present bool, err error) {
	switch value := c.lookup(name).(type) {
	case nil:
		return time.Time{}, false, nil
	case float64:
		if math.Abs(value) > maxDate {
			return time.Time{}, false, refuse(fmt.Sprintf("The token's claim %q is out of range.", name))
		}
		seconds, fraction := math.Modf(value)
		return time.Unix(int64(seconds), int64(fraction*float64(time.Second))), true, nil
	default:
		return time.Time{}, false, wrongType(name, "a number")
	}
}

func missing(claim string) error {
	return refuse(fmt.Sprintf("The token's claim %q is missing.", claim))
}

func wrongType(claim, want string) error {
	return refuse(fmt.Sprintf("The token's claim %q is not %s.", claim, want))
}
