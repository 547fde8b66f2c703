package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/sourcetest"
)

func TestEveryCodeHasAStatusAndATitleOfItsOwn(t *testing.T) {
	titles := map[string]apikey.Code{}
	for _, code := range httpapi.Codes() {
		t.Run(string(code), func(t *testing.T) {
			got := answering(t, &apikey.Error{Code: code, Detail: "Because."}).send(post(""))
			p := got.problem()
			if got.status < 400 || got.status > 599 || p.Status != got.status {
				t.Errorf("answered %d, the body says %d", got.status, p.Status)
			}
			if p.Title == "" || titles[p.Title] != "" {
				t.Errorf("the title %q is that of %q", p.Title, titles[p.Title])
			}
			titles[p.Title] = code
			if p.Code != code || p.RequestID != requestID || !strings.HasSuffix(p.Type, "#"+string(code)) {
				t.Errorf("answered %s", got.body)
			}
			if code != apikey.CodeInternal && p.Detail != "Because." {
				t.Errorf("the detail is %q", p.Detail)
			}
		})
	}
}

// A code that is declared and not listed would escape every test over the list.
func TestEveryDeclaredCodeIsListed(t *testing.T) {
	sourcetest.ListsAll(t, httpapi.Codes(), "problem.go", "../apikey/errors.go")
}

func TestEveryAnswerForbidsCachingAndSniffing(t *testing.T) {
	check := func(name string, got answer, contentType string) {
		t.Helper()
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": contentType,
		} {
			if got.headers[header] != want {
				t.Errorf("%s: %s is %q", name, header, got.headers[header])
			}
		}
	}
	check("success", newScene(t).send(post("")), "application/json")
	for _, code := range httpapi.Codes() {
		check(string(code), answering(t, &apikey.Error{Code: code}).send(post("")), "application/problem+json")
	}
	check("unknown error", answering(t, errors.New("cause")).send(post("")), "application/problem+json")
	stray := post("")
	stray.Resource = "/{proxy+}"
	check("stray request", newScene(t).send(stray), "application/problem+json")
}

func TestSuccessHasTheHandlersStatusBodyAndETag(t *testing.T) {
	s := newScene(t)
	s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Status: http.StatusCreated, ETag: httpapi.ETag(3), Body: map[string]string{"a": "<b>"}}, nil
	}
	got := s.send(post(""))
	if got.status != http.StatusCreated || got.headers["ETag"] != `"3"` || got.body != `{"a":"<b>"}` {
		t.Errorf("answered %d, ETag %s, %s", got.status, got.headers["ETag"], got.body)
	}
}

func TestRetryAfterIsRoundedUpToSeconds(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		1:                                "1",
		time.Millisecond:                 "1",
		time.Second - 1:                  "1",
		time.Second:                      "1",
		time.Second + 1:                  "2",
		1500 * time.Millisecond:          "2",
		2 * time.Second:                  "2",
		apikey.AllowanceRefillPeriod:     "900",
		apikey.AllowanceRefillPeriod - 1: "900",
		apikey.AllowanceRefillPeriod + 1: "901",
	} {
		got := answering(t, &apikey.Error{Code: apikey.CodeRotationRateExceeded, RetryAfter: wait}).send(post(""))
		if got.headers["Retry-After"] != want {
			t.Errorf("%v: Retry-After is %q, want %q", wait, got.headers["Retry-After"], want)
		}
	}
	for _, wait := range []time.Duration{0, -time.Second} {
		got := answering(t, &apikey.Error{Code: apikey.CodeConflict, RetryAfter: wait}).send(post(""))
		if value, there := got.headers["Retry-After"]; there {
			t.Errorf("%v: Retry-After is %q", wait, value)
		}
	}
}

func TestUnavailableTellsWhenToTryAgain(t *testing.T) {
	got := answering(t, apikey.Unavailable("The key store", errors.New("dial tcp 192.0.2.1: i/o timeout"))).send(post(""))
	if got.status != http.StatusServiceUnavailable || got.headers["Retry-After"] != "2" {
		t.Errorf("answered %d, Retry-After %q", got.status, got.headers["Retry-After"])
	}
	if strings.Contains(got.body, "192.0.2.1") {
		t.Errorf("the cause is told: %s", got.body)
	}
}

// RFC 9110, section 11.6.1: every 401 has a challenge; RFC 6750 says which.
func TestEvery401AsksForAToken(t *testing.T) {
	challenge := regexp.MustCompile(`^Bearer realm="user-api-key", error="invalid_token", error_description="((?:[^"\\]|\\.)*)"$`)
	for _, detail := range []string{"The token has expired.", `It says "alg": none\.`} {
		s := newScene(t)
		s.principal = func(context.Context, string) (apikey.Principal, error) {
			return apikey.Principal{}, &apikey.Error{Code: apikey.CodeUnauthenticated, Detail: detail}
		}
		got := s.send(post(""))
		got.wantRefused(http.StatusUnauthorized, apikey.CodeUnauthenticated, "")
		match := challenge.FindStringSubmatch(got.headers["WWW-Authenticate"])
		if match == nil {
			t.Fatalf("WWW-Authenticate is %q", got.headers["WWW-Authenticate"])
		}
		if text := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(match[1]); text != detail {
			t.Errorf("the description reads %q, want %q", text, detail)
		}
	}
	for _, code := range httpapi.Codes() {
		got := answering(t, &apikey.Error{Code: code}).send(post(""))
		if _, there := got.headers["WWW-Authenticate"]; there != (got.status == http.StatusUnauthorized) {
			t.Errorf("%s: %d, WWW-Authenticate: %v", code, got.status, there)
		}
	}
}

func TestRefusalInsideAnotherErrorIsFound(t *testing.T) {
	err := fmt.Errorf("while rotating: %w", &apikey.Error{Code: apikey.CodeNoActiveKey, Detail: "There is none."})
	got := answering(t, err).send(post(""))
	got.wantRefused(http.StatusConflict, apikey.CodeNoActiveKey, "")
	if strings.Contains(got.body, "rotating") {
		t.Errorf("the wrapping is told: %s", got.body)
	}
}
