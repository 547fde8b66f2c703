// Package authorizer answers whether a job may run: as a webhook behind API
// Gateway, and to a direct invocation with the bare request.
package authorizer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

// Rings are the rings as they are now. Errors of Ring: unavailable.
type Rings interface {
	Ring(ctx context.Context, locator apikey.Locator) (apikey.Ring, error)
}

// Handler answers both kinds of events.
type Handler struct {
	rings Rings
	api   *httpapi.API
	log   *slog.Logger
}

// New serves POST /v1/job-authorizations and direct invocations.
func New(authenticator httpapi.Authenticator, rings Rings, log *slog.Logger) *Handler {
	h := &Handler{rings: rings, log: log}
	h.api = httpapi.New(authenticator, log, httpapi.Route{
		Method: http.MethodPost, Path: "/v1/job-authorizations", Permit: apikey.Principal.RequireJobRunner, Handle: h.webhook,
	})
	return h
}

// Invoke answers one event, as Lambda hands it over and takes the answer. For a
// handler with typed arguments, Lambda's library would decode the event as well.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event, ok := fromGateway(payload)
	if !ok {
		return h.direct(ctx, payload)
	}
	answer, err := h.api.Handle(ctx, event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

var _ lambda.Handler = (*Handler)(nil)

// fromGateway is the event of a REST API, if it is one: those have a request
// context, which a bare request never has. The gateway writes its name plainly,
// so no other event is decoded here.
func fromGateway(payload []byte) (event events.APIGatewayProxyRequest, ok bool) {
	if !bytes.Contains(payload, []byte(`"requestContext"`)) {
		return event, false
	}
	var decoded struct {
		events.APIGatewayProxyRequest

		RequestContext *events.APIGatewayProxyRequestContext `json:"requestContext"`
	}
	if err := json.Unmarshal(payload, &decoded); err != nil || decoded.RequestContext == nil {
		return event, false
	}
	event = decoded.APIGatewayProxyRequest
	event.RequestContext = *decoded.RequestContext
	return event, true
}

// webhook answers a job runner over HTTP: about jobs of its own account, unless
// it runs the jobs of the whole platform.
func (h *Handler) webhook(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	var body requestBody
	if err := r.Decode(&body); err != nil {
		return httpapi.Response{}, err
	}
	decision, err := h.decide(ctx, body.request(), jobauth.Caller{
		AccountID: r.Principal.Owner.AccountID,
		Platform:  r.Principal.MayAuthorizeEveryAccount(),
	})
	return httpapi.Response{Status: http.StatusOK, Body: bodyOf(decision)}, err
}

// directBody is the bare request of a direct invocation. Who may invoke is
// governed by IAM, and may ask about every account; callerAccountId narrows the
// question to one.
type directBody struct {
	requestBody
	CallerAccountID jsontext.Value `json:"callerAccountId"`
}

// caller is who asks. A callerAccountId that is there but names no account is
// refused: it must not widen the question to every account.
func (b directBody) caller() (jobauth.Caller, error) {
	if b.CallerAccountID == nil {
		return jobauth.Caller{Platform: true}, nil
	}
	var accountID *string
	if err := json.Unmarshal(b.CallerAccountID, &accountID); err != nil || accountID == nil || *accountID == "" {
		return jobauth.Caller{}, apikey.Invalid("callerAccountId", "must be an account's id")
	}
	return jobauth.Caller{AccountID: *accountID}, nil
}

func (h *Handler) direct(ctx context.Context, payload []byte) (answer []byte, err error) {
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	defer func() {
		// Or else Lambda's library would tell the panic's value.
		if recover() != nil {
			answer, err = nil, invocationError(httpapi.Panicked(ctx, h.log))
		}
	}()
	decision, err := h.decideDirect(ctx, payload)
	if err != nil {
		h.log.WarnContext(ctx, "not decided", "code", string(apikey.CodeOf(err)), "error", err)
		return nil, invocationError(err)
	}
	return json.Marshal(bodyOf(decision))
}

func (h *Handler) decideDirect(ctx context.Context, payload []byte) (jobauth.Decision, error) {
	var body directBody
	if err := httpapi.DecodeJSON(payload, &body); err != nil {
		return jobauth.Decision{}, err
	}
	caller, err := body.caller()
	if err != nil {
		return jobauth.Decision{}, err
	}
	return h.decide(ctx, body.request(), caller)
}

// invocationError is what a direct invoker sees: the code as the error's type
// and the sentence for the caller.
func invocationError(err error) error {
	refusal, ok := errors.AsType[*apikey.Error](err)
	if !ok {
		refusal = &apikey.Error{Code: apikey.CodeInternal, Detail: "Something went wrong that should not; the log has the cause."}
	}
	message := refusal.Detail
	if refusal.Field != "" {
		message = apikey.Redact(refusal.Field) + " " + message
	}
	return messages.InvokeResponse_Error{Type: string(refusal.Code), Message: message}
}

// decide reads the ring that the question needs, if any, and answers from it. A
// ring that cannot be read is an error and never a decision.
func (h *Handler) decide(ctx context.Context, request jobauth.Request, caller jobauth.Caller) (jobauth.Decision, error) {
	question, err := request.Prepare(caller)
	if err != nil {
		return jobauth.Decision{}, err
	}
	var ring apikey.Ring
	if locator, needed := question.Locator(); needed {
		if ring, err = h.rings.Ring(ctx, locator); err != nil {
			return jobauth.Decision{}, err
		}
	}
	decision := question.Decide(ring)
	h.logDecision(ctx, request, decision)
	return decision, nil
}

func (h *Handler) logDecision(ctx context.Context, request jobauth.Request, decision jobauth.Decision) {
	attributes := []slog.Attr{
		slog.Bool("allowed", decision.Allowed),
		slog.String("reason", string(decision.Reason)),
		slog.String("jobId", request.JobID),
		slog.String("jobType", string(request.JobType)),
		slog.String("trigger", string(request.Trigger)),
	}
	if decision.Owner != nil {
		attributes = append(attributes,
			slog.String("owner", decision.Owner.Locator().String()),
			slog.String("keyId", decision.KeyID.String()))
	}
	h.log.LogAttrs(ctx, slog.LevelInfo, "decided", attributes...)
}
