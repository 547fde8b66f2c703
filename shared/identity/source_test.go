package identity_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/identity"
)

// Each token's signature is right for the key; whether the key counts is what
// is tested.
func TestOnlyPublicSignatureKeysOfTheSetCount(t *testing.T) {
	edToken := compact(header("EdDSA", "key").json(), goodClaims().json(), eddsa(edKey()))
	ecToken := compact(header("ES256", "key").json(), goodClaims().json(), ecdsaOf(ecKey(), crypto.SHA256))
	rsaToken := compact(header("RS256", "key").json(), goodClaims().json(), pkcs1(rsaKey(), crypto.SHA256))
	ed, ec, rsa := jwk("key", edKey().Public()), jwk("key", ecKey().Public()), jwk("key", rsaKey().Public())
	privateRSA := jwk("key", rsaKey())

	for _, c := range []struct {
		name, token string
		keys        []object
		accepted    bool
	}{
		{"no use", edToken, []object{ed}, true},
		{"use sig", edToken, []object{ed.with("use", "sig")}, true},
		{"use enc", edToken, []object{ed.with("use", "enc")}, false},
		{"use empty", edToken, []object{ed.with("use", "")}, false},
		{"use of the wrong type", edToken, []object{ed.with("use", 1)}, false},
		{"use in another case", edToken, []object{ed.with("use", "SIG")}, false},
		{"operation verify", edToken, []object{ed.with("key_ops", []string{"verify"})}, true},
		{"operation encrypt", edToken, []object{ed.with("key_ops", []string{"encrypt"})}, false},
		{"operations malformed", edToken, []object{ed.with("key_ops", "verify")}, false},
		{"the algorithm named", rsaToken, []object{rsa.with("alg", "RS256")}, true},
		{"another algorithm named", rsaToken, []object{rsa.with("alg", "RS512")}, false},
		{"an encryption algorithm named", rsaToken, []object{rsa.with("alg", "RSA-OAEP")}, false},
		{"no id", edToken, []object{ed.with("kid", nil)}, false},
		{"id a number", edToken, []object{ed.with("kid", 1)}, false},
		{"id in another case", edToken, []object{ed.with("kid", "KEY")}, false},

		{"private RSA key", rsaToken, []object{privateRSA}, false},
		{"private EC key", ecToken, []object{jwk("key", ecKey())}, false},
		{"private Ed25519 key", edToken, []object{jwk("key", edKey())}, false},
		{"a prime of an RSA key", rsaToken, []object{rsa.with("p", privateRSA["p"])}, false},
		{"RSA of 1024 bits", compact(header("RS256", "key").json(), goodClaims().json(), pkcs1(smallRSAKey(), crypto.SHA256)),
			[]object{jwk("key", smallRSAKey().Public())}, false},
		{"EC on P-384", compact(header("ES256", "key").json(), goodClaims().json(), ecdsaOf(p384Key(), crypto.SHA256)),
			[]object{jwk("key", p384Key().Public())}, false},
		{"symmetric key of that id", edToken, []object{jwk("key", []byte(edKey().Public().(ed25519.PublicKey)))}, false},

		{"after keys of unknown kinds", edToken, []object{
			{"kty": "LWE", "kid": "key"}, {"kty": "OKP", "crv": "X25519", "kid": "key", "x": "AAAA"}, {"kid": "key"}, {}, nil,
			{"kty": "RSA", "kid": "key", "n": "not base64!", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "kid": "key", "x": ec["x"], "y": ec["x"]},
			ed,
		}, true},
		{"beside a key of another kind with its id", edToken, []object{rsa, ed, ec}, true},
		{"listed twice", edToken, []object{ed, ed.with("use", "sig")}, true},
		{"beside another key of its kind with its id", edToken, []object{ed, jwk("key", must(newEd()).Public())}, false},
		{"between two others", edToken, []object{jwk("key", must(newEd()).Public()), ed, jwk("key", must(newEd()).Public())}, false},
		{"twice, and another", edToken, []object{ed, jwk("key", must(newEd()).Public()), ed}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVerifier(t, config(), &fakeIssuer{document: jwks(c.keys...)}, newClock().now)
			if c.accepted {
				wantAccepted(t, v, bearer(c.token))
				return
			}
			wantRefused(t, v, bearer(c.token), "does not publish")
		})
	}
}

func TestRejectsHMACSignedWithPublishedSymmetricKey(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	v := newVerifier(t, config(), &fakeIssuer{document: jwks(jwk("key", secret))}, newClock().now)
	forged := compact(header("HS256", "key").json(), goodClaims().json(), hmacOf(secret))
	wantRefused(t, v, bearer(forged), "algorithm is not accepted")
}

