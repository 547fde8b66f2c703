package identity_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// FuzzPrincipal: whatever stands in the header, nothing but a token that the
// issuer signed is accepted. The keys are new in every run, so no input can be
// one.
func FuzzPrincipal(f *testing.F) {
	v := goodVerifier(f)
	f.Fuzz(func(t *testing.T, authorization string) {
		p, err := v.Principal(t.Context(), authorization)
		if err == nil {
			t.Fatalf("accepted as %+v", p)
		}
		if e, ok := errors.AsType[*apikey.Error](err); !ok || e.Code != apikey.CodeUnauthenticated || e.Detail == "" {
			t.Errorf("got %v, want a refusal with a detail", err)
		}
	})
}

// FuzzSignedClaims: of what the issuer signs, only what names a user of an
// account, this issuer and this audience is accepted. The standard library
// reads the same payload for comparison.
func FuzzSignedClaims(f *testing.F) {
	v := goodVerifier(f)
	f.Fuzz(func(t *testing.T, payload string) {
		p, err := v.Principal(t.Context(), bearer(compact(header("EdDSA", "ed").json(), payload, eddsa(edKey()))))
		if err != nil {
			if apikey.CodeOf(err) != apikey.CodeUnauthenticated {
				t.Errorf("got %v, want a refusal", err)
			}
			return
		}
		var claims map[string]any
		if err := json.Unmarshal([]byte(payload), &claims); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		exp, isNumber := claims["exp"].(float64)
		if claims["iss"] != issuerURL || claims["iam_id"] != p.Owner.IAMID || !isNumber || exp <= float64(start.Unix()-60) {
			t.Errorf("accepted %s as %+v", payload, p)
		}
		if err := p.Owner.Validate(); err != nil {
			t.Errorf("accepted an owner that is none: %v", err)
		}
	})
}
