package identity_test

import (
	"crypto"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/identity"
)

func TestRejectsAnotherIssuer(t *testing.T) {
	v := goodVerifier(t)
	for name, iss := range map[string]any{
		"another one":       "https://evil.example",
		"a longer one":      issuerURL + ".evil.example",
		"a slash more":      issuerURL + "/",
		"another case":      strings.ToUpper(issuerURL),
		"empty":             "",
		"a list with it":    []string{issuerURL},
		"an object with it": object{"iss": issuerURL},
		"missing":           nil,
	} {
		t.Run(name, func(t *testing.T) {
			detail := "another issuer"
			switch iss.(type) {
			case nil, []string, object:
				detail = `"iss"`
			}
			wantRefused(t, v, bearer(token(goodClaims().with("iss", iss))), detail)
		})
	}
}

func TestAudienceMustIncludeOurs(t *testing.T) {
	v := goodVerifier(t)
	for _, c := range []struct {
		name   string
		aud    any
		detail string // "" is accepted
	}{
		{"ours", audience, ""},
		{"ours alone in a list", []string{audience}, ""},
		{"ours among others", []string{"other", audience, "third"}, ""},
		{"another", "other", "another audience"},
		{"others", []string{"other", "third"}, "another audience"},
		{"ours as a part", audience + "-admin", "another audience"},
		{"ours in another case", strings.ToUpper(audience), "another audience"},
		{"ours in a list of words", "other " + audience, "another audience"},
		{"empty", "", "another audience"},
		{"empty list", []string{}, "another audience"},
		{"missing", nil, "another audience"},
		{"list with a number", []any{audience, 1}, `"aud" is not`},
		{"number", 1, `"aud" is not`},
		{"object", object{audience: true}, `"aud" is not`},
	} {
		t.Run(c.name, func(t *testing.T) {
			value := bearer(token(goodClaims().with("aud", c.aud)))
			if c.detail == "" {
				wantAccepted(t, v, value)
				return
			}
			wantRefused(t, v, value, c.detail)
		})
	}
}

func TestTimesHoldWithALeewayOfOneMinute(t *testing.T) {
	sec := func(d time.Duration) float64 { return float64(start.Add(d).UnixMilli()) / 1000 }
	v := goodVerifier(t)
	for _, c := range []struct {
		name, claim string
		value       any
		detail      string // "" is accepted
	}{
		{"expires now", "exp", sec(0), ""},
		{"expired within the leeway", "exp", sec(-59 * time.Second), ""},
		{"expired a blink within the leeway", "exp", sec(-60*time.Second + time.Millisecond), ""},
		{"expired by the leeway", "exp", sec(-60 * time.Second), "expired"},
		{"expired long ago", "exp", sec(-time.Hour), "expired"},
		{"expired in 1970", "exp", 0, "expired"},
		{"expired before 1970", "exp", -1, "expired"},
		{"expires far from now", "exp", 1 << 39, ""},
		{"expires beyond time", "exp", 1e300, "out of range"},
		{"expired beyond time", "exp", -1e300, "out of range"},
		{"exp missing", "exp", nil, `"exp" is missing`},
		{"exp a string", "exp", "1800000000", `"exp" is not`},
		{"exp true", "exp", true, `"exp" is not`},
		{"exp a list", "exp", []any{sec(time.Hour)}, `"exp" is not`},

		{"valid from now on", "nbf", sec(0), ""},
		{"valid soon, by the leeway", "nbf", sec(60 * time.Second), ""},
		{"valid soon, a blink too late", "nbf", sec(60*time.Second + time.Millisecond), "not valid yet"},
		{"valid in an hour", "nbf", sec(time.Hour), "not valid yet"},
		{"valid beyond time", "nbf", 1e300, "out of range"},
		{"nbf near the end of int64", "nbf", 9.2e18, "out of range"},
		{"nbf missing", "nbf", nil, ""},
		{"nbf a string", "nbf", "0", `"nbf" is not`},

		{"issued by a clock ahead by the leeway", "iat", sec(60 * time.Second), ""},
		{"issued in the future", "iat", sec(61 * time.Second), "issued in the future"},
		{"iat missing", "iat", nil, ""},
		{"iat a string", "iat", "0", `"iat" is not`},
	} {
		t.Run(c.name, func(t *testing.T) {
			value := bearer(token(goodClaims().with(c.claim, c.value)))
			if c.detail == "" {
				wantAccepted(t, v, value)
				return
			}
			wantRefused(t, v, value, c.detail)
		})
	}
}

