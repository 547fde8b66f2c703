package httpapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/shared/apikey"
)

// A gateway hands header names on in whatever case the client wrote them.
func TestHeaderNamesAreReadInAnyCase(t *testing.T) {
	for _, names := range [][3]string{
		{"Authorization", "Content-Type", "Idempotency-Key"},
		{"authorization", "content-type", "idempotency-key"},
		{"AUTHORIZATION", "CONTENT-TYPE", "IDEMPOTENCY-KEY"},
		{"aUTHORIZATION", "content-Type", "Idempotency-KEY"},
	} {
		for place, send := range map[string]func(name, value string, event *events.APIGatewayProxyRequest){
			"headers": func(name, value string, event *events.APIGatewayProxyRequest) {
				event.Headers[name] = value
			},
			"multiValueHeaders": func(name, value string, event *events.APIGatewayProxyRequest) {
				event.MultiValueHeaders[name] = []string{value}
			},
			"both": func(name, value string, event *events.APIGatewayProxyRequest) {
				event.Headers[name], event.MultiValueHeaders[name] = value, []string{value}
			},
		} {
			t.Run(names[0]+" in "+place, func(t *testing.T) {
				s, change := changing(t)
				authorization := ""
				s.principal = func(_ context.Context, value string) (apikey.Principal, error) {
					authorization = value
					return apikey.Principal{Owner: ada}, nil
				}
				event := post("{}")
				event.Headers, event.MultiValueHeaders = map[string]string{}, map[string][]string{}
				for i, value := range []string{"Bearer token", "application/json", "key-1"} {
					send(names[i], value, &event)
				}
				s.send(event).wantOK()
				if authorization != "Bearer token" || change.IdempotencyKey != "key-1" {
					t.Errorf("Authorization %q, Idempotency-Key %q", authorization, change.IdempotencyKey)
				}
			})
		}
	}
}

// Which of two values another party on the way went by cannot be known.
func TestHeaderGivenTwiceIsRefusedUnlessTheValuesAreTheSame(t *testing.T) {
	for name, values := range map[string][2]string{
		"Authorization":   {"Bearer one", "Bearer two"},
		"Content-Type":    {"application/json", "application/json; charset=utf-8"},
		"If-Match":        {`"3"`, `"4"`},
		"Idempotency-Key": {"key-1", "key-2"},
	} {
		for place, repeat := range map[string]func(event *events.APIGatewayProxyRequest, first, second string){
			"in multiValueHeaders": func(event *events.APIGatewayProxyRequest, first, second string) {
				event.MultiValueHeaders = map[string][]string{name: {first, second}}
				event.Headers[name] = second // as API Gateway does: the last one
			},
			"in multiValueHeaders, in two cases": func(event *events.APIGatewayProxyRequest, first, second string) {
				event.MultiValueHeaders = map[string][]string{name: {first}, strings.ToLower(name): {second}}
			},
			"in headers, in two cases": func(event *events.APIGatewayProxyRequest, first, second string) {
				delete(event.Headers, name)
				event.Headers[strings.ToLower(name)], event.Headers[strings.ToUpper(name)] = first, second
			},
		} {
			t.Run(name+" "+place, func(t *testing.T) {
				s, _ := changing(t)
				event := post("{}")
				repeat(&event, values[0], values[1])
				s.send(event).wantInvalid(name)

				event = post("{}")
				repeat(&event, values[0], values[0])
				s.send(event).wantOK()
			})
		}
	}
}

// An empty value beside another is a second value, not none.
func TestHeaderGivenTwiceOnceEmptyIsRefused(t *testing.T) {
	for _, values := range [][]string{{"key-1", ""}, {"", "key-1"}} {
		s, _ := changing(t)
		event := post("")
		event.MultiValueHeaders = map[string][]string{"Idempotency-Key": values}
		s.send(event).wantInvalid("Idempotency-Key")
	}
}

// API Gateway repeats in headers the last value of multiValueHeaders; what sends
// headers only, as some emulators do, is understood too.
func TestMultiValueHeadersCountBeforeHeaders(t *testing.T) {
	s, change := changing(t)
	event := with(map[string]string{"Idempotency-Key": "key-1", "If-Match": `"3"`})
	event.MultiValueHeaders = map[string][]string{"idempotency-key": {"key-2"}, "If-Match": {}}
	s.send(event).wantOK()
	if change.IdempotencyKey != "key-2" {
		t.Errorf("Idempotency-Key is %q", change.IdempotencyKey)
	}
	if len(change.ExpectedRevisions) != 1 {
		t.Errorf("If-Match is %v", change.ExpectedRevisions)
	}
}

func TestHeadersThatAreNotThereAreNotThere(t *testing.T) {
	s, change := changing(t)
	authorization := "unasked"
	s.principal = func(_ context.Context, value string) (apikey.Principal, error) {
		authorization = value
		return apikey.Principal{Owner: ada}, nil
	}
	event := post("")
	event.Headers, event.RequestContext.RequestID = nil, ""
	s.send(event).wantOK()
	if authorization != "" || change.IdempotencyKey != "" || change.ExpectedRevisions != nil {
		t.Errorf("Authorization %q, Idempotency-Key %q, If-Match %v", authorization, change.IdempotencyKey, change.ExpectedRevisions)
	}
}
