package identity_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/identity"
)

func TestAcceptsEveryPinnedAlgorithm(t *testing.T) {
	v := goodVerifier(t)
	for algorithm, token := range goodTokens() {
		t.Run(algorithm, func(t *testing.T) {
			got, err := v.Principal(t.Context(), bearer(token))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(goodPrincipal(), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// goodTokens has one token that holds for each algorithm.
func goodTokens() map[string]string {
	payload := goodClaims().json()
	return map[string]string{
		"RS256": compact(header("RS256", "rsa").json(), payload, pkcs1(rsaKey(), crypto.SHA256)),
		"ES256": compact(header("ES256", "ec").json(), payload, ecdsaOf(ecKey(), crypto.SHA256)),
		"EdDSA": compact(header("EdDSA", "ed").json(), payload, eddsa(edKey())),
	}
}

func TestReadsTheAuthorizationHeader(t *testing.T) {
	v := goodVerifier(t)
	good := token(goodClaims())

	for name, value := range map[string]string{
		"Bearer":                 "Bearer " + good,
		"lower case":             "bearer " + good,
		"upper case":             "BEARER " + good,
		"several spaces":         "Bearer   " + good,
		"white space at the end": "Bearer " + good + " ",
	} {
		t.Run("accepts "+name, func(t *testing.T) { wantAccepted(t, v, value) })
	}

	for _, refused := range []struct{ name, value, detail string }{
		{"nothing", "", "header is missing"},
		{"white space", " \t", "header is missing"},
		{"another scheme", "Basic " + good, "does not hold a bearer token"},
		{"no scheme", good, "does not hold a bearer token"},
		{"a scheme that only begins so", "Bearers " + good, "does not hold a bearer token"},
		{"no space", "Bearer" + good, "does not hold a bearer token"},
		{"the scheme alone", "Bearer", "holds no token"},
		{"the scheme and a space", "Bearer ", "holds no token"},
		{"two tokens", "Bearer " + good + " " + good, "exactly one token"},
		{"two tokens and a comma", "Bearer " + good + "," + good, "exactly one token"},
		{"two merged headers", "Bearer " + good + ", Bearer " + good, "exactly one token"},
		{"a second header line", "Bearer " + good + "\r\nX-Role: Administrator", "exactly one token"},
		{"a line break in the token", "Bearer " + good[:40] + "\n" + good[40:], "exactly one token"},
		{"a huge token", "Bearer " + strings.Repeat("A", identity.MaxTokenBytes+1), "too long"},
	} {
		t.Run("refuses "+refused.name, func(t *testing.T) { wantRefused(t, v, refused.value, refused.detail) })
	}
}

func TestTokenLengthIsBoundedToTheByte(t *testing.T) {
	v := goodVerifier(t)
	// Base64 has no length that is 1 more than a multiple of 4, so the longest
	// token is found by trying.
	longest := func(maxBytes int) string {
		for padding := maxBytes; padding > 0; padding-- {
			if long := token(goodClaims().with("padding", strings.Repeat("p", padding))); len(long) <= maxBytes {
				return long
			}
		}
		return ""
	}(identity.MaxTokenBytes)
	if len(longest) < identity.MaxTokenBytes-2 {
		t.Fatalf("made a token of %d bytes only", len(longest))
	}
	wantAccepted(t, v, bearer(longest))
	wantRefused(t, v, bearer(longest+"AAAA"), "too long")
}

func TestRejectsGarbageTokens(t *testing.T) {
	v := goodVerifier(t)
	good := token(goodClaims())
	parts := strings.Split(good, ".")
	flattened := object{"payload": parts[1], "protected": parts[0], "signature": parts[2]}

	for name, garbage := range map[string]string{
		"dots":                      "..",
		"many dots":                 strings.Repeat(".", 4000),
		"one part":                  parts[0],
		"two parts":                 parts[0] + "." + parts[1],
		"four parts":                good + "." + parts[2],
		"five parts (JWE)":          good + "." + parts[2] + "." + parts[2],
		"truncated base64":          parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1],
		"padded base64":             good + "==",
		"standard base64 alphabet":  parts[0] + "." + parts[1] + ".++//",
		"percent-encoded":           strings.ReplaceAll(good, ".", "%2E"),
		"header that is no JSON":    compact("hello", goodClaims().json(), eddsa(edKey())),
		"header that is a list":     compact("[]", goodClaims().json(), eddsa(edKey())),
		"header with a name twice":  compact(`{"alg":"EdDSA","kid":"ed","kid":"ed"}`, goodClaims().json(), eddsa(edKey())),
		"header with trailing data": compact(header("EdDSA", "ed").json()+"{}", goodClaims().json(), eddsa(edKey())),
		"kid that is a number":      compact(`{"alg":"EdDSA","kid":1}`, goodClaims().json(), eddsa(edKey())),
		"flattened JSON":            flattened.json(),
		"general JSON": object{"payload": parts[1], "signatures": []object{
			{"protected": parts[0], "signature": parts[2]}, {"protected": parts[0], "signature": parts[2]},
		}}.json(),
		"a user API key": "cpdk_" + strings.Repeat("0", 80),
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, v, bearer(garbage), "")
			if strings.HasPrefix(garbage, "{") {
				encoded := base64.RawURLEncoding.EncodeToString([]byte(garbage))
				wantRefused(t, v, bearer(encoded), "not a JWT in compact form")
			}
		})
	}
}

func TestATokenHasOneSpelling(t *testing.T) {
	v := goodVerifier(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for algorithm, good := range goodTokens() {
		// The last character carries unused bits, which a lenient decoder skips.
		for _, last := range alphabet {
			if changed := good[:len(good)-1] + string(last); changed != good {
				if _, err := v.Principal(t.Context(), bearer(changed)); err == nil {
					t.Errorf("%s: accepted with %q as the last character", algorithm, last)
				}
			}
		}
	}
}

func TestRejectsTamperedTokens(t *testing.T) {
	v := goodVerifier(t)
	for algorithm, good := range goodTokens() {
		t.Run(algorithm, func(t *testing.T) {
			parts := strings.Split(good, ".")
			other := base64.RawURLEncoding.EncodeToString([]byte(goodClaims().with("iam_id", "IBMid-2").json()))
			wantRefused(t, v, bearer(parts[0]+"."+other+"."+parts[2]), "signature")
			wantRefused(t, v, bearer(parts[0]+"."+parts[1]+"."), "signature")
			zeros := base64.RawURLEncoding.EncodeToString(make([]byte, base64.RawURLEncoding.DecodedLen(len(parts[2]))))
			wantRefused(t, v, bearer(parts[0]+"."+parts[1]+"."+zeros), "signature")
		})
	}
}

func TestRejectsAlgNone(t *testing.T) {
	v := goodVerifier(t)
	for _, algorithm := range []string{"none", "None", "NONE", "nOnE", ""} {
		wantRefused(t, v, bearer(compact(header(algorithm, "ed").json(), goodClaims().json(), unsigned)), "algorithm is not accepted")
	}
	wantRefused(t, v, bearer(compact(`{"kid":"ed"}`, goodClaims().json(), unsigned)), "algorithm is not accepted")
	wantRefused(t, v, bearer(compact("", goodClaims().json(), unsigned)), "")
}

func TestRejectsHMACSignedWithPublicKey(t *testing.T) {
	v := goodVerifier(t)
	for kid, public := range map[string]any{"rsa": rsaKey().Public(), "ec": ecKey().Public(), "ed": edKey().Public()} {
		der := must(x509.MarshalPKIXPublicKey(public))
		for encoding, secret := range map[string][]byte{
			"DER": der,
			"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
			"JWK": []byte(jwk(kid, public).json()),
		} {
			t.Run(kid+" as "+encoding, func(t *testing.T) {
				forged := compact(header("HS256", kid).json(), goodClaims().json(), hmacOf(secret))
				wantRefused(t, v, bearer(forged), "algorithm is not accepted")
			})
		}
	}
}

// Each of these signatures is right for its header and key, and the key is
// published under the kid: only the pinned list stands in the way.
func TestRejectsAlgorithmsThatAreNotPinned(t *testing.T) {
	v := newVerifier(t, config(), &fakeIssuer{document: jwks(
		jwk("rsa", rsaKey().Public()), jwk("p384", p384Key().Public()), jwk("p521", p521Key().Public()),
	)}, newClock().now)
	for _, c := range []struct {
		algorithm, kid string
		sign           signer
	}{
		{"RS384", "rsa", pkcs1(rsaKey(), crypto.SHA384)},
		{"RS512", "rsa", pkcs1(rsaKey(), crypto.SHA512)},
		{"PS256", "rsa", pss(rsaKey(), crypto.SHA256)},
		{"PS512", "rsa", pss(rsaKey(), crypto.SHA512)},
		{"ES384", "p384", ecdsaOf(p384Key(), crypto.SHA384)},
		{"ES512", "p521", ecdsaOf(p521Key(), crypto.SHA512)},
	} {
		t.Run(c.algorithm, func(t *testing.T) {
			forged := compact(header(c.algorithm, c.kid).json(), goodClaims().json(), c.sign)
			wantRefused(t, v, bearer(forged), "algorithm is not accepted")
		})
	}
}

func TestRejectsKeyUsedWithAnotherAlgorithm(t *testing.T) {
	v := goodVerifier(t)
	for _, c := range []struct {
		name, algorithm, kid string
		sign                 signer
	}{
		{"EC key with RS256", "RS256", "ec", ecdsaOf(ecKey(), crypto.SHA256)},
		{"EC key with EdDSA", "EdDSA", "ec", ecdsaOf(ecKey(), crypto.SHA256)},
		{"RSA key with ES256", "ES256", "rsa", pkcs1(rsaKey(), crypto.SHA256)},
		{"Ed25519 key with ES256", "ES256", "ed", eddsa(edKey())},
		{"RS256 signature labeled EdDSA", "EdDSA", "rsa", pkcs1(rsaKey(), crypto.SHA256)},
	} {
		t.Run(c.name, func(t *testing.T) {
			forged := compact(header(c.algorithm, c.kid).json(), goodClaims().json(), c.sign)
			wantRefused(t, v, bearer(forged), "does not publish")
		})
	}
}

func TestRejectsSignatureInDERForm(t *testing.T) {
	forged := compact(header("ES256", "ec").json(), goodClaims().json(), func(input []byte) []byte {
		return must(ecKey().Sign(rand.Reader, hashOf(crypto.SHA256, input), crypto.SHA256))
	})
	wantRefused(t, goodVerifier(t), bearer(forged), "signature")
}

// The attacker signs with a key of his own and sends it along, or says where to
// find it.
func TestIgnoresKeysInTheTokensHeader(t *testing.T) {
	var requests atomic.Int64
	attacker := newEC(elliptic.P256())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = w.Write([]byte(jwks(jwk("ec", attacker.Public()), jwk("evil", attacker.Public()))))
	}))
	defer server.Close()
	// The real transport: a request to the attacker's server would get there.
	issuer := &fakeIssuer{document: goodKeys()}
	transport := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "issuer.example" {
			return issuer.RoundTrip(r)
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	v := newVerifier(t, config(), transport, newClock().now)

	certificate := must(x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, attacker.Public(), attacker))
	for name, extra := range map[string]any{
		"jwk":         jwk("ec", attacker.Public()),
		"jku":         server.URL + "/keys",
		"x5u":         server.URL + "/certificate",
		"x5c":         []string{base64.StdEncoding.EncodeToString(certificate)},
		"private jwk": jwk("ec", attacker),
	} {
		for _, kid := range []any{"ec", "evil", nil} {
			h := header("ES256", "").with("kid", kid).with(strings.TrimPrefix(name, "private "), extra)
			forged := compact(h.json(), goodClaims().json(), ecdsaOf(attacker, crypto.SHA256))
			if _, err := v.Principal(context.Background(), bearer(forged)); apikey.CodeOf(err) != apikey.CodeUnauthenticated {
				t.Errorf("%s, kid %v: got %v", name, kid, err)
			}
		}
		// The same header on a token that is really the issuer's does no harm,
		// except where the header itself is against the RFC.
		if name != "private jwk" {
			h := header("ES256", "ec").with(name, extra)
			wantAccepted(t, v, bearer(compact(h.json(), goodClaims().json(), ecdsaOf(ecKey(), crypto.SHA256))))
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("the attacker's server was asked %d times", n)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRejectsHeaderExtensions(t *testing.T) {
	v := goodVerifier(t)
	for name, h := range map[string]object{
		"crit of something unknown": header("EdDSA", "ed").with("crit", []string{"exp"}).with("exp", 1),
		"crit of b64":               header("EdDSA", "ed").with("crit", []string{"b64"}).with("b64", true),
		"crit that is empty":        header("EdDSA", "ed").with("crit", []string{}),
		"b64 without crit":          header("EdDSA", "ed").with("b64", true),
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, v, bearer(compact(h.json(), goodClaims().json(), eddsa(edKey()))), "extension")
		})
	}
	t.Run("unencoded payload", func(t *testing.T) {
		h := header("EdDSA", "ed").with("b64", false).with("crit", []string{"b64"}).json()
		payload := goodClaims().json()
		encodedHeader := base64.RawURLEncoding.EncodeToString([]byte(h))
		signature := eddsa(edKey())([]byte(encodedHeader + "." + payload))
		forged := encodedHeader + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + base64.RawURLEncoding.EncodeToString(signature)
		wantRefused(t, v, bearer(forged), "extension")
	})
}

