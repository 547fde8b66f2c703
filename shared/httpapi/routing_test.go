package httpapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// strict refuses everyone, so that what is answered before the caller is
// verified is told from what is answered after.
func strict(t *testing.T) *scene {
	s := newScene(t)
	s.principal = func(context.Context, string) (apikey.Principal, error) {
		return apikey.Principal{}, &apikey.Error{Code: apikey.CodeUnauthenticated, Detail: "No."}
	}
	return s
}

func TestWrongMethodIsRefusedNamingTheRightOnes(t *testing.T) {
	for resource, allowed := range httpapi.Paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", ""} {
			if slices.Contains(allowed, method) {
				continue
			}
			t.Run(method+" "+resource, func(t *testing.T) {
				event := post("")
				event.HTTPMethod, event.Resource = method, resource
				got := strict(t).send(event)
				got.wantRefused(http.StatusMethodNotAllowed, httpapi.CodeMethodNotAllowed, "")
				if want := strings.Join(allowed, ", "); got.headers["Allow"] != want {
					t.Errorf("Allow is %q, want %q", got.headers["Allow"], want)
				}
			})
		}
	}
}

func TestUnknownPathIsNotFoundForEveryMethod(t *testing.T) {
	for _, resource := range []string{
		"/", "/{proxy+}", "", "/v1", "/v1/user-api-key", path + "/", "/V1/job-authorizations", "//v1/job-authorizations",
		"/v1/user-api-keys/{id}", "/v1/user-api-keys/rotation/{proxy+}",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			t.Run(method+" "+resource, func(t *testing.T) {
				event := post("")
				event.HTTPMethod, event.Resource = method, resource
				got := strict(t).send(event)
				got.wantRefused(http.StatusNotFound, httpapi.CodeNotFound, "")
				if _, there := got.headers["Allow"]; there {
					t.Error("an Allow header names methods of nothing")
				}
			})
		}
	}
}

// A request that the gateway sends to the wrong function is no success, and
// not the caller's fault either.
func TestRouteOfAnotherFunctionIsNotFoundHere(t *testing.T) {
	for resource, methods := range httpapi.Paths {
		for _, method := range methods {
			if resource == path {
				continue
			}
			event := post("")
			event.HTTPMethod, event.Resource = method, resource
			strict(t).send(event).wantRefused(http.StatusNotFound, httpapi.CodeNotFound, "")
		}
	}
}

// The path is what the gateway matched, not what the client wrote.
func TestRouteIsFoundByTheResourceAlone(t *testing.T) {
	event := post("")
	event.Path = "/v1/user-api-keys"
	event.RequestContext.HTTPMethod, event.RequestContext.ResourcePath = http.MethodGet, "/v1/user-api-keys"
	event.Headers["X-HTTP-Method-Override"] = http.MethodDelete
	newScene(t).send(event).wantOK()
}

func TestChecksAreMadeInOrder(t *testing.T) {
	refusals := []struct {
		name    string
		code    apikey.Code
		prepare func(*scene)
	}{
		{"who calls", apikey.CodeUnauthenticated, func(s *scene) {
			s.principal = func(context.Context, string) (apikey.Principal, error) {
				return apikey.Principal{}, &apikey.Error{Code: apikey.CodeUnauthenticated}
			}
		}},
		{"what they may", apikey.CodeRoleRequired, func(s *scene) {
			s.permit = func(apikey.Principal) error { return &apikey.Error{Code: apikey.CodeRoleRequired} }
		}},
		{"the form", apikey.CodeInvalidRequest, func(*scene) {}},
		{"the operation", apikey.CodeConflict, func(*scene) {}},
	}
	for i, first := range refusals {
		t.Run(first.name, func(t *testing.T) {
			s := newScene(t)
			handled := false
			s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) {
				handled = true
				return httpapi.Response{}, &apikey.Error{Code: apikey.CodeConflict}
			}
			for _, refusal := range refusals[i:] {
				refusal.prepare(s)
			}
			event := post("")
			if first.code != apikey.CodeConflict {
				event.QueryStringParameters = map[string]string{"x": "y"}
			}
			if got := s.send(event).problem().Code; got != first.code {
				t.Errorf("refused with %s, want %s", got, first.code)
			}
			if handled != (first.code == apikey.CodeConflict) {
				t.Errorf("handled: %v", handled)
			}
		})
	}
}

func TestQueryParametersAreRefused(t *testing.T) {
	for name, parameters := range map[string]map[string]string{
		"with a value": {"limit": "10"},
		"without":      {"limit": ""},
		"two":          {"limit": "10", "cursor": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			event := post("")
			event.QueryStringParameters = parameters
			got := newScene(t).send(event)
			p := got.problem()
			var named []string
			for parameter := range parameters {
				if parameter == "" {
					parameter = `""`
				}
				named = append(named, parameter)
			}
			if got.status != http.StatusBadRequest || p.Code != apikey.CodeInvalidRequest || !slices.Contains(named, p.Field) {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		})
	}
}

// A name that is empty is shown as such, so that the sentence makes sense.
func TestQueryParameterWithoutANameIsRefused(t *testing.T) {
	event := post("")
	event.QueryStringParameters = map[string]string{"": "10"}
	newScene(t).send(event).wantInvalid(`""`)
}

func TestAnswerIsValidJSONWhateverIsEchoed(t *testing.T) {
	for _, name := range []string{"\xff", "a\x00b", `"`, "\u2028", strings.Repeat("ä", 80)} {
		event := post("")
		event.QueryStringParameters = map[string]string{name: "x"}
		got := newScene(t).send(event)
		if got.problem().Code != apikey.CodeInvalidRequest || !utf8.ValidString(got.body) {
			t.Errorf("%q is answered %d %q", name, got.status, got.body)
		}
	}
}
