package authorizer

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

// directBody is what a direct invocation asks: about one job, or, with RenewRun
// or EndRun, whether a run may go on, or to end it.
type directBody struct {
	requestBody
	RenewRun        *string        `json:"renewRun"`
	EndRun          *string        `json:"endRun"`
	CallerAccountID jsontext.Value `json:"callerAccountId"`
}

// direct answers whoever invokes the function without a gateway.
func (h *Handler) direct(ctx context.Context, payload []byte) (any, error) {
	// Nothing else is looked at twice than what may be a batch.
	if bytes.Contains(payload, []byte(`"requests"`)) {
		var list, accountID jsontext.Value
		err := httpapi.DecodeMembers(payload, map[string]*jsontext.Value{"requests": &list, "callerAccountId": &accountID})
		if list != nil {
			return h.directBatch(ctx, list, accountID, err)
		}
	}
	var body directBody
	if err := httpapi.DecodeJSON(payload, &body); err != nil {
		return nil, err
	}
	caller, err := directCaller(body.CallerAccountID)
	switch {
	case err != nil:
		return nil, err
	case body.RenewRun != nil:
		return h.directRenewal(ctx, body, caller)
	case body.EndRun != nil:
		return h.directEnd(ctx, body, caller)
	}
	decision, err := h.decide(ctx, body.request(), caller)
	return bodyOf(decision), err
}

func (h *Handler) directBatch(ctx context.Context, list, accountID jsontext.Value, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	caller, err := directCaller(accountID)
	if err != nil {
		return nil, err
	}
	decisions, err := h.decideAll(ctx, list, caller)
	return decisionsBody{decisions}, err
}

func (h *Handler) directRenewal(ctx context.Context, body directBody, caller jobauth.Caller) (any, error) {
	if body.EndRun != nil || body.requestBody != (requestBody{LeaseSeconds: body.LeaseSeconds}) {
		return nil, apikey.Invalid("renewRun", "goes with leaseSeconds and callerAccountId only")
	}
	lease, err := jobauth.ParseLease(body.LeaseSeconds)
	if err != nil {
		return nil, err
	}
	decision, err := h.renew(ctx, *body.RenewRun, lease, caller)
	return bodyOf(decision), err
}

func (h *Handler) directEnd(ctx context.Context, body directBody, caller jobauth.Caller) (any, error) {
	if body.requestBody != (requestBody{}) {
		return nil, apikey.Invalid("endRun", "goes with callerAccountId only")
	}
	return struct{}{}, h.end(ctx, *body.EndRun, caller)
}

// directCaller is who invokes. Who may is governed by IAM, and may ask about every
// account; callerAccountId narrows that to one. One that is there but names no
// account is refused: it must not widen the question to every account.
func directCaller(callerAccountID jsontext.Value) (jobauth.Caller, error) {
	actor := apikey.Actor{Kind: apikey.ActorJobRunner, ID: "direct invocation"}
	if callerAccountID == nil {
		return jobauth.Caller{Platform: true, Actor: actor}, nil
	}
	var accountID *string
	if err := json.Unmarshal(callerAccountID, &accountID); err != nil || accountID == nil || *accountID == "" {
		return jobauth.Caller{}, apikey.Invalid("callerAccountId", "must be an account's id")
	}
	return jobauth.Caller{AccountID: *accountID, Actor: actor}, nil
}
