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
	h := &Handler{decider: decider{rings: rings, now: now, log: log, uses: &uses{now: now}}}
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
	shape, fromGateway := shapeOf(payload)
	switch {
	case !fromGateway:
		return h.direct(ctx, payload)
	case shape.isAuthorizer():
		return h.protect(ctx, shape, payload)
	}
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, invocationError(apikey.Invalid("event", "is not an event of a REST API"))
	}
	answer, err := h.api.Handle(ctx, event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// shape is what tells the gateway's events apart.
type shape struct {
	Version        string          `json:"version"`
	Type           string          `json:"type"`
	MethodARN      string          `json:"methodArn"`
	RouteARN       string          `json:"routeArn"`
	RequestContext json.RawMessage `json:"requestContext"`
}

// shapeOf tells whether an event is a gateway's: those have a request context,
// or the ARN of what was called, which a bare request never has. The gateway
// writes these names plainly, so no other event is looked at closely.
func shapeOf(payload []byte) (s shape, fromGateway bool) {
	for _, name := range []string{`"requestContext"`, `"methodArn"`, `"routeArn"`} {
		if bytes.Contains(payload, []byte(name)) {
			err := json.Unmarshal(payload, &s)
			return s, err == nil && (s.RequestContext != nil || s.MethodARN != "" || s.RouteARN != "")
		}
	}
	return s, false
}