func TestConfigurationThatIsAccepted(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*identity.Config)
	}{
		{"key set over https", func(*identity.Config) {}},
		{"key set at 127.0.0.1", func(c *identity.Config) { c.JWKSURL = "http://127.0.0.1:8080/keys" }},
		{"key set at 127.1.2.3", func(c *identity.Config) { c.JWKSURL = "http://127.1.2.3/keys" }},
		{"key set at ::1", func(c *identity.Config) { c.JWKSURL = "http://[::1]:8080/keys" }},
		{"issuer that is no URL, key set named", func(c *identity.Config) { c.Issuer = "issuer" }},
		{"discovery over https", func(c *identity.Config) { c.JWKSURL = "" }},
		{"discovery at 127.0.0.1", func(c *identity.Config) { c.JWKSURL, c.Issuer = "", "http://127.0.0.1:8080" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			transport := &fakeIssuer{}
			newVerifier(t, cfg, transport, newClock().now)
			if transport.count() != 0 {
				t.Error("the constructor went to the network")
			}
		})
	}
}

func TestConfigurationIsRefusedAtConstruction(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*identity.Config)
		want   string
	}{
		{"no issuer", func(c *identity.Config) { c.Issuer = "" }, "issuer is missing"},
		{"no audience", func(c *identity.Config) { c.Audience = "" }, "audience is missing"},
		{"key set over http", func(c *identity.Config) { c.JWKSURL = "http://issuer.example/keys" }, "must be https"},
		{"key set at localhost", func(c *identity.Config) { c.JWKSURL = "http://localhost/keys" }, "must be https"},
		{"key set at a name that looks like loopback", func(c *identity.Config) { c.JWKSURL = "http://127.0.0.1.evil.example/keys" }, "must be https"},
		{"key set at any address", func(c *identity.Config) { c.JWKSURL = "http://0.0.0.0/keys" }, "must be https"},
		{"key set at a private address", func(c *identity.Config) { c.JWKSURL = "http://10.0.0.1/keys" }, "must be https"},
		{"key set at the metadata service", func(c *identity.Config) { c.JWKSURL = "http://169.254.169.254/keys" }, "must be https"},
		{"key set in a file", func(c *identity.Config) { c.JWKSURL = "file:///etc/keys" }, "needs a host"},
		{"key set over ftp", func(c *identity.Config) { c.JWKSURL = "ftp://127.0.0.1/keys" }, "must be https"},
		{"key set without scheme", func(c *identity.Config) { c.JWKSURL = "issuer.example/keys" }, "needs a host"},
		{"key set with a password", func(c *identity.Config) { c.JWKSURL = "https://u:secret@issuer.example/keys" }, "no user"},
		{"loopback as a user", func(c *identity.Config) { c.JWKSURL = "http://127.0.0.1@issuer.example/keys" }, "no user"},
		{"key set not a URL", func(c *identity.Config) { c.JWKSURL = "https://%" }, "not a URL"},
		{"discovery over http", func(c *identity.Config) { c.JWKSURL, c.Issuer = "", "http://issuer.example" }, "must be https"},
		{"discovery at localhost", func(c *identity.Config) { c.JWKSURL, c.Issuer = "", "http://localhost:8080" }, "must be https"},
		{"discovery without a host", func(c *identity.Config) { c.JWKSURL, c.Issuer = "", "issuer" }, "needs a host"},
		{"discovery with a query", func(c *identity.Config) { c.JWKSURL, c.Issuer = "", "https://issuer.example?tenant=1" }, "query"},
		{"discovery with an empty fragment", func(c *identity.Config) { c.JWKSURL, c.Issuer = "", "https://issuer.example#" }, "query"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			_, err := identity.New(cfg, &http.Client{}, newClock().now)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats a password: %v", err)
			}
		})
	}
	t.Run("all problems at once", func(t *testing.T) {
		_, err := identity.New(identity.Config{JWKSURL: "http://issuer.example"}, &http.Client{}, newClock().now)
		for _, want := range []string{"issuer is missing", "audience is missing", "must be https"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		}
	})
	t.Run("no client or clock", func(t *testing.T) {
		if _, err := identity.New(config(), nil, newClock().now); err == nil {
			t.Error("a missing client was accepted")
		}
		if _, err := identity.New(config(), &http.Client{}, nil); err == nil {
			t.Error("a missing clock was accepted")
		}
	})
}

// serve is an issuer on a real socket: the handler answers for the paths, and
// what is verified against it is a token for its address.
func serve(t *testing.T, handler func(address string) http.HandlerFunc) (*httptest.Server, string) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(server.URL)(w, r) }))
	t.Cleanup(server.Close)
	return server, bearer(token(goodClaims().with("iss", server.URL)))
}

// wantKeys checks that the verifier gets the keys that the token needs, or else what
// the cause says.
func wantKeys(t *testing.T, v *identity.Verifier, value, cause string) {
	t.Helper()
	if cause == "" {
		wantAccepted(t, v, value)
		return
	}
	_, err := v.Principal(t.Context(), value)
	if e := wantError(t, err, apikey.CodeUnavailable, "cannot be reached", value); !strings.Contains(e.Cause.Error(), cause) {
		t.Errorf("the cause is %v, want %q in it", e.Cause, cause)
	}
}

