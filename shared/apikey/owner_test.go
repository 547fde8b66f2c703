package apikey_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

// The locators were computed by another program: rings are found by them, so
// they must never change.
func TestLocatorStaysAsItWas(t *testing.T) {
	for _, c := range []struct {
		owner apikey.Owner
		want  string
	}{
		{apikey.Owner{AccountID: "acme", IAMID: "IBMid-1"}, "1c36c24920283b0fc4ac1d2d18338338"},
		{apikey.Owner{AccountID: "a1b2c3d4e5f60718293a4b5c6d7e8f90", IAMID: "IBMid-5500012ABC"}, "579a0d8e68328aae031ffb5fda9714fb"},
		{apikey.Owner{}, "374708fff7719dd5979ec875d56cd228"},
	} {
		if got := c.owner.Locator().String(); got != c.want {
			t.Errorf("%+v has the locator %s, want %s", c.owner, got, c.want)
		}
	}
}

// The parts are of few characters, so that many pairs of owners would be the
// same text if their parts were only joined, or joined by a character.
func TestNoTwoOwnersShareALocator(t *testing.T) {
	part := rapid.StringOfN(rapid.RuneFrom([]rune{'a', ':', '#', 0, 1}), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		one := apikey.Owner{AccountID: part.Draw(t, "account"), IAMID: part.Draw(t, "user")}
		other := apikey.Owner{AccountID: part.Draw(t, "other account"), IAMID: part.Draw(t, "other user")}
		if same := one == other; (one.Locator() == other.Locator()) != same {
			t.Errorf("%q and %q: %v and %v", one, other, one.Locator(), other.Locator())
		}
	})
}

func TestNoTwoOwnersShareALocatorBySplittingOneTextElsewhere(t *testing.T) {
	const text = "acme\x00\x00\x00\x00\x00\x00\x00\x07IBMid-1"
	splits := map[apikey.Locator]int{}
	for at := range len(text) + 1 {
		locator := apikey.Owner{AccountID: text[:at], IAMID: text[at:]}.Locator()
		if earlier, taken := splits[locator]; taken {
			t.Errorf("split at %d and at %d it has the same locator", earlier, at)
		}
		splits[locator] = at
	}
}

func TestUsernameIsNoPartOfTheIdentity(t *testing.T) {
	renamed := ada
	renamed.Username = "ada.lovelace@example.com"
	if renamed.Locator() != ada.Locator() {
		t.Error("another username has another locator")
	}
}

func TestOwnersAreValidUpToTheirBounds(t *testing.T) {
	for name, owner := range map[string]apikey.Owner{
		"usual":                ada,
		"no username":          {AccountID: "acme", IAMID: "IBMid-1"},
		"shortest":             {AccountID: "a", IAMID: "b"},
		"longest":              {AccountID: strings.Repeat("a", 128), IAMID: strings.Repeat("b", 128), Username: strings.Repeat("c", 256)},
		"longest beyond ASCII": {AccountID: strings.Repeat("é", 64), IAMID: strings.Repeat("é", 64), Username: strings.Repeat("字", 85)},
		"with a blank":         {AccountID: "acme inc", IAMID: "IBMid 1", Username: "Ada Lovelace"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := owner.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInvalidOwnersAreToldWhichPartIsWrong(t *testing.T) {
	for _, part := range []struct {
		name     string
		maxBytes int
		required bool
		with     func(string) apikey.Owner
	}{
		{"accountId", 128, true, func(s string) apikey.Owner { return apikey.Owner{AccountID: s, IAMID: "b", Username: "c"} }},
		{"iamId", 128, true, func(s string) apikey.Owner { return apikey.Owner{AccountID: "a", IAMID: s, Username: "c"} }},
		{"username", 256, false, func(s string) apikey.Owner { return apikey.Owner{AccountID: "a", IAMID: "b", Username: s} }},
	} {
		values := map[string]string{
			"a byte too long":   strings.Repeat("x", part.maxBytes+1),
			"too long in bytes": strings.Repeat("é", part.maxBytes/2+1),
			"line break":        "a\nb",
			"tab":               "a\tb",
			"NUL":               "a\x00",
			"delete":            "a\x7f",
			"invalid UTF-8":     "a\xff",
			"once invalid":      "a\ufffd",
			"zero width space":  "a\u200bb",
			"text turned round": "a\u202eb",
			"unbreakable blank": "a\u00a0b",
			"byte order mark":   "\ufeffa",
		}
		if part.required {
			values["empty"] = ""
		}
		for name, value := range values {
			t.Run(part.name+" "+name, func(t *testing.T) {
				err := part.with(value).Validate()
				if err == nil || !strings.HasPrefix(err.Error(), part.name+" ") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
