// Package issuer is the local stack's OpenID issuer. It signs whatever claims
// it is asked to sign, so it is for one machine only: it serves on loopback
// addresses, its keys are made at start and kept in memory, and nothing of it
// is deployed.
package issuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// DefaultAudience is what a token is for when the request does not say.
	DefaultAudience = "user-api-key"
	// DefaultTTL is how long a token is good when the request does not say.
	DefaultTTL = time.Hour

	maxRequestBytes = 64 << 10
)

// Issuer signs tokens and publishes the keys to verify them with.
type Issuer struct {
	url  string
	keys keySet
	now  func() time.Time
}

// New makes an issuer with fresh keys. The address, `127.0.0.1:4567` or
// `[::1]:4567`, must be a loopback address with a port; it becomes the issuer's
// name (`iss`). Keys are drawn from the reader.
func New(address string, random io.Reader, now func() time.Time) (*Issuer, error) {
	if err := checkLoopback(address); err != nil {
		return nil, err
	}
	keys, err := newKeySet(random)
	if err != nil {
		return nil, err
	}
	return &Issuer{url: "http://" + address, keys: keys, now: now}, nil
}

func checkLoopback(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the address %q is not host:port", address)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return fmt.Errorf("the address %q has no usable port", address)
	}
	// A name is refused too: it could mean another address tomorrow.
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("the address %q is not a loopback address; this issuer signs whatever it is asked to sign and must not be reachable from elsewhere", address)
	}
	return nil
}

// Handler serves the discovery document, the keys and the tokens.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /jwks", i.jwks)
	mux.HandleFunc("POST /token", i.token)
	return mux
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                i.url,
		"jwks_uri":                              i.url + "/jwks",
		"token_endpoint":                        i.url + "/token",
		"response_types_supported":              []string{"token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": algorithms,
	})
}

func (i *Issuer) jwks(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, i.keys.public())
}

// token signs the members of the JSON body as claims, except two that say how:
// `alg` (RS256, ES256 or EdDSA; RS256 when missing) and `expires_in` (seconds,
// an hour when missing, negative for a token that has expired). What the body
// has of `iss`, `aud`, `sub`, `iat`, `nbf` and `exp` stands as it is.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	body, err := decode(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	algorithm, ttl, err := howToSign(body)
	if err != nil {
		refuse(w, err)
		return
	}
	token, err := i.sign(algorithm, i.claims(body, ttl))
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": token,
		"token_type":   "Bearer",
		"expires_in":   int64(ttl / time.Second),
	})
}

func (i *Issuer) claims(given map[string]any, ttl time.Duration) map[string]any {
	now := i.now()
	claims := map[string]any{
		"iss": i.url,
		"aud": DefaultAudience,
		"iat": now.Unix(),
		"exp": now.Add(ttl).Unix(),
	}
	if id, ok := given["iam_id"]; ok {
		claims["sub"] = id
	}
	maps.Copy(claims, given)
	return claims
}

func (i *Issuer) sign(algorithm jose.SignatureAlgorithm, claims map[string]any) (string, error) {
	signer, err := i.keys.signer(algorithm)
	if err != nil {
		return "", err
	}
	// Not through jwt.Signed: its own JSON encoder makes a string of a json.Number.
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func decode(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return nil, errors.New("the body must be application/json")
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	// Numbers reach the token as they were written.
	decoder.UseNumber()
	var body map[string]any
	if err := decoder.Decode(&body); err != nil {
		return nil, fmt.Errorf("the body must be a JSON object with the claims: %w", err)
	}
	return body, nil
}

// howToSign takes the two members that are no claims out of the body.
func howToSign(body map[string]any) (jose.SignatureAlgorithm, time.Duration, error) {
	algorithm, ttl := jose.RS256, DefaultTTL
	if value, ok := body["alg"]; ok {
		name, isString := value.(string)
		if !isString {
			return "", 0, errors.New("alg must be a string")
		}
		algorithm = jose.SignatureAlgorithm(name)
		delete(body, "alg")
	}
	if value, ok := body["expires_in"]; ok {
		number, isNumber := value.(json.Number)
		seconds, err := number.Int64()
		if !isNumber || err != nil {
			return "", 0, errors.New("expires_in must be a whole number of seconds")
		}
		ttl = time.Duration(seconds) * time.Second
		delete(body, "expires_in")
	}
	return algorithm, ttl, nil
}

func refuse(w http.ResponseWriter, err error) {
	answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": err.Error()})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The status is out; a client that has gone away needs nothing more.
	_ = json.NewEncoder(w).Encode(body)
}
