package authorizer

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

// callerOf is a job runner over HTTP: it asks about jobs of its own account,
// unless it runs the jobs of the whole platform.
func callerOf(r *httpapi.Request) jobauth.Caller {
	return jobauth.Caller{
		AccountID: r.Principal.Owner.AccountID,
		Platform:  r.Principal.MayAuthorizeEveryAccount(),
		Actor:     apikey.Actor{Kind: apikey.ActorJobRunner, ID: r.Principal.Owner.IAMID},
	}
}

// authorizeJob answers whether one job may run.
func (h *Handler) authorizeJob(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	var body requestBody
	if err := r.Decode(&body); err != nil {
		return httpapi.Response{}, err
	}
	decision, err := h.decide(ctx, body.request(), callerOf(r))
	return h.decided(ctx, bodyOf(decision), err)
}

// authorizeJobs answers whether each of up to a hundred jobs may run.
func (h *Handler) authorizeJobs(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	var list jsontext.Value
	if err := httpapi.DecodeMembers(r.Body(), map[string]*jsontext.Value{"requests": &list}); err != nil {
		return httpapi.Response{}, err
	}
	decisions, err := h.decideAll(ctx, list, callerOf(r))
	return h.decided(ctx, decisionsBody{decisions}, err)
}

// renewRun lets a run go on, or tells that it must stop.
func (h *Handler) renewRun(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	var body renewalBody
	if err := r.DecodeOptional(&body); err != nil {
		return httpapi.Response{}, err
	}
	lease, err := jobauth.ParseLease(body.LeaseSeconds)
	if err != nil {
		return httpapi.Response{}, err
	}
	decision, err := h.renew(ctx, r.PathParameter("runRef"), lease, callerOf(r))
	return h.decided(ctx, bodyOf(decision), err)
}

// decided answers with decisions. What could not be decided is counted (the alarms
// need it), and what is the caller's mistake is not.
func (h *Handler) decided(ctx context.Context, body any, err error) (httpapi.Response, error) {
	if code := apikey.CodeOf(err); err != nil && (code == apikey.CodeUnavailable || code == apikey.CodeInternal) {
		h.logUndecided(ctx, err)
	}
	return httpapi.Response{Status: http.StatusOK, Body: body}, err
}

// endRun ends a run: it no longer counts.
func (h *Handler) endRun(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	return httpapi.Response{Status: http.StatusNoContent}, h.end(ctx, r.PathParameter("runRef"), callerOf(r))
}
