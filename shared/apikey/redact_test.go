package apikey_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

func TestRedactFindsCredentialsWhereverTheyStand(t *testing.T) {
	const c = sampleText
	for _, test := range []struct{ name, text, want string }{
		{"alone", c, redacted},
		{"in a sentence", "the key " + c + ", which", "the key " + redacted + ", which"},
		{"twice", c + " and " + c, redacted + " and " + redacted},
		{"in JSON", `{"credential":"` + c + `"}`, `{"credential":"` + redacted + `"}`},
		{"in JSON in JSON", `"{\"credential\":\"` + c + `\"}"`, `"{\"credential\":\"` + redacted + `\"}"`},
		{"in a query", "https://example.com/?key=" + c + "&x=1", "https://example.com/?key=" + redacted + "&x=1"},
		{"in a header", "Authorization: Bearer " + c + "\r\n", "Authorization: Bearer " + redacted + "\r\n"},
		{"right after other characters", "xx" + c, "xx" + redacted},
		{"on a line of many", "a\n" + c + "\nb", "a\n" + redacted + "\nb"},
		{"among bytes that are no text", "\xff" + c + "\xfe", "\xff" + redacted + "\xfe"},
		{"after its own prefix", "cpdk_ " + c, "cpdk_ " + redacted},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := apikey.Redact(test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := string(apikey.RedactBytes([]byte(test.text))); got != test.want {
				t.Errorf("of bytes: got %q, want %q", got, test.want)
			}
		})
	}
}

// Without its last character, or with one too many or too few, it still holds
// the secret, or all that is worth guessing.
func TestRedactFindsCredentialsThatWereCutOffOrMistyped(t *testing.T) {
	secret := sampleText[49:92]
	var mistyped []string
	for i := 5; i < len(sampleText); i++ {
		mistyped = append(mistyped, sampleText[:i], sampleText[:i]+sampleText[i+1:], sampleText[:i]+"x"+sampleText[i:], sampleText[:i]+"_"+sampleText[i+1:])
	}
	for _, text := range mistyped {
		got := apikey.Redact("field " + text + " is unknown")
		for i := range len(secret) - 6 {
			if strings.Contains(got, secret[i:i+6]) {
				t.Fatalf("%q became %q", text, got)
			}
		}
	}
}

func TestRedactLeavesOtherTextsAsTheyAre(t *testing.T) {
	for _, text := range []string{"", "no key here", "cpd-apikey-IBMid-1-2026-11-03T12:00:00.000Z", redacted, "\xff\x00"} {
		if got := apikey.Redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestRedactLeavesNoCredentialInAnyText(t *testing.T) {
	pattern := regexp.MustCompile(apikey.CredentialPattern)
	rapid.Check(t, func(t *rapid.T) {
		text := ""
		for range rapid.IntRange(0, 3).Draw(t, "credentials") {
			credential := newCredential(t, apikey.Locator(someBytes(16).Draw(t, "locator")), someID().Draw(t, "id"), [32]byte(someBytes(32).Draw(t, "secret")))
			text += rapid.String().Draw(t, "before") + credential.Reveal()
		}
		text += rapid.String().Draw(t, "after")
		redacted := apikey.Redact(text)
		if pattern.MatchString(redacted) {
			t.Errorf("left in %q", redacted)
		}
		if ofBytes := string(apikey.RedactBytes([]byte(text))); ofBytes != redacted {
			t.Errorf("of bytes: %q, of text: %q", ofBytes, redacted)
		}
	})
}
