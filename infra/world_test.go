package infra_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/pb33f/libopenapi-validator/responses"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/create"
	"github.com/userapikey/service/functions/delete"
	"github.com/userapikey/service/functions/rotate"
	"github.com/userapikey/service/functions/schedules"
	"github.com/userapikey/service/functions/view"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/vault"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

// world is the whole service in one process: every function over one table, one
// Secrets Manager and one issuer of tokens, behind a gateway that routes as
// template.yaml says.
type world struct {
	t        *testing.T
	now      time.Time
	noRandom bool
	noClock  bool
	table    *storetest.Engine
	secrets  *vaulttest.Engine
	issuer   *issuer
	rings    *store.Store
	vault    *vault.Vault
	// deployment is the rotation policy of owners who have none of their own.
	deployment apikey.RotationPolicy
	// routes lead to the function that the template names.
	routes    map[string][]string
	functions map[string]handler
}

type handler func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, now: firstCreatedAt,
		table: storetest.NewEngine(), secrets: vaulttest.NewEngine(), issuer: newIssuer(t),
		routes: loadTemplateRoutes(t),
	}
	w.rings = store.New(w.table.Client(), storetest.Table, w.clock, w)
	w.vault = vault.New(w.secrets.Client(), "user-api-key/test", w.clock)
	w.start()
	return w
}

// start starts every function anew, so that none remembers anything, and lets
// indexes catch up.
func (w *world) start() {
	w.table.CatchUp()
	log := slog.New(slog.DiscardHandler)
	verifier := w.issuer.verifier(w.clock)
	keys := &lifecycle.Service{Rings: w.rings, Vault: w.vault, Now: w.clock, Random: w, Log: log}
	jobs := authorizer.New(verifier, w.rings, w.clock, log)
	w.functions = map[string]handler{
		"ViewFunction":       view.New(verifier, w.rings, w.deployment, w.clock, log).Handle,
		"CreateFunction":     create.New(verifier, keys, log).Handle,
		"RotateFunction":     rotate.New(verifier, keys, w.deployment, log).Handle,
		"DeleteFunction":     delete.New(verifier, keys, w.deployment, log).Handle,
		"SchedulesFunction":  schedules.New(verifier, w.rings, w.clock, log).Handle,
		"AuthorizerFunction": behindGateway(jobs),
	}
}

// clock is the functions' clock, which can be made to fail.
func (w *world) clock() time.Time {
	if w.noClock {
		panic("no clock (injected)")
	}
	return w.now
}

// Read is the functions' randomness, which can be made to fail.
func (w *world) Read(p []byte) (int, error) {
	if w.noRandom {
		return 0, errors.New("no randomness (injected)")
	}
	return rand.Read(p)
}

// behindGateway invokes a function that answers other events too.
func behindGateway(h *authorizer.Handler) handler {
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		payload, err := json.Marshal(event)
		if err != nil {
			return events.APIGatewayProxyResponse{}, err
		}
		answer, err := h.Invoke(ctx, payload)
		if err != nil {
			return events.APIGatewayProxyResponse{}, err
		}
		var response events.APIGatewayProxyResponse
		err = json.Unmarshal(answer, &response)
		return response, err
	}
}

// call is a request of the API.
type call struct {
	operation operation
	// What takes the place of the path's parameters.
	keyID, scheduleID, runRef, iamID string
	// caller is whose token it is; the zero value is the sample owner.
	caller apikey.Owner
	// token is "" for one with a role that suffices, "none", "expired", or the
	// one role of the token.
	token   string
	headers map[string]string
	query   map[string]string
	body    string
	// requestID is the gateway's; "" is sampleRequestID.
	requestID string
}

// answer is what came of a call.
type answer struct {
	status  int
	headers map[string]string
	body    string
	request *http.Request
}

const sampleRequestID = "5b1f0d3c-8c1e-4a7b-9f60-2d4e6a8b0c1d"

// send sends the call to the function that template.yaml routes it to.
func (w *world) send(c call) answer {
	w.t.Helper()
	headers := maps.Clone(c.headers)
	if headers == nil {
		headers = map[string]string{}
	}
	if _, given := headers["Content-Type"]; c.body != "" && !given {
		headers["Content-Type"] = "application/json"
	}
	if token := w.issuer.token(w.t, c, w.now); token != "" {
		headers["Authorization"] = "Bearer " + token
	}
	routed := w.routes[c.operation.route()]
	if len(routed) == 0 || w.functions[routed[0]] == nil {
		w.t.Fatalf("%s is routed to %v", c.operation.route(), routed)
	}
	got, err := w.functions[routed[0]](w.t.Context(), events.APIGatewayProxyRequest{
		Resource: c.operation.path, HTTPMethod: c.operation.method, Path: c.path(),
		Headers: headers, QueryStringParameters: c.query, Body: c.body,
		PathParameters: map[string]string{"keyId": c.keyID, "scheduleId": c.scheduleID, "runRef": c.runRef, "iamId": c.iamID},
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: cmp.Or(c.requestID, sampleRequestID)},
	})
	if err != nil {
		w.t.Fatalf("%s: the function failed: %v", c.operation.route(), err)
	}
	return answer{got.StatusCode, got.Headers, got.Body, c.request(w.t, headers)}
}

func (c call) path() string {
	return strings.NewReplacer("{keyId}", c.keyID, "{scheduleId}", c.scheduleID, "{runRef}", c.runRef, "{iamId}", c.iamID).Replace(c.operation.path)
}

// request is the call as HTTP, for the validator.
func (c call) request(t *testing.T, headers map[string]string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), c.operation.method, "https://example.execute-api.us-east-1.amazonaws.com/live"+c.path(), strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	query := request.URL.Query()
	for name, value := range c.query {
		query.Set(name, value)
	}
	request.URL.RawQuery = query.Encode()
	return request
}

// response is the answer as HTTP, for the validator.
func (a answer) response() *http.Response {
	response := &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body))}
	for name, value := range a.headers {
		response.Header.Set(name, value)
	}
	return response
}

// fits holds the answer to a response that no operation of the contract names.
func (a answer) fits(response *v3.Response) error {
	if ok, errs := responses.ValidateResponseHeaders(a.request, a.response(), response.Headers, a.request.URL.Path, fmt.Sprint(a.status), strictly()...); !ok {
		return asError(errs)
	}
	media := response.Content.GetOrZero(a.headers["Content-Type"])
	if media == nil {
		return fmt.Errorf("the content type is %q", a.headers["Content-Type"])
	}
	return checkAgainst(media.Schema.Schema(), a.body)
}
