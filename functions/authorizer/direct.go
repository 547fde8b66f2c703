package authorizer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

// callerBody narrows a direct invocation. Who may invoke is governed by IAM, and
// may ask about every account; callerAccountId narrows the question to one.
type callerBody struct {
	CallerAccountID jsontext.Value `json:"callerAccountId"`
}

// caller is who asks. A callerAccountId that is there but names no account is
// refused: it must not widen the question to every account.
func (b callerBody) caller() (jobauth.Caller, error) {
	if b.CallerAccountID == nil {
		return jobauth.Caller{Platform: true}, nil
	}
	var accountID *string
	if err := json.Unmarshal(b.CallerAccountID, &accountID); err != nil || accountID == nil || *accountID == "" {
		return jobauth.Caller{}, apikey.Invalid("callerAccountId", "must be an account's id")
	}
	return jobauth.Caller{AccountID: *accountID}, nil
}

// What a direct invocation asks: about one job, about many, whether a run may go
// on, or to end it.
type (
	directRequest struct {
		requestBody
		callerBody
	}
	directBatch struct {
		batchBody
		callerBody
	}
	directRenewal struct {
		RenewRun string `json:"renewRun"`
		renewalBody
		callerBody
	}
	directEnd struct {
		EndRun string `json:"endRun"`
		callerBody
	}
)

// direct answers whoever invokes the function without a gateway.
func (h *Handler) direct(ctx context.Context, payload []byte) (answer []byte, err error) {
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	defer func() {
		// Or else Lambda's library would tell the panic's value.
		if recover() != nil {
			answer, err = nil, invocationError(httpapi.Panicked(ctx, h.log))
		}
	}()
	body, err := h.answerDirect(ctx, payload)
	if err != nil {
		h.log.WarnContext(ctx, "not decided", "code", string(apikey.CodeOf(err)), "error", err)
		return nil, invocationError(err)
	}
	return json.Marshal(body)
}

func (h *Handler) answerDirect(ctx context.Context, payload []byte) (any, error) {
	switch {
	case hasMember(payload, "requests"):
		var body directBatch
		caller, err := decodeDirect(payload, &body, &body.callerBody)
		if err != nil {
			return nil, err
		}
		decisions, err := h.decideAll(ctx, body.Requests, caller)
		return decisionsBody{decisions}, err
	case hasMember(payload, "renewRun"):
		var body directRenewal
		caller, err := decodeDirect(payload, &body, &body.callerBody)
		if err != nil {
			return nil, err
		}
		lease, err := jobauth.ParseLease(body.LeaseSeconds)
		if err != nil {
			return nil, err
		}
		decision, err := h.renew(ctx, body.RenewRun, lease, caller)
		return bodyOf(decision), err
	case hasMember(payload, "endRun"):
		var body directEnd
		caller, err := decodeDirect(payload, &body, &body.callerBody)
		if err != nil {
			return nil, err
		}
		return struct{}{}, h.end(ctx, body.EndRun, caller)
	default:
		var body directRequest
		caller, err := decodeDirect(payload, &body, &body.callerBody)
		if err != nil {
			return nil, err
		}
		decision, err := h.decide(ctx, body.request(), caller)
		return bodyOf(decision), err
	}
}

func decodeDirect(payload []byte, body any, by *callerBody) (jobauth.Caller, error) {
	if err := httpapi.DecodeJSON(payload, body); err != nil {
		return jobauth.Caller{}, err
	}
	return by.caller()
}

// hasMember tells whether a JSON object has the member; it looks closely only at
// an object that has the name in it somewhere.
func hasMember(payload []byte, name string) bool {
	if !bytes.Contains(payload, []byte(`"`+name+`"`)) {
		return false
	}
	var members map[string]json.RawMessage
	err := json.Unmarshal(payload, &members)
	return err == nil && members[name] != nil
}

// invocationError is what a direct invoker sees: the code as the error's type
// and the sentence for the caller.
func invocationError(err error) error {
	refusal, ok := errors.AsType[*apikey.Error](err)
	if !ok {
		refusal = &apikey.Error{Code: apikey.CodeInternal, Detail: "Something went wrong that should not; the log has the cause."}
	}
	return messages.InvokeResponse_Error{Type: string(refusal.Code), Message: refusal.Sentence()}
}