func TestRejectsTokenThatNamesNoKey(t *testing.T) {
	// Refused even when the set holds a single key.
	v := newVerifier(t, config(), &fakeIssuer{document: jwks(jwk("ed", edKey().Public()))}, newClock().now)
	for name, h := range map[string]object{
		"no kid":    header("EdDSA", "").with("kid", nil),
		"empty kid": header("EdDSA", ""),
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, v, bearer(compact(h.json(), goodClaims().json(), eddsa(edKey()))), "kid")
		})
	}
}

func TestErrorsRepeatNothingOfTheToken(t *testing.T) {
	const marker = "marker-of-the-attacker"
	v := goodVerifier(t)
	tokens := []string{
		compact(header(marker, "ed").json(), goodClaims().json(), eddsa(edKey())),
		compact(header("EdDSA", marker).json(), goodClaims().json(), eddsa(edKey())),
		compact(header("EdDSA", "ed").with("crit", marker).json(), goodClaims().json(), eddsa(edKey())),
		compact(`{"alg":"EdDSA","kid":{"`+marker+`":1}}`, goodClaims().json(), eddsa(edKey())),
		compact(`{"`+marker+`":1,"`+marker+`":2}`, goodClaims().json(), eddsa(edKey())),
		compact(header("EdDSA", "ed").json(), `{"`+marker+`":1,"`+marker+`":2}`, eddsa(edKey())),
		compact(header("EdDSA", "ed").json(), marker, eddsa(edKey())),
	}
	for claim := range goodClaims() {
		tokens = append(tokens,
			token(goodClaims().with(claim, object{marker: marker})),
			token(goodClaims().with(claim, marker+"\x00"+strings.Repeat(marker, 20))))
	}
	refused := 0
	for _, forged := range tokens {
		if _, err := v.Principal(t.Context(), bearer(forged)); err != nil {
			refused++
			if strings.Contains(err.Error(), marker) {
				t.Errorf("the error repeats a part of the token: %v", err)
			}
		}
	}
	// Only roles that are an unknown role are no reason to refuse.
	if want := len(tokens) - 1; refused != want {
		t.Errorf("%d tokens were refused, want %d", refused, want)
	}
}
