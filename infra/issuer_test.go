package infra_test

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/userapikey/service/shared/identity"
)

const (
	issuerURL = "https://issuer.example"
	audience  = "user-api-key"
)

// issuer signs tokens and publishes its key; it is the transport beneath the
// verifier's HTTP client.
type issuer struct {
	signer     jose.Signer
	published  []byte
	outOfReach bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const id = "key-1"
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	published, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: id, Algorithm: string(jose.EdDSA), Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{signer: signer, published: published}
}

// verifier is the functions' own, of this issuer's tokens.
func (i *issuer) verifier(now func() time.Time) *identity.Verifier {
	verifier, err := identity.New(identity.Config{
		Issuer: issuerURL, JWKSURL: issuerURL + "/keys", Audience: audience,
	}, &http.Client{Transport: i}, now)
	if err != nil {
		panic(err)
	}
	return verifier
}

// RoundTrip publishes the key set.
func (i *issuer) RoundTrip(*http.Request) (*http.Response, error) {
	if i.outOfReach {
		return nil, errors.New("no route to host (injected)")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(i.published)))}, nil
}

// token is the caller's token for a call; "" is none.
func (i *issuer) token(t *testing.T, c call, now time.Time) string {
	t.Helper()
	expiresAt, caller := now.Add(time.Hour), cmp.Or(c.caller, sampleOwner)
	var roles []string
	switch c.token {
	case "none":
		return ""
	case "":
		roles = c.operation.roles()[:1]
	case "expired":
		expiresAt = now.Add(-time.Hour)
	default:
		roles = []string{c.token}
	}
	payload, err := json.Marshal(map[string]any{
		"iss": issuerURL, "aud": audience, "iat": now.Add(-2 * time.Hour).Unix(), "exp": expiresAt.Unix(),
		"iam_id": caller.IAMID, "account": map[string]any{"bss": caller.AccountID},
		"preferred_username": caller.Username, "roles": roles,
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := i.signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
