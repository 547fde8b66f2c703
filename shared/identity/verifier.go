// Package identity turns the bearer token of an HTTP request into the
// [apikey.Principal] that it stands for.
//
// A token is a JWT (RFC 7519) that one configured issuer has signed for one
// configured audience. What is accepted follows RFC 8725, the best current
// practices for JWT: algorithms are pinned when the [Verifier] is made, keys
// come from the issuer's published set and from nowhere else, a key works with
// one algorithm only, and whatever is in doubt is refused.
package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/userapikey/service/shared/apikey"
)

// MaxTokenBytes is the length of the longest token that is looked at. API
// Gateway lets 10,240 bytes of headers through, all headers together.
const MaxTokenBytes = 8 << 10

// leeway is how far the issuer's clock and ours may be apart: a token works
// that much longer than it says, and that much earlier.
const leeway = time.Minute

// algorithms are the only ones whose signatures count, whatever a token's
// header says. "none" and the HMAC family are out, and so are RSA and ECDSA in
// other sizes, which no supported issuer needs.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}
}

// Config says whose tokens are accepted and how to read them.
type Config struct {
	// Issuer is what the claim iss must be, character by character.
	Issuer string
	// JWKSURL is where the issuer publishes its keys (RFC 7517). Empty means
	// that the issuer's discovery document tells, which then has to be at
	// Issuer + "/.well-known/openid-configuration".
	JWKSURL string
	// Audience must be among the values of the claim aud. It is required: a
	// token that was made for another service would work here otherwise.
	Audience string
	// Claims tells which claims hold what; empty names are the defaults.
	Claims ClaimNames
	// OnFetchFailure, when not nil, is called with the cause of every failed
	// fetch of the key set, before the requests that wait for it go on. It is
	// for the log and an alarm: while keys are known, requests go on being
	// answered, and nothing else shows that keys which the issuer has withdrawn
	// may still be accepted.
	OnFetchFailure func(error)
}

// Verifier checks tokens. It is safe for concurrent use.
type Verifier struct {
	issuer, audience string
	claims           ClaimNames
	algorithms       []jose.SignatureAlgorithm
	keys             *keySet
	now              func() time.Time
}

// New makes a verifier and does no I/O: the issuer's keys are fetched when the
// first token asks for them. client is used as it is, but for redirects, which
// are refused. The error names every part of the configuration that is wrong.
func New(cfg Config, client *http.Client, now func() time.Time) (*Verifier, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if client == nil || now == nil {
		return nil, errors.New("identity: an HTTP client and a clock are needed")
	}
	return &Verifier{
		issuer:     cfg.Issuer,
		audience:   cfg.Audience,
		claims:     cfg.Claims.withDefaults(),
		algorithms: algorithms(),
		keys: &keySet{
			fetch:     newSource(client, cfg.Issuer, cfg.JWKSURL).fetch,
			now:       now,
			onFailure: cfg.OnFetchFailure,
		},
		now: now,
	}, nil
}

func (c *Config) validate() error {
	var problems []error
	if c.Issuer == "" {
		problems = append(problems, errors.New("identity: the issuer is missing"))
	}
	if c.Audience == "" {
		problems = append(problems, errors.New("identity: the audience is missing"))
	}
	if c.JWKSURL != "" {
		problems = append(problems, checkURL("the key set's URL", c.JWKSURL))
	} else if c.Issuer != "" {
		problems = append(problems, checkIssuerURL(c.Issuer))
	}
	return errors.Join(problems...)
}

// Principal returns who the bearer is. authorization is the raw value of the
// request's Authorization header: the scheme Bearer, in any case, and exactly
// one token in compact form.
//
// Errors are *[apikey.Error]: [apikey.CodeUnauthenticated] when there is no
// token or it does not hold, with a Detail that tells which, and
// [apikey.CodeUnavailable] with RetryAfter when the token's key is not known and
// the issuer's key set cannot be reached. Neither Detail nor Cause repeats the
// token or a part of it.
func (v *Verifier) Principal(ctx context.Context, authorization string) (apikey.Principal, error) {
	token, err := bearerToken(authorization)
	if err != nil {
		return apikey.Principal{}, err
	}
	signed, name, err := v.parse(token)
	if err != nil {
		return apikey.Principal{}, err
	}
	key, err := v.keys.find(ctx, name)
	if err != nil {
		return apikey.Principal{}, err
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return apikey.Principal{}, refuse("The token's signature does not hold.")
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return apikey.Principal{}, err
	}
	if err := claims.check(v.issuer, v.audience, v.now()); err != nil {
		return apikey.Principal{}, err
	}
	return claims.principal(v.claims)
}

// bearerToken takes the token out of the header's value.
func bearerToken(authorization string) (string, error) {
	authorization = strings.Trim(authorization, " \t")
	if authorization == "" {
		return "", refuse("The Authorization header is missing; send a bearer token.")
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", refuse("The Authorization header does not hold a bearer token.")
	}
	token = strings.TrimLeft(token, " ")
	switch {
	case token == "":
		return "", refuse("The Authorization header names the scheme Bearer but holds no token.")
	case len(token) > MaxTokenBytes:
		return "", refuse("The token is too long.")
	case strings.ContainsAny(token, " ,\t\r\n"):
		// A comma is what a gateway puts between two headers that it merges.
		// Line breaks would otherwise be skipped by the base64 decoder.
		return "", refuse("The Authorization header must hold exactly one token.")
	}
	return token, nil
}

// parse reads the token without believing it: what comes back has an algorithm
// that is accepted and names a key. Keys and addresses of keys in the header
// (jwk, jku, x5c, x5u) are never used. Parser errors are dropped because they
// quote the token.
func (v *Verifier) parse(token string) (*jose.JSONWebSignature, keyName, error) {
	// The parser reads base64 leniently: without this, a token would have
	// several spellings, and a changed last character might not matter.
	for part := range strings.SplitSeq(token, ".") {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, keyName{}, refuse(notAToken)
		}
	}
	signed, err := jose.ParseSignedCompact(token, v.algorithms)
	if _, ok := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); ok {
		return nil, keyName{}, refuse("The token's algorithm is not accepted; RS256, ES256 and EdDSA are.")
	}
	if err != nil {
		return nil, keyName{}, refuse(notAToken)
	}
	header := signed.Signatures[0].Protected
	// The library understands the extension b64 (RFC 7797), even where crit
	// does not list it; that RFC forbids it in a JWT, and we know no other.
	for _, extension := range []jose.HeaderKey{"crit", "b64"} {
		if _, present := header.ExtraHeaders[extension]; present {
			return nil, keyName{}, refuse("The token's header asks for an extension that is not supported.")
		}
	}
	if header.KeyID == "" {
		// Even when the set holds a single key: the day a second one is
		// published, such tokens would stop working without notice.
		return nil, keyName{}, refuse("The token's header does not name its key (kid).")
	}
	return signed, keyName{header.KeyID, jose.SignatureAlgorithm(header.Algorithm)}, nil
}

const notAToken = "The bearer token is not a JWT in compact form."

func refuse(detail string) error {
	return &apikey.Error{Code: apikey.CodeUnauthenticated, Detail: detail}
}
