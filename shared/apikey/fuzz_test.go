package apikey_test

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// FuzzParseCredential: what the parser accepts encodes back to the same bytes,
// and a secret scanner finds it. Every text is tried with its right checksum as
// well, because hardly any input would get past the checksum.
func FuzzParseCredential(f *testing.F) {
	pattern := regexp.MustCompile("^(?:" + apikey.CredentialPattern + ")$")
	f.Fuzz(func(t *testing.T, text string) {
		texts := []string{text}
		if len(text) > 6 {
			texts = append(texts, withChecksum(unchecked(text)))
		}
		for _, text := range texts {
			credential, err := apikey.ParseCredential(text)
			if err != nil {
				if !errors.Is(err, apikey.ErrCredentialMalformed) || !credential.IsZero() {
					t.Errorf("%q: got %q, %v", text, credential.Reveal(), err)
				}
				continue
			}
			if again := credential.Reveal(); again != text {
				t.Errorf("%q was parsed to %q", text, again)
			}
			if !pattern.MatchString(text) || apikey.Redact(text) != redacted {
				t.Errorf("a secret scanner would miss %q", text)
			}
			id := credential.KeyID()
			if parsed, err := apikey.ParseUUID(id.String()); err != nil || parsed != id {
				t.Errorf("%q has the key id %s, which is none: %v", text, id, err)
			}
		}
	})
}

// FuzzParseUUID: what the parser accepts encodes back to the same bytes.
func FuzzParseUUID(f *testing.F) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := apikey.ParseUUID(text)
		switch {
		case (err == nil) != form.MatchString(text):
			t.Errorf("%q: got %v, %v", text, id, err)
		case err != nil && id != apikey.UUID{}:
			t.Errorf("%q was refused with the id %s", text, id)
		case err == nil && id.String() != text:
			t.Errorf("%q was parsed to %q", text, id)
		}
	})
}

// FuzzParseScheduleRef: what the parser accepts is written as the same text, and
// names a schedule that can be. Every text's content is tried with its right
// checksum as well.
func FuzzParseScheduleRef(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		texts := []string{text}
		if body, ok := strings.CutPrefix(text, "cpds_"); ok {
			if decoded, err := base64.RawURLEncoding.DecodeString(body); err == nil && len(decoded) > 20 {
				texts = append(texts, scheduleRef(decoded[4:20], string(decoded[20:])))
			}
		}
		for _, text := range texts {
			ref, err := apikey.ParseScheduleRef(text)
			switch {
			case err != nil && ref != apikey.ScheduleRef{}:
				t.Errorf("%q was refused with %+v", text, ref)
			case err == nil && (ref.String() != text || !apikey.IsScheduleID(ref.ID) || !scheduleRefPattern.MatchString(text)):
				t.Errorf("%q was parsed to %+v, %q", text, ref, ref)
			}
		}
	})
}

// FuzzParseRunRef: what the parser accepts is written as the same text. Every
// text is tried with its right checksum as well.
func FuzzParseRunRef(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		texts := []string{text}
		if len(text) > 6 {
			texts = append(texts, withChecksum(unchecked(text)))
		}
		for _, text := range texts {
			ref, err := apikey.ParseRunRef(text)
			switch {
			case err != nil && ref != apikey.RunRef{}:
				t.Errorf("%q was refused with %+v", text, ref)
			case err == nil && (ref.String() != text || !runRefPattern.MatchString(text)):
				t.Errorf("%q was parsed to %+v, %q", text, ref, ref)
			}
		}
	})
}