func TestATokenEndsByTheClock(t *testing.T) {
	clock := newClock()
	v := newVerifier(t, config(), &fakeIssuer{document: goodKeys()}, clock.now)
	value := bearer(token(goodClaims()))

	clock.advance(-time.Minute)
	wantAccepted(t, v, value)
	clock.advance(-time.Nanosecond)
	wantRefused(t, v, value, "not valid yet")

	clock.advance(time.Minute + time.Nanosecond + 11*time.Minute - time.Nanosecond)
	wantAccepted(t, v, value)
	clock.advance(time.Nanosecond)
	wantRefused(t, v, value, "expired")
}

func TestClaimsOfTheOwner(t *testing.T) {
	v := goodVerifier(t)
	for _, c := range []struct{ name, payload, detail string }{
		{"iam_id missing", goodClaims().with("iam_id", nil).json(), `"iam_id" is missing`},
		{"iam_id null", goodClaims().with("iam_id", object(nil)).json(), `"iam_id" is missing`},
		{"iam_id empty", goodClaims().with("iam_id", "").json(), "iamId is empty"},
		{"iam_id a number", goodClaims().with("iam_id", 1).json(), `"iam_id" is not a string`},
		{"iam_id a list", goodClaims().with("iam_id", []string{"IBMid-1"}).json(), `"iam_id" is not a string`},
		{"iam_id too long", goodClaims().with("iam_id", strings.Repeat("i", apikey.MaxIAMIDBytes+1)).json(), "iamId is longer than 128 bytes"},
		{"iam_id with a line break", goodClaims().with("iam_id", "IBMid-1\n").json(), "cannot be printed"},
		{"iam_id with an invalid byte", strings.Replace(goodClaims().json(), "IBMid-1", "IBMid-1\xff", 1), "cannot be printed"},
		{"iam_id with half a surrogate pair", strings.Replace(goodClaims().json(), "IBMid-1", `IBMid-1\ud800`, 1), "cannot be printed"},
		{"iam_id twice", strings.Replace(goodClaims().json(), `"iam_id":`, `"iam_id":"IBMid-2","iam_id":`, 1), "distinct names"},
		{"iam_id twice, once escaped", strings.Replace(goodClaims().json(), `"iam_id":`, `"iam\u005fid":"IBMid-2","iam_id":`, 1), "distinct names"},
		{"iam_id in another case only", strings.Replace(goodClaims().json(), `"iam_id":`, `"IAM_ID":`, 1), `"iam_id" is missing`},
		{"account missing", goodClaims().with("account", nil).json(), `"account.bss" is missing`},
		{"account without bss", goodClaims().with("account", object{"valid": true}).json(), `"account.bss" is missing`},
		{"account a string", goodClaims().with("account", "account-1").json(), `"account.bss" is missing`},
		{"account.bss a number", goodClaims().with("account", object{"bss": 1}).json(), `"account.bss" is not a string`},
		{"account.bss empty", goodClaims().with("account", object{"bss": ""}).json(), "accountId is empty"},
		{"account.bss twice", strings.Replace(goodClaims().json(), `"bss":`, `"bss":"account-2","bss":`, 1), "distinct names"},
		{"username a list", goodClaims().with("preferred_username", []string{"ada"}).json(), `"preferred_username" is not a string`},
		{"username too long", goodClaims().with("preferred_username", strings.Repeat("u", apikey.MaxUsernameBytes+1)).json(), "username is longer than 256 bytes"},
		{"payload a list", "[]", "not a JSON object"},
		{"payload null", "null", "not a JSON object"},
		{"payload empty", "", "not a JSON object"},
		{"payload text", "hello", "not a JSON object"},
		{"payload with trailing data", goodClaims().json() + "{}", "not a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefused(t, v, bearer(compact(header("EdDSA", "ed").json(), c.payload, eddsa(edKey()))), c.detail)
		})
	}
	t.Run("username missing", func(t *testing.T) {
		got, err := v.Principal(t.Context(), bearer(token(goodClaims().with("preferred_username", nil))))
		if err != nil || got.Owner.Username != "" {
			t.Errorf("got %+v, %v; want no username", got, err)
		}
	})
}

