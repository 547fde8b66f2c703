package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// FetchTimeout bounds one fetch of the key set, discovery included. A request
// may have to wait that long, so a function's own timeout has to be well above:
// a function that is killed forgets the keys that it knew.
const FetchTimeout = 3 * time.Second

const (
	// maxDocumentBytes bounds what is read of a key set or discovery document;
	// a key takes about 2 KiB with its certificate.
	maxDocumentBytes = 256 << 10
	// minRSABits is what RFC 7518, section 3.3, requires. The library ignores
	// keys of more than 4096 bits.
	minRSABits = 2048
)

// source is where the issuer publishes its keys.
type source struct {
	client          *http.Client
	issuer, jwksURL string
}

func newSource(client *http.Client, issuer, jwksURL string) *source {
	own := *client
	// A redirect could lead to a host that the configuration does not name, or
	// from https to http: it is an answer like any other that is not 200.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &source{client: &own, issuer: issuer, jwksURL: jwksURL}
}

// fetch returns the keys that may verify tokens, by name.
func (s *source) fetch(ctx context.Context) (map[keyName]crypto.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, FetchTimeout)
	defer cancel()
	address := s.jwksURL
	if address == "" {
		var err error
		if address, err = s.discover(ctx); err != nil {
			return nil, fmt.Errorf("discovery document: %w", err)
		}
	}
	document, err := s.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return parseKeySet(document)
}

// discover asks for the address of the key set. It is asked for at every fetch
// because the issuer may move it. OpenID Connect Discovery 1.0, section 4.
func (s *source) discover(ctx context.Context) (string, error) {
	body, err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return "", err
	}
	if document.Issuer != s.issuer {
		return "", fmt.Errorf("it is another issuer's: %q", document.Issuer)
	}
	return document.JWKSURI, checkURL("jwks_uri", document.JWKSURI)
}

func (s *source) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // nothing was written, and what was read counts
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", address, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocumentBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxDocumentBytes {
		return nil, fmt.Errorf("%s answered more than %d bytes", address, maxDocumentBytes)
	}
	return body, nil
}

// parseKeySet returns those keys of a JWK set (RFC 7517, section 5) that may
// verify tokens. The others are left out one by one: the RFC wants a set with
// keys of kinds yet unknown to go on working, which the library's own
// JSONWebKeySet does not. A name that two different keys share belongs to
// neither, because nobody can tell which of them is meant. A set without any
// usable key is a set: the issuer has withdrawn them all.
func parseKeySet(document []byte) (map[keyName]crypto.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New("key set: it has no list of keys")
	}
	keys := make(map[keyName]crypto.PublicKey, len(set.Keys))
	ambiguous := make(map[keyName]bool)
	for _, jwk := range set.Keys {
		name, key, ok := parseKey(jwk)
		if !ok {
			continue
		}
		if other, taken := keys[name]; taken && !other.(interface{ Equal(crypto.PublicKey) bool }).Equal(key) {
			ambiguous[name] = true
		}
		keys[name] = key
	}
	maps.DeleteFunc(keys, func(name keyName, _ crypto.PublicKey) bool { return ambiguous[name] })
	return keys, nil
}

// parseKey accepts a public key that is meant for signatures with the one
// algorithm that we use with its kind. One without an id does no harm: no token
// can name it.
func parseKey(jwk json.RawMessage) (name keyName, key crypto.PublicKey, ok bool) {
	if !forVerification(jwk) {
		return keyName{}, nil, false
	}
	var parsed jose.JSONWebKey
	if err := parsed.UnmarshalJSON(jwk); err != nil || !parsed.Valid() {
		return keyName{}, nil, false
	}
	algorithm, ok := algorithmOf(parsed.Key)
	if !ok || (parsed.Algorithm != "" && parsed.Algorithm != string(algorithm)) {
		return keyName{}, nil, false
	}
	return keyName{parsed.KeyID, algorithm}, parsed.Key, true
}

// forVerification reads those members that the library takes no notice of, or
// not for what they say.
func forVerification(jwk json.RawMessage) bool {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(jwk, &members); err != nil {
		return false
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, published := members[private]; published {
			return false // a private key that the world can read proves nothing
		}
	}
	var meant struct {
		Use        *string  `json:"use"`
		Operations []string `json:"key_ops"`
	}
	if err := json.Unmarshal(jwk, &meant); err != nil {
		return false
	}
	return (meant.Use == nil || *meant.Use == "sig") &&
		(meant.Operations == nil || slices.Contains(meant.Operations, "verify"))
}

// algorithmOf is the one algorithm that a kind of key is used with.
func algorithmOf(key crypto.PublicKey) (algorithm jose.SignatureAlgorithm, ok bool) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return jose.RS256, key.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return jose.ES256, key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return jose.EdDSA, true
	default:
		return "", false
	}
}

// checkURL lets https pass, and plain http to an address of this machine (the
// exception of RFC 8252, section 7.3, for the same reason: nobody is in
// between). A name such as localhost does not count, since what it means is up
// to a resolver.
func checkURL(what, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("identity: %s is not a URL", what)
	}
	switch {
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("identity: %s needs a host, and no user or fragment", what)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http":
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
			return nil
		}
	}
	return fmt.Errorf("identity: %s must be https (http only to a loopback address such as 127.0.0.1)", what)
}

// checkIssuerURL is for an issuer that is asked for its discovery document.
func checkIssuerURL(issuer string) error {
	if strings.ContainsAny(issuer, "?#") {
		return errors.New("identity: the issuer's URL has a query or fragment, so it has no discovery document; name the key set's URL")
	}
	return checkURL("the issuer's URL", issuer)
}
