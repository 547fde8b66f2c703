package httpapi_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

func TestEveryAnswerIsOneLogLine(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want map[string]any
	}{
		"success": {nil, map[string]any{"level": "INFO", "status": 200.0}},
		"refusal": {
			&apikey.Error{Code: apikey.CodeNoActiveKey, Detail: "There is none.", Cause: errors.New("cause")},
			map[string]any{"level": "INFO", "status": 409.0, "code": "no_active_key", "error": "no_active_key: There is none.: cause"},
		},
		"failure": {
			apikey.Unavailable("The key store", errors.New("cause")),
			map[string]any{"level": "ERROR", "status": 503.0, "code": "unavailable"},
		},
		"defect": {errors.New("cause"), map[string]any{"level": "ERROR", "status": 500.0, "code": "internal", "error": "cause"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, test.err)
			s.send(post(""))
			lines := s.logLines()
			if len(lines) != 1 {
				t.Fatalf("logged %v", lines)
			}
			line := lines[0]
			delete(line, "time")
			if _, fixed := test.want["error"]; !fixed {
				delete(line, "error")
			}
			want := map[string]any{
				"msg": "answered", "requestId": requestID, "method": "POST", "resource": path, "caller": ada.Locator().String(),
			}
			maps.Copy(want, test.want)
			if diff := cmp.Diff(want, line); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The log tells callers apart without telling who they are.
func TestLogNamesCallersByTheirLocatorOnly(t *testing.T) {
	s := newScene(t)
	s.send(post(""))
	for _, part := range []string{ada.AccountID, ada.IAMID, ada.Username} {
		if strings.Contains(s.log.String(), part) {
			t.Errorf("the log holds %s: %s", part, s.log.String())
		}
	}
	s = strict(t)
	s.send(post(""))
	if _, there := s.logLines()[0]["caller"]; there {
		t.Error("the log names a caller that was not verified")
	}
}

func newCredential(t *testing.T) apikey.Credential {
	t.Helper()
	id, err := apikey.NewUUID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := apikey.NewCredential(ada.Locator(), id, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return credential
}

// Where a credential can land in a request by mistake or malice.
var landings = map[string]func(event *events.APIGatewayProxyRequest, credential string){
	"field name":           func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"` + c + `":1}` },
	"nested field name":    func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"owner":{"` + c + `":1}}` },
	"field name, embedded": func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"key ` + c + `!":1}` },
	"field name, twice":    func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"` + c + c + `":1}` },
	"field name, escaped": func(e *events.APIGatewayProxyRequest, c string) {
		e.Body = `{"\u0063` + c[1:] + `":1}`
	},
	"field name, long": func(e *events.APIGatewayProxyRequest, c string) {
		e.Body = `{"` + strings.Repeat("x", 60) + c + `":1}`
	},
	"field name, cut off": func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"` + c[:len(c)-3] + `":1}` },
	"field name, mistyped": func(e *events.APIGatewayProxyRequest, c string) {
		e.Body = `{"` + c[:10] + c[11:] + `":1}`
	},
	"query name, cut off": func(e *events.APIGatewayProxyRequest, c string) {
		e.QueryStringParameters = map[string]string{c[:len(c)-7]: "x"}
	},
	"value":            func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"jobId":"` + c + `"}` },
	"value, cut off":   func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"jobId":"` + c },
	"value, wrong":     func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{"owner":"` + c + `"}` },
	"body":             func(e *events.APIGatewayProxyRequest, c string) { e.Body = c },
	"body, as text":    func(e *events.APIGatewayProxyRequest, c string) { e.Body = `"` + c + `"` },
	"trailing data":    func(e *events.APIGatewayProxyRequest, c string) { e.Body = `{}` + c },
	"invalid base64":   func(e *events.APIGatewayProxyRequest, c string) { e.Body, e.IsBase64Encoded = c, true },
	"Authorization":    func(e *events.APIGatewayProxyRequest, c string) { e.Headers["Authorization"] = "Bearer " + c },
	"Idempotency-Key":  func(e *events.APIGatewayProxyRequest, c string) { e.Headers["Idempotency-Key"] = c },
	"If-Match":         func(e *events.APIGatewayProxyRequest, c string) { e.Headers["If-Match"] = c },
	"If-Match, quoted": func(e *events.APIGatewayProxyRequest, c string) { e.Headers["If-Match"] = `"` + c + `"` },
	"Content-Type":     func(e *events.APIGatewayProxyRequest, c string) { e.Headers["Content-Type"], e.Body = c, "{}" },
	"unknown header":   func(e *events.APIGatewayProxyRequest, c string) { e.Headers["X-API-Key"] = c },
	"header name":      func(e *events.APIGatewayProxyRequest, c string) { e.Headers[c] = "x" },
	"query name": func(e *events.APIGatewayProxyRequest, c string) {
		e.QueryStringParameters = map[string]string{c: "x"}
		e.MultiValueQueryStringParameters = map[string][]string{c: {"x"}}
	},
	"query value": func(e *events.APIGatewayProxyRequest, c string) {
		e.QueryStringParameters = map[string]string{"credential": c}
		e.MultiValueQueryStringParameters = map[string][]string{"credential": {c}}
	},
	"path parameter": func(e *events.APIGatewayProxyRequest, c string) { e.PathParameters = map[string]string{"keyId": c} },
	"path": func(e *events.APIGatewayProxyRequest, c string) {
		e.Path, e.RequestContext.Path = "/v1/"+c, "/live/v1/"+c
	},
	"stray path": func(e *events.APIGatewayProxyRequest, c string) {
		e.Resource, e.Path, e.PathParameters = "/{proxy+}", "/"+c, map[string]string{"proxy": c}
	},
	// As a client sets it, by X-Amzn-RequestId.
	"the request's id": func(e *events.APIGatewayProxyRequest, c string) { e.RequestContext.RequestID, e.Body = c, "1" },
	"resource":         func(e *events.APIGatewayProxyRequest, c string) { e.Resource = "/" + c },
	"method":           func(e *events.APIGatewayProxyRequest, c string) { e.HTTPMethod = c },
}

func TestNoAnswerAndNoLogHoldsACredential(t *testing.T) {
	for landing, plant := range landings {
		t.Run(landing, func(t *testing.T) {
			s := newScene(t)
			s.handle = func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
				if _, err := r.OwnIssue(); err != nil && r.NoBody() == nil {
					return httpapi.Response{}, err
				}
				return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, r.Decode(&jobBody{})
			}
			credential := newCredential(t)
			event := post("")
			plant(&event, credential.Reveal())
			s.wantNothingOf(s.send(event), credential)
		})
	}
}

// What the code itself wraps into an error by mistake is kept back too.
func TestNoLogHoldsACredentialThatAnErrorQuotes(t *testing.T) {
	credential := newCredential(t)
	for name, err := range map[string]error{
		"unknown":  fmt.Errorf("cannot use %s", credential.Reveal()),
		"internal": &apikey.Error{Code: apikey.CodeInternal, Detail: "Cannot use " + credential.Reveal()},
		"cause":    apikey.Unavailable("The key material", errors.New("cannot store "+credential.Reveal())),
		"field":    apikey.Invalid(credential.Reveal(), "is wrong"),
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, err)
			s.wantNothingOf(s.send(post("")), credential)
		})
	}
	t.Run("panic", func(t *testing.T) {
		s := newScene(t)
		s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) { panic(credential.Reveal()) }
		s.wantNothingOf(s.send(post("")), credential)
	})
}

// wantNothingOf searches answer and log for the beginning of each half of the
// credential, its address and its secret: a part of a secret is told as well.
func (s *scene) wantNothingOf(got answer, credential apikey.Credential) {
	s.t.Helper()
	texts := []string{got.body, s.log.String()}
	for name, value := range got.headers {
		texts = append(texts, name+": "+value)
	}
	_, halves, _ := strings.Cut(credential.Reveal(), "_")
	for half := range strings.SplitSeq(halves, "_") {
		for _, text := range texts {
			if strings.Contains(text, half[:20]) {
				s.t.Errorf("a part of the credential, %s, is in %s", half, text)
			}
		}
	}
}

func TestNoAnswerAndNoLogHoldsTheToken(t *testing.T) {
	const token = "eyJhbGciOiJFUzI1NiJ9.eyJpYW1faWQiOiJJQk1pZC0xIn0.c2lnbmF0dXJl"
	for name, s := range map[string]*scene{
		"accepted": newScene(t),
		"refused":  strict(t),
		"defect":   answering(t, errors.New("cause")),
	} {
		event := post("")
		event.Headers["Authorization"] = "Bearer " + token
		got := s.send(event)
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(got.body+fmt.Sprint(got.headers)+s.log.String(), part) {
				t.Errorf("%s: answered %v %s, logged %s", name, got.headers, got.body, s.log.String())
			}
		}
	}
}

// A made-up name is shown so that a typo can be found, but not pages of it.
func TestLongFieldNamesAreShownInPart(t *testing.T) {
	s, _ := decoding(t)
	got := s.send(post(`{"` + strings.Repeat("ä", 5000) + `":1}`))
	p := got.problem()
	if got.status != http.StatusBadRequest || len(p.Field) > 110 || !strings.HasPrefix(p.Field, "ää") || len(got.body)+len(s.log.String()) > 1500 {
		t.Errorf("answered %d %s, logged %s", got.status, got.body, s.log.String())
	}
}
