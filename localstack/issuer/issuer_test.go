package issuer

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newTestIssuer(t *testing.T) *Issuer {
	t.Helper()
	issuer, err := New("127.0.0.1:4567", rand.Reader, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func call(t *testing.T, issuer *Issuer, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	response := httptest.NewRecorder()
	issuer.Handler().ServeHTTP(response, request)
	return response
}

func decodeJSON[T any](t *testing.T, response *httptest.ResponseRecorder) T {
	t.Helper()
	if response.Code != http.StatusOK {
		t.Fatalf("status %d: %s", response.Code, response.Body)
	}
	var value T
	if err := json.Unmarshal(response.Body.Bytes(), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// verified checks a token the way a service would, with the published keys only.
func verified(t *testing.T, issuer *Issuer, algorithm jose.SignatureAlgorithm, token string) map[string]any {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		t.Fatal(err)
	}
	published := decodeJSON[jose.JSONWebKeySet](t, call(t, issuer, http.MethodGet, "/jwks", ""))
	keys := published.Key(parsed.Headers[0].KeyID)
	if len(keys) != 1 {
		t.Fatalf("%d published keys have the token's key id, want 1", len(keys))
	}
	var claims map[string]any
	if err := parsed.Claims(keys[0], &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func tokenOf(t *testing.T, issuer *Issuer, body string) string {
	t.Helper()
	return decodeJSON[struct {
		Token string `json:"access_token"`
	}](t, call(t, issuer, http.MethodPost, "/token", body)).Token
}

func TestTokenVerifiesWithPublishedKeys(t *testing.T) {
	issuer := newTestIssuer(t)
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			body := `{"iam_id":"IBMid-1","account":{"bss":"a1"},"roles":["X, y"],"alg":"` + string(algorithm) + `"}`
			claims := verified(t, issuer, algorithm, tokenOf(t, issuer, body))
			roles, _ := claims["roles"].([]any)
			account, _ := claims["account"].(map[string]any)
			if claims["iam_id"] != "IBMid-1" || claims["sub"] != "IBMid-1" || account["bss"] != "a1" ||
				len(roles) != 1 || roles[0] != "X, y" {
				t.Errorf("claims are not those asked for: %v", claims)
			}
			if claims["iss"] != "http://127.0.0.1:4567" || claims["aud"] != "user-api-key" ||
				claims["exp"] != float64(now.Add(time.Hour).Unix()) {
				t.Errorf("defaults are wrong: %v", claims)
			}
			if _, ok := claims["alg"]; ok {
				t.Errorf("alg became a claim: %v", claims)
			}
		})
	}
}

func TestTokenKeepsGivenClaimsAsTheyAre(t *testing.T) {
	issuer := newTestIssuer(t)
	claims := verified(t, issuer, jose.RS256, tokenOf(t, issuer,
		`{"iss":"https://other","aud":["b"],"sub":7,"roles":"Administrator","expires_in":-60}`))
	audience, _ := claims["aud"].([]any)
	if claims["iss"] != "https://other" || len(audience) != 1 || claims["sub"] != float64(7) ||
		claims["roles"] != "Administrator" || claims["exp"] != float64(now.Add(-time.Minute).Unix()) {
		t.Errorf("claims were changed: %v", claims)
	}
}

func TestPublishesNoPrivateKey(t *testing.T) {
	response := call(t, newTestIssuer(t), http.MethodGet, "/jwks", "")
	published := decodeJSON[struct {
		Keys []map[string]any `json:"keys"`
	}](t, response)
	if len(published.Keys) != len(algorithms) {
		t.Errorf("%d keys are published, want %d", len(published.Keys), len(algorithms))
	}
	for _, key := range published.Keys {
		if _, ok := key["d"]; ok {
			t.Errorf("the private part of a key is published: %v", key)
		}
	}
}

func TestDiscoveryNamesIssuerAndKeys(t *testing.T) {
	document := decodeJSON[map[string]any](t, call(t, newTestIssuer(t), http.MethodGet, "/.well-known/openid-configuration", ""))
	if document["issuer"] != "http://127.0.0.1:4567" || document["jwks_uri"] != "http://127.0.0.1:4567/jwks" {
		t.Errorf("unexpected document: %v", document)
	}
}

func TestRefusesBadRequests(t *testing.T) {
	issuer := newTestIssuer(t)
	for name, body := range map[string]string{
		"no JSON":            "iam_id=1",
		"no object":          `["a"]`,
		"other algorithm":    `{"alg":"HS256"}`,
		"no algorithm":       `{"alg":"none"}`,
		"algorithm a number": `{"alg":1}`,
		"expiry a string":    `{"expires_in":"1h"}`,
		"expiry a fraction":  `{"expires_in":1.5}`,
		"too large":          `{"a":"` + strings.Repeat("x", maxRequestBytes) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if response := call(t, issuer, http.MethodPost, "/token", body); response.Code != http.StatusBadRequest {
				t.Errorf("status %d, want 400", response.Code)
			}
		})
	}
}

func TestRefusesFormPosts(t *testing.T) {
	request := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(`{}`))
	request.Header.Set("Content-Type", "text/plain")
	response := httptest.NewRecorder()
	newTestIssuer(t).Handler().ServeHTTP(response, request)
	if response.Code != http.StatusBadRequest {
		t.Errorf("a web page could ask for tokens: status %d", response.Code)
	}
}

func TestServesOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:4567", ":4567", "192.168.0.1:4567", "localhost:4567", "[::]:4567", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x"} {
		if _, err := New(address, rand.Reader, time.Now); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
	if _, err := New("[::1]:4567", rand.Reader, time.Now); err != nil {
		t.Errorf("[::1]:4567 was refused: %v", err)
	}
}
