package identity_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/identity"
)

const (
	issuerURL = "https://issuer.example"
	keysURL   = "https://issuer.example/keys"
	audience  = "user-api-keys"
)

// start is when the tests' clock begins; tokens are valid from then on for ten
// minutes.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The keys are made anew in every run, so that no token in a corpus can be one
// that holds.
var (
	rsaKey      = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	otherRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	smallRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
	ecKey       = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	p384Key     = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P384()) })
	p521Key     = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P521()) })
	edKey       = sync.OnceValue(func() ed25519.PrivateKey { return must(newEd()) })
)

func newRSA(bits int) *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, bits)) }
func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}
func newEd() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// object is a JSON object in the making.
type object map[string]any

// with returns a copy with one member changed, or dropped when value is nil.
func (o object) with(name string, value any) object {
	changed := maps.Clone(o)
	changed[name] = value
	if value == nil {
		delete(changed, name)
	}
	return changed
}

func (o object) json() string { return string(must(json.Marshal(o))) }

func goodClaims() object {
	return object{
		"iss":                issuerURL,
		"aud":                audience,
		"exp":                start.Add(10 * time.Minute).Unix(),
		"nbf":                start.Unix(),
		"iat":                start.Unix(),
		"iam_id":             "IBMid-1",
		"account":            object{"bss": "account-1"},
		"preferred_username": "ada@example.com",
		"roles":              []string{"Administrator"},
	}
}

func goodPrincipal() apikey.Principal {
	return apikey.Principal{
		Owner: apikey.Owner{AccountID: "account-1", IAMID: "IBMid-1", Username: "ada@example.com"},
		Roles: []apikey.Role{apikey.RoleAdministrator},
	}
}

// signer makes the third part of a token from the first two.
type signer func(input []byte) []byte

func hashOf(h crypto.Hash, input []byte) []byte {
	hash := h.New()
	hash.Write(input)
	return hash.Sum(nil)
}

func pkcs1(key *rsa.PrivateKey, h crypto.Hash) signer {
	return func(input []byte) []byte {
		return must(rsa.SignPKCS1v15(rand.Reader, key, h, hashOf(h, input)))
	}
}

func pss(key *rsa.PrivateKey, h crypto.Hash) signer {
	return func(input []byte) []byte {
		return must(rsa.SignPSS(rand.Reader, key, h, hashOf(h, input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	}
}

func ecdsaOf(key *ecdsa.PrivateKey, h crypto.Hash) signer {
	return func(input []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, key, hashOf(h, input))
		if err != nil {
			panic(err)
		}
		size := (key.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
}

func eddsa(key ed25519.PrivateKey) signer {
	return func(input []byte) []byte { return ed25519.Sign(key, input) }
}

func hmacOf(secret []byte) signer {
	return func(input []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	}
}

func unsigned([]byte) []byte { return nil }

// compact puts a token together by hand: the library would refuse to make most
// of those that an attacker makes.
func compact(header, payload string, sign signer) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

func header(algorithm, kid string) object {
	return object{"typ": "JWT", "alg": algorithm, "kid": kid}
}

// token is one that holds, but for what claims changes.
func token(claims object) string {
	return compact(header("EdDSA", "ed").json(), claims.json(), eddsa(edKey()))
}

func bearer(token string) string { return "Bearer " + token }

// jwk is a key as a set lists it.
func jwk(kid string, key any) object {
	var members object
	text := must(json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid}))
	if err := json.Unmarshal(text, &members); err != nil {
		panic(err)
	}
	return members
}

func jwks(keys ...object) string {
	return object{"keys": keys}.json()
}

func goodKeys() string {
	return jwks(
		jwk("rsa", rsaKey().Public()).with("use", "sig").with("alg", "RS256"),
		jwk("ec", ecKey().Public()),
		jwk("ed", edKey().Public()).with("use", "sig"),
	)
}

// fakeIssuer is the network: it answers every request with one document.
type fakeIssuer struct {
	mu       sync.Mutex
	document string
	err      error
	requests int
	// hold, when not nil, is what a request waits for.
	hold chan struct{}
}

var errDown = errors.New("connection refused")

func (f *fakeIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.requests++
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	return respond(strings.NewReader(f.document)), nil
}

// respond is the answer 200 with that body.
func respond(body io.Reader) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body)}
}

func (f *fakeIssuer) publish(document string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.document, f.err = document, nil
}

func (f *fakeIssuer) fail() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errDown
}

// count is the number of requests so far.
func (f *fakeIssuer) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: start} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func config() identity.Config {
	return identity.Config{Issuer: issuerURL, JWKSURL: keysURL, Audience: audience}
}

func newVerifier(t testing.TB, cfg identity.Config, transport http.RoundTripper, now func() time.Time) *identity.Verifier {
	t.Helper()
	v, err := identity.New(cfg, &http.Client{Transport: transport}, now)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// goodVerifier trusts goodKeys, at start.
func goodVerifier(t testing.TB) *identity.Verifier {
	t.Helper()
	return newVerifier(t, config(), &fakeIssuer{document: goodKeys()}, newClock().now)
}

// wantError checks code and detail, and that neither text repeats the token.
func wantError(t *testing.T, err error, code apikey.Code, detail, authorization string) apikey.Error {
	t.Helper()
	e, ok := errors.AsType[*apikey.Error](err)
	if !ok {
		t.Fatalf("got %v, want a refusal with code %s", err, code)
	}
	if e.Code != code || !strings.Contains(e.Detail, detail) {
		t.Errorf("got code %s, detail %q; want %s, %q", e.Code, e.Detail, code, detail)
	}
	for part := range strings.FieldsFuncSeq(authorization, func(r rune) bool { return r == ' ' || r == '.' || r == ',' }) {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("the error repeats a part of the token: %v", err)
		}
	}
	return *e
}

func wantRefused(t *testing.T, v *identity.Verifier, authorization, detail string) {
	t.Helper()
	_, err := v.Principal(context.Background(), authorization)
	wantError(t, err, apikey.CodeUnauthenticated, detail, authorization)
}

func wantAccepted(t *testing.T, v *identity.Verifier, authorization string) {
	t.Helper()
	if _, err := v.Principal(context.Background(), authorization); err != nil {
		t.Errorf("refused: %v", err)
	}
}

// repeated is a body of n bytes.
func repeated(n int) string { return string(bytes.Repeat([]byte{' '}, n)) }
