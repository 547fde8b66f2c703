package servicetest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Gateway serves the process over HTTP, as API Gateway serves the functions.
func (p *Process) Gateway() http.Handler {
	mux := http.NewServeMux()
	for route, function := range p.functions {
		if method, resource, isRoute := strings.Cut(route, " "); isRoute {
			mux.Handle(route, gateway{process: p, method: method, resource: resource, function: function})
		}
	}
	return mux
}

// requestIDHeader is by which a client chooses the gateway's id of its request, as
// on AWS.
const requestIDHeader = "X-Amzn-Requestid"

// gateway hands the requests of one route on to its function.
type gateway struct {
	process          *Process
	method, resource string
	function         any
}

func (g gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // nobody is there any more
	}
	out, err := g.process.invoke(r.Context(), g.function, g.event(r, body))
	if err != nil {
		// On AWS the log has the reason, and the caller learns nothing.
		http.Error(w, `{"message": "Internal server error", "reason": "`+err.Error()+`"}`, http.StatusBadGateway)
		return
	}
	var response events.APIGatewayProxyResponse
	if err := json.Unmarshal(out, &response); err != nil {
		http.Error(w, `{"message": "Internal server error"}`, http.StatusBadGateway)
		return
	}
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.WriteString(w, response.Body)
}

func (g gateway) event(r *http.Request, body []byte) events.APIGatewayProxyRequest {
	id := r.Header.Get(requestIDHeader)
	if id == "" {
		id = rand.Text()
	}
	event := events.APIGatewayProxyRequest{
		Resource: g.resource, HTTPMethod: g.method, Path: r.URL.Path, Body: string(body),
		Headers: map[string]string{}, MultiValueHeaders: r.Header,
		QueryStringParameters: map[string]string{}, MultiValueQueryStringParameters: r.URL.Query(),
		PathParameters: map[string]string{},
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: id, HTTPMethod: g.method, ResourcePath: g.resource},
	}
	// The last of several values, as API Gateway has it.
	for name, values := range r.Header {
		event.Headers[name] = values[len(values)-1]
	}
	for name, values := range r.URL.Query() {
		event.QueryStringParameters[name] = values[len(values)-1]
	}
	for part := range strings.SplitSeq(g.resource, "/") {
		if name, isParameter := strings.CutPrefix(strings.TrimSuffix(part, "}"), "{"); isParameter {
			event.PathParameters[name] = r.PathValue(name)
		}
	}
	return event
}
