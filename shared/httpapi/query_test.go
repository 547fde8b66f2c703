package httpapi_test

import (
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// asking is a request with query parameters, as API Gateway hands them on: all
// values of each, and the last one alone.
func asking(parameters map[string][]string) events.APIGatewayProxyRequest {
	event := post("")
	event.QueryStringParameters, event.MultiValueQueryStringParameters = map[string]string{}, parameters
	for name, values := range parameters {
		event.QueryStringParameters[name] = values[len(values)-1]
	}
	return event
}

func TestRouteKnowsTheQueryParametersThatItDeclaresAndNoOther(t *testing.T) {
	s := newScene(t)
	s.query = []string{"limit", "cursor"}
	s.send(post("")).wantOK()
	s.send(asking(map[string][]string{"limit": {"10"}, "cursor": {"x"}})).wantOK()
	for name, parameters := range map[string]map[string][]string{
		"offset": {"offset": {"10"}},
		"Limit":  {"Limit": {"10"}},
		"limits": {"limits": {"10"}},
		"page":   {"cursor": {"x"}, "limit": {"10"}, "page": {"1"}, "q": {"x"}, "r": {"x"}, "s": {"x"}, "sort": {"up"}, "t": {"x"}},
		`""`:     {"": {"10"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.query = []string{"limit", "cursor"}
			s.send(asking(parameters)).wantInvalid(name)
			onlyAll := asking(parameters)
			onlyAll.QueryStringParameters = nil
			s.send(onlyAll).wantInvalid(name)
			onlyLast := asking(parameters)
			onlyLast.MultiValueQueryStringParameters = nil
			s.send(onlyLast).wantInvalid(name)
		})
	}
}