func write(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

func TestDiscovery(t *testing.T) {
	for _, c := range []struct {
		name     string
		document func(address string) object
		cause    string // "" is accepted
	}{
		{"the issuer's own", func(a string) object { return object{"issuer": a, "jwks_uri": a + "/keys"} }, ""},
		{"another issuer's", func(a string) object {
			return object{"issuer": "https://evil.example", "jwks_uri": a + "/keys"}
		}, "another issuer's"},
		{"with a slash more", func(a string) object { return object{"issuer": a + "/", "jwks_uri": a + "/keys"} }, "another issuer's"},
		{"without an issuer", func(a string) object { return object{"jwks_uri": a + "/keys"} }, "another issuer's"},
		{"without a key set", func(a string) object { return object{"issuer": a} }, "needs a host"},
		{"with a key set over http", func(a string) object {
			return object{"issuer": a, "jwks_uri": "http://issuer.example/keys"}
		}, "must be https"},
		{"with a key set in a file", func(a string) object { return object{"issuer": a, "jwks_uri": "file:///keys"} }, "needs a host"},
		{"with a key set of the wrong type", func(a string) object { return object{"issuer": a, "jwks_uri": 1} }, "json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, value := serve(t, func(address string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/.well-known/openid-configuration":
						write(w, c.document(address).json())
					case "/keys":
						write(w, goodKeys())
					default:
						http.NotFound(w, r)
					}
				}
			})
			v, err := identity.New(identity.Config{Issuer: server.URL, Audience: audience}, server.Client(), newClock().now)
			if err != nil {
				t.Fatal(err)
			}
			wantKeys(t, v, value, c.cause)
		})
	}
}

func TestDiscoveryOfAnIssuerWithAPathAndASlash(t *testing.T) {
	const issuer = "https://issuer.example/tenant/"
	transport := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		switch r.URL.String() {
		case "https://issuer.example/tenant/.well-known/openid-configuration":
			return respond(strings.NewReader(object{"issuer": issuer, "jwks_uri": keysURL}.json())), nil
		case keysURL:
			return respond(strings.NewReader(goodKeys())), nil
		}
		return nil, errors.New("no such address: " + r.URL.String())
	})
	v := newVerifier(t, identity.Config{Issuer: issuer, Audience: audience}, transport, newClock().now)
	wantAccepted(t, v, bearer(token(goodClaims().with("iss", issuer))))
}

func TestAnswersOfTheKeySetsServer(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		write(w, goodKeys())
	}))
	defer other.Close()

	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		cause  string // "" is accepted
	}{
		{"a key set", func(w http.ResponseWriter, _ *http.Request) { write(w, goodKeys()) }, ""},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, "302"},
		{"a redirect with a key set in its body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
			write(w, goodKeys())
		}, "307"},
		{"an error with a key set in its body", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			write(w, goodKeys())
		}, "500"},
		{"not found", http.NotFound, "404"},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, "JSON"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { write(w, "<html></html>") }, "invalid character"},
		{"a huge key set", func(w http.ResponseWriter, _ *http.Request) { write(w, repeated(1<<20)+goodKeys()) }, "more than"},
		{"a key set without end", func(w http.ResponseWriter, r *http.Request) {
			for chunk := repeated(1 << 16); r.Context().Err() == nil; {
				write(w, chunk)
			}
		}, "more than"},
		{"a deeply nested key set", func(w http.ResponseWriter, _ *http.Request) {
			write(w, `{"keys":`+strings.Repeat("[", 200_000))
		}, "max depth"},
		{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, value := serve(t, func(string) http.HandlerFunc { return c.answer })
			v, err := identity.New(identity.Config{Issuer: server.URL, JWKSURL: server.URL, Audience: audience}, server.Client(), newClock().now)
			if err != nil {
				t.Fatal(err)
			}
			wantKeys(t, v, value, c.cause)
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

func TestTheServersCertificateIsChecked(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w, goodKeys()) }))
	defer server.Close()
	cfg := identity.Config{Issuer: issuerURL, JWKSURL: server.URL, Audience: audience}
	value := bearer(token(goodClaims()))

	trusting, err := identity.New(cfg, server.Client(), newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, trusting, value)

	stranger, err := identity.New(cfg, &http.Client{}, newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = stranger.Principal(t.Context(), value)
	wantError(t, err, apikey.CodeUnavailable, "cannot be reached", value)
}

func TestTheCallersClientIsLeftAsItWas(t *testing.T) {
	client := &http.Client{}
	if _, err := identity.New(config(), client, newClock().now); err != nil {
		t.Fatal(err)
	}
	if client.CheckRedirect != nil {
		t.Error("the client was changed")
	}
}

func TestSlowIssuerIsBoundedInTime(t *testing.T) {
	for name, transport := range map[string]roundTripFunc{
		"no answer": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"a body that does not end": func(r *http.Request) (*http.Response, error) {
			return respond(stalledBody{r.Context()}), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVerifier(t, config(), transport, newClock().now)
				began := time.Now()
				value := bearer(token(goodClaims()))
				_, err := v.Principal(t.Context(), value)
				wantError(t, err, apikey.CodeUnavailable, "cannot be reached", value)
				if took := time.Since(began); took != identity.FetchTimeout {
					t.Errorf("it took %v, want %v", took, identity.FetchTimeout)
				}
			})
		})
	}
}

// stalledBody is a response that never gets any further.
type stalledBody struct{ ctx context.Context }

func (b stalledBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}
