// Package authorizer answers whether a job may run: as a webhook behind API
// Gateway, to a direct invocation, and as a Lambda authorizer, with which other
// APIs are protected by user API keys.
package authorizer

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/store"
)

// maxBatchBodyBytes bounds the body of a batch.
const maxBatchBodyBytes = 256 << 10

// Handler answers every kind of event.
type Handler struct {
	decider
	api *httpapi.API
}

// New serves the routes of job authorizations and runs, direct invocations and
// the events of Lambda authorizers.
func New(authenticator httpapi.Authenticator, rings *store.Store, now func() time.Time, log *slog.Logger) *Handler {
	h := &Handler{decider: decider{
		rings: rings, now: now, log: log, uses: newTried(store.UsePeriod), refusals: newTried(store.RefusalPeriod),
	}}
	permit := apikey.Principal.RequireJobRunner
	h.api = httpapi.New(authenticator, log,
		httpapi.Route{Method: http.MethodPost, Path: "/v1/job-authorizations", Permit: permit, Handle: h.authorizeJob},
		httpapi.Route{Method: http.MethodPost, Path: "/v1/job-authorizations/batch", MaxBodyBytes: maxBatchBodyBytes, Permit: permit, Handle: h.authorizeJobs},
		httpapi.Route{Method: http.MethodPost, Path: "/v1/job-runs/{runRef}/renewal", Permit: permit, Handle: h.renewRun},
		httpapi.Route{Method: http.MethodDelete, Path: "/v1/job-runs/{runRef}", Permit: permit, Handle: h.endRun},
	)
	return h
}

var _ lambda.Handler = (*Handler)(nil)

// Invoke answers one event, as Lambda hands it over and takes the answer. For a
// handler with typed arguments, Lambda's library would decode the event as well.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event := fromGateway(payload)
	switch {
	case event == nil:
		return h.invoked(ctx, func(ctx context.Context) (any, error) { return h.direct(ctx, payload) })
	case event.isAuthorizer():
		return h.invoked(ctx, func(ctx context.Context) (any, error) { return h.protect(ctx, event) })
	case event.Resource == "": // of an HTTP API, a load balancer
		return h.invoked(ctx, func(context.Context) (any, error) { return nil, apikey.Invalid("event", "is not one of a REST API") })
	}
	answer, err := h.api.Handle(ctx, event.request())
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// invoked does the work and answers whoever invoked the function itself.
func (h *Handler) invoked(ctx context.Context, work func(context.Context) (any, error)) ([]byte, error) {
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	var body any
	// Or else Lambda's library would tell the value of a panic.
	err := h.safely(ctx, func() (err error) {
		body, err = work(ctx)
		return err
	})
	if err != nil {
		h.logUndecided(ctx, err)
		return nil, httpapi.InvocationError(err)
	}
	return json.Marshal(body)
}

// gatewayEvent is an event of a gateway: a request to this service's own API, or
// the question of a Lambda authorizer about a request to another one.
type gatewayEvent struct {
	events.APIGatewayProxyRequest

	RequestContext *events.APIGatewayProxyRequestContext `json:"requestContext"`
	// What only the question of an authorizer has.
	Version            string `json:"version"`
	Type               string `json:"type"`
	MethodARN          string `json:"methodArn"`
	RouteARN           string `json:"routeArn"`
	AuthorizationToken string `json:"authorizationToken"`
}

// namesOfGateway are the names of which a gateway's event has at least one, and a
// bare request none.
var namesOfGateway = [][]byte{[]byte(`"requestContext"`), []byte(`"methodArn"`), []byte(`"routeArn"`)}

// fromGateway is the event of a gateway, nil if it is none. A gateway writes its
// names plainly, so no other event is decoded here.
func fromGateway(payload []byte) *gatewayEvent {
	isNamed := func(name []byte) bool { return bytes.Contains(payload, name) }
	if !slices.ContainsFunc(namesOfGateway, isNamed) {
		return nil
	}
	var event gatewayEvent
	err := json.Unmarshal(payload, &event)
	if err != nil || event.RequestContext == nil && !event.isAuthorizer() {
		return nil
	}
	return &event
}

// request is the event as a request to this service's own API.
func (e *gatewayEvent) request() events.APIGatewayProxyRequest {
	e.APIGatewayProxyRequest.RequestContext = *e.RequestContext
	return e.APIGatewayProxyRequest
}
