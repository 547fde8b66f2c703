package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/telemetry"
)

var ada = apikey.Owner{AccountID: "account-1", IAMID: "IBMid-1", Username: "ada@example.com"}

const requestID = "request-1"

// scene is an API of one route, whose handler tests replace, and what it logged.
type scene struct {
	t testing.TB
	// Principal authenticates callers, as whoever.
	principal func(ctx context.Context, authorization string) (apikey.Principal, error)
	permit    func(apikey.Principal) error
	handle    func(context.Context, *httpapi.Request) (httpapi.Response, error)
	query     []string // the query parameters that the route knows
	log       bytes.Buffer
}

func (s *scene) Principal(ctx context.Context, authorization string) (apikey.Principal, error) {
	return s.principal(ctx, authorization)
}

// newScene lets everyone in as Ada and answers {}.
func newScene(t testing.TB) *scene {
	return &scene{
		t: t,
		principal: func(context.Context, string) (apikey.Principal, error) {
			return apikey.Principal{Owner: ada}, nil
		},
		permit: func(apikey.Principal) error { return nil },
		handle: func(context.Context, *httpapi.Request) (httpapi.Response, error) {
			return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, nil
		},
	}
}

// answering answers every request with a problem of err, or {} when it is nil.
func answering(t testing.TB, err error) *scene {
	s := newScene(t)
	s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, err
	}
	return s
}

// path is the route's; the scene serves POST.
const path = "/v1/job-authorizations"

func post(body string) events.APIGatewayProxyRequest {
	event := events.APIGatewayProxyRequest{
		HTTPMethod:     http.MethodPost,
		Resource:       path,
		Path:           path,
		Headers:        map[string]string{"Content-Type": "application/json", "Authorization": "Bearer token"},
		Body:           body,
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: requestID},
	}
	return event
}

// with is a request without a body that has these headers too.
func with(headers map[string]string) events.APIGatewayProxyRequest {
	event := post("")
	maps.Copy(event.Headers, headers)
	return event
}

// answer is what a caller sees.
type answer struct {
	t       testing.TB
	status  int
	headers map[string]string
	body    string
}

func (s *scene) send(event events.APIGatewayProxyRequest) answer {
	s.t.Helper()
	return s.sendIn(s.t.Context(), event)
}

func (s *scene) sendIn(ctx context.Context, event events.APIGatewayProxyRequest) answer {
	s.t.Helper()
	api := httpapi.New(s, telemetry.NewLogger(&s.log, slog.LevelDebug, "test"), httpapi.Route{
		Method: http.MethodPost, Path: path, Query: s.query,
		Permit: func(p apikey.Principal) error { return s.permit(p) },
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) { return s.handle(ctx, r) },
	})
	got, err := api.Handle(ctx, event)
	if err != nil {
		s.t.Fatalf("the function failed: %v", err)
	}
	if got.MultiValueHeaders != nil || got.IsBase64Encoded {
		s.t.Errorf("headers %v, base64 %v", got.MultiValueHeaders, got.IsBase64Encoded)
	}
	return answer{s.t, got.StatusCode, got.Headers, got.Body}
}

// problem is the answer as problem details; the zero value when it is none.
func (a answer) problem() httpapi.Problem {
	a.t.Helper()
	var p httpapi.Problem
	if a.headers["Content-Type"] != "application/problem+json" {
		return p
	}
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
	return p
}

// wantRefused checks the status, the code and the field of a refusal.
func (a answer) wantRefused(status int, code apikey.Code, field string) {
	a.t.Helper()
	p := a.problem()
	if a.status != status || p.Code != code || p.Field != field {
		a.t.Errorf("answered %d %s", a.status, a.body)
	}
	if field != "" && !strings.HasPrefix(p.Detail, field+" ") {
		a.t.Errorf("the detail %q does not begin with the field %q", p.Detail, field)
	}
}

func (a answer) wantInvalid(field string) {
	a.t.Helper()
	a.wantRefused(http.StatusBadRequest, apikey.CodeInvalidRequest, field)
}

func (a answer) wantOK() {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Errorf("answered %d %s", a.status, a.body)
	}
}

// logLines are what was logged.
func (s *scene) logLines() []map[string]any {
	s.t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, fields)
	}
	return lines
}