func TestRolesAreAListOrOneString(t *testing.T) {
	v := goodVerifier(t)
	for _, c := range []struct {
		name  string
		roles any
		want  []apikey.Role
	}{
		{"list", []string{"JobRunner", "Administrator"}, []apikey.Role{apikey.RoleJobRunner, apikey.RoleAdministrator}},
		{"list with unknown ones", []string{"Viewer", "JobRunner"}, []apikey.Role{"Viewer", apikey.RoleJobRunner}},
		{"empty list", []string{}, nil},
		{"missing", nil, nil},
		{"string", "Administrator", []apikey.Role{apikey.RoleAdministrator}},
		// Taking these apart would make an administrator of somebody who is none.
		{"string with a space", "Billing Administrator", []apikey.Role{"Billing Administrator"}},
		{"string with a comma", "Billing,Administrator", []apikey.Role{"Billing,Administrator"}},
		{"other case", "administrator", []apikey.Role{"administrator"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := v.Principal(t.Context(), bearer(token(goodClaims().with("roles", c.roles))))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Roles); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, roles := range map[string]any{
		"number":             1,
		"true":               true,
		"object":             object{"Administrator": true},
		"list with a number": []any{"Administrator", 1},
		"list with null":     []any{"Administrator", nil},
		"list of lists":      []any{[]string{"Administrator"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, v, bearer(token(goodClaims().with("roles", roles))), `"roles" is not a string or a list of strings`)
		})
	}
}

func TestClaimNamesAreConfiguration(t *testing.T) {
	for _, c := range []struct {
		name   string
		names  identity.ClaimNames
		claims object
	}{
		{
			"names with a colon",
			identity.ClaimNames{IAMID: "sub", AccountID: "custom:account", Username: "email", Roles: "cognito:groups"},
			object{"sub": "IBMid-1", "custom:account": "account-1", "email": "ada@example.com", "cognito:groups": []string{"Administrator"}},
		},
		{
			"deep path",
			identity.ClaimNames{AccountID: "a.b.c", Roles: "realm_access.roles"},
			object{
				"iam_id": "IBMid-1", "preferred_username": "ada@example.com", "a": object{"b": object{"c": "account-1"}},
				"realm_access": object{"roles": []string{"Administrator"}},
			},
		},
		{
			"a name with dots goes before the path",
			identity.ClaimNames{Roles: "https://example.com/roles"},
			object{
				"iam_id": "IBMid-1", "preferred_username": "ada@example.com",
				"account.bss": "account-1", "account": object{"bss": "account-2"},
				"https://example.com/roles": "Administrator",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			cfg.Claims = c.names
			v := newVerifier(t, cfg, &fakeIssuer{document: goodKeys()}, newClock().now)
			claims := object{"iss": issuerURL, "aud": audience, "exp": start.Add(time.Minute).Unix()}
			maps.Copy(claims, c.claims)
			got, err := v.Principal(t.Context(), bearer(token(claims)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(goodPrincipal(), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDefaultClaimNamesAreTheDocumentedOnes(t *testing.T) {
	want := identity.ClaimNames{IAMID: "iam_id", AccountID: "account.bss", Username: "preferred_username", Roles: "roles"}
	if diff := cmp.Diff(want, identity.DefaultClaimNames()); diff != "" {
		t.Error(diff)
	}
}

// What a token says counts for nothing until its signature holds.
func TestSignatureIsCheckedBeforeAnyClaim(t *testing.T) {
	v := goodVerifier(t)
	for _, claims := range []object{
		goodClaims().with("exp", 0),
		goodClaims().with("iss", "https://evil.example"),
		goodClaims().with("iam_id", nil),
	} {
		forged := compact(header("RS256", "rsa").json(), claims.json(), pkcs1(otherRSAKey(), crypto.SHA256))
		wantRefused(t, v, bearer(forged), "signature")
	}
}
