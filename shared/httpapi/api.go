package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/shared/apikey"
)

// answerReserve is what is kept of a function's time for the answer: remote
// calls end before it, so that a slow dependency is a 503 of ours rather than
// the gateway's time-out.
const answerReserve = time.Second

// Authenticator verifies who calls, from the Authorization header's value.
// Errors: unauthenticated, unavailable.
type Authenticator interface {
	Principal(ctx context.Context, authorization string) (apikey.Principal, error)
}

// Route is one operation of the API.
type Route struct {
	Method string
	// Path is the resource path, with parameters in braces.
	Path string
	// Query are the names of the query parameters that the operation knows; any
	// other is refused.
	Query []string
	// MaxBodyBytes bounds the body; zero is MaxBodyBytes of this package.
	MaxBodyBytes int
	// Permit refuses callers whose roles do not suffice.
	Permit func(apikey.Principal) error
	Handle func(context.Context, *Request) (Response, error)
}

// Response is a success.
type Response struct {
	Status int
	// ETag is the ring's revision, for reads; "" is none.
	ETag string
	Body any
}

// API serves the routes of one function.
type API struct {
	authenticator Authenticator
	log           *slog.Logger
	routes        []Route
}

// New makes an API of the routes.
func New(authenticator Authenticator, log *slog.Logger, routes ...Route) *API {
	return &API{authenticator: authenticator, log: log, routes: routes}
}

// Handle answers one request. Its error is always nil: whatever goes wrong has
// an HTTP answer.
func (a *API) Handle(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	ctx, cancel := WithAnswerReserve(ctx)
	defer cancel()
	request := &Request{event: event}
	response, err := a.serve(ctx, request)
	var answer events.APIGatewayProxyResponse
	if err == nil {
		answer, err = encode(response)
	}
	if err != nil {
		answer = encodeProblem(err, request)
	}
	a.logAnswer(ctx, request, answer.StatusCode, err)
	return answer, nil
}

// WithAnswerReserve ends the context a little before the function is ended.
func WithAnswerReserve(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-answerReserve))
}

// serve runs the route. A panic is a defect, answered like any other.
func (a *API) serve(ctx context.Context, r *Request) (response Response, err error) {
	defer func() {
		if recover() != nil {
			err = Panicked(ctx, a.log)
		}
	}()
	route, err := a.route(r.event)
	if err != nil {
		return Response{}, err
	}
	authorization, err := r.header("Authorization")
	if err != nil {
		return Response{}, err
	}
	if r.Principal, err = a.authenticator.Principal(ctx, authorization); err != nil {
		return Response{}, err
	}
	if err := route.Permit(r.Principal); err != nil {
		return Response{}, err
	}
	if err := r.checkForm(route); err != nil {
		return Response{}, err
	}
	return route.Handle(ctx, r)
}

// Panicked logs a panic that was recovered, and is the error to answer it with:
// not the panic's value in either, for that may hold anything.
func Panicked(ctx context.Context, log *slog.Logger) error {
	log.ErrorContext(ctx, "panic", "stack", string(debug.Stack()))
	return problem(apikey.CodeInternal, internalDetail)
}

func (a *API) route(event events.APIGatewayProxyRequest) (Route, error) {
	for _, route := range a.routes {
		if route.Path == event.Resource && route.Method == event.HTTPMethod {
			return route, nil
		}
	}
	return Route{}, strayRequest(event.Resource, event.HTTPMethod)
}

func (a *API) logAnswer(ctx context.Context, r *Request, status int, err error) {
	attributes := []slog.Attr{
		slog.String("requestId", r.CorrelationID()),
		slog.String("method", r.event.HTTPMethod),
		slog.String("resource", r.event.Resource),
		slog.Int("status", status),
	}
	if r.Principal.Owner.IAMID != "" {
		attributes = append(attributes, slog.String("caller", r.Principal.Owner.Locator().String()))
	}
	level := slog.LevelInfo
	if err != nil {
		attributes = append(attributes, slog.String("code", string(apikey.CodeOf(err))), slog.String("error", err.Error()))
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.log.LogAttrs(ctx, level, "answered", attributes...)
}
