package functest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// Request is an HTTP request to the API.
type Request struct {
	Method string
	// Resource is the path as the API names it, such as /v1/user-api-keys/{keyId}.
	Resource string
	// KeyID, ScheduleID and IAMID stand in the places of {keyId}, {scheduleId} and
	// {iamId}.
	KeyID, ScheduleID, IAMID string
	// Query are the query parameters.
	Query   url.Values
	Token   string
	Headers map[string]string
	Body    string
}

// With is the request with one more header, or another value of it.
func (r Request) With(name, value string) Request {
	headers := maps.Clone(r.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	headers[name] = value
	r.Headers = headers
	return r
}

// As is the request with another token.
func (r Request) As(token string) Request {
	r.Token = token
	return r
}

// WithQuery is the request with other query parameters.
func (r Request) WithQuery(query url.Values) Request {
	r.Query = query
	return r
}

// Event is the request as API Gateway hands it on.
func (r Request) Event() events.APIGatewayProxyRequest {
	event := events.APIGatewayProxyRequest{
		Resource: r.Resource, HTTPMethod: r.Method,
		Path:    strings.NewReplacer("{keyId}", r.KeyID, "{scheduleId}", r.ScheduleID, "{iamId}", r.IAMID).Replace(r.Resource),
		Headers: map[string]string{}, MultiValueHeaders: map[string][]string{},
		Body: r.Body,
		RequestContext: events.APIGatewayProxyRequestContext{
			RequestID: requestID(0), HTTPMethod: r.Method, ResourcePath: r.Resource, Stage: "live",
		},
	}
	add := func(name, value string) {
		event.Headers[name], event.MultiValueHeaders[name] = value, []string{value}
	}
	if r.Token != "" {
		add("Authorization", "Bearer "+r.Token)
	}
	if r.Body != "" {
		add("Content-Type", "application/json")
	}
	for name, value := range r.Headers {
		add(name, value)
	}
	for name, value := range map[string]string{"keyId": r.KeyID, "scheduleId": r.ScheduleID, "iamId": r.IAMID} {
		if strings.Contains(r.Resource, "{"+name+"}") {
			event.PathParameters = map[string]string{name: value}
		}
	}
	if r.Query != nil {
		event.MultiValueQueryStringParameters, event.QueryStringParameters = r.Query, map[string]string{}
		for name, values := range r.Query {
			event.QueryStringParameters[name] = values[len(values)-1]
		}
	}
	return event
}

// Send has the function answer the request. Each one sent is another request to
// the gateway, with an id of its own.
func (w *World) Send(function any, r Request) Answer {
	w.t.Helper()
	return w.SendIn(w.t.Context(), function, r)
}

// SendIn is Send with a context, such as one that ends.
func (w *World) SendIn(ctx context.Context, function any, r Request) Answer {
	w.t.Helper()
	w.sent++
	event := r.Event()
	event.RequestContext.RequestID = requestID(w.sent)
	return w.deliver(ctx, function, event)
}

func requestID(n int) string { return fmt.Sprintf("5b1f0d3c-8c1e-4a7b-9f60-%012d", n) }

// Deliver has the function answer an event of API Gateway.
func (w *World) Deliver(function any, event events.APIGatewayProxyRequest) Answer {
	w.t.Helper()
	return w.deliver(w.t.Context(), function, event)
}

func (w *World) deliver(ctx context.Context, function any, event events.APIGatewayProxyRequest) Answer {
	w.t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.InvokeIn(ctx, function, payload)
	if err != nil {
		w.t.Fatalf("the function failed: %v", err)
	}
	var got events.APIGatewayProxyResponse
	if err := json.Unmarshal(out, &got); err != nil {
		w.t.Fatalf("%s: %v", out, err)
	}
	return Answer{w: w, Status: got.StatusCode, Headers: got.Headers, Body: got.Body}
}

// ForgedCursor is a cursor of a listing that the service never answered to the
// caller of the request.
func (w *World) ForgedCursor(r Request, listing, position string) string {
	w.t.Helper()
	var cursor string
	api := httpapi.New(w, w.Log, httpapi.Route{
		Method: r.Method, Path: r.Resource, Permit: func(apikey.Principal) error { return nil },
		Handle: func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
			page, err := r.Page(listing)
			cursor = page.Cursor(position)
			return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, err
		},
	})
	w.Send(api.Handle, r).Must(http.StatusOK)
	return cursor
}

// Walk reads a listing from its first page to its last, with so many on each page
// before that; between says what happens meanwhile.
func Walk[T any](t testing.TB, limit int, page func(query url.Values) (items []T, next *string), between func()) (all []T) {
	t.Helper()
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	for range 1000 {
		items, next := page(query)
		all = append(all, items...)
		if next == nil {
			return all
		}
		if len(items) != limit {
			t.Fatalf("%d on a page that is not the last, with the limit %d", len(items), limit)
		}
		query.Set("cursor", *next)
		between()
	}
	t.Fatalf("the listing has no end: %v", all)
	return nil
}

// Answer is what the caller of a Request sees.
type Answer struct {
	Status  int
	Headers map[string]string
	Body    string
	w       *World
}

// Key is a key as the API shows it.
type Key struct {
	ID          string
	Name        string
	Status      apikey.Status
	CreatedAt   time.Time
	CreatedBy   apikey.Actor
	PhasedOutAt time.Time
	LastUsedAt  time.Time
}

// Problem is the answer's problem details.
func (a Answer) Problem() httpapi.Problem {
	a.w.t.Helper()
	var p httpapi.Problem
	a.Decode(&p)
	return p
}

// Decode reads the answer's body.
func (a Answer) Decode(target any) {
	a.w.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), target); err != nil {
		a.w.t.Fatalf("%s: %v", a.Body, err)
	}
}

// Must ends the test unless the answer has the status.
func (a Answer) Must(status int) Answer {
	a.w.t.Helper()
	if a.Status != status {
		a.w.t.Fatalf("answered %d %s", a.Status, a.Body)
	}
	return a
}

// Refused checks the status and code of a refusal.
func (a Answer) Refused(status int, code apikey.Code) {
	a.w.t.Helper()
	if a.Status != status || a.Problem().Code != code {
		a.w.t.Errorf("answered %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	if status == http.StatusServiceUnavailable && a.Headers["Retry-After"] == "" {
		a.w.t.Error("nothing tells when to try again")
	}
}

// Is checks the answer's body, whatever the order of its fields.
func (a Answer) Is(status int, body string) {
	a.w.t.Helper()
	a.Must(status)
	var want, got any
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		a.w.t.Fatalf("%s: %v", body, err)
	}
	a.Decode(&got)
	if diff := cmp.Diff(want, got); diff != "" {
		a.w.t.Errorf("want (-) and answered (+): %s", diff)
	}
}
