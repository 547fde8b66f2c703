package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Authorize asks whether a job may run now. With a RunID, an allowed job is
// recorded as a run that nobody renews: when the job runs for longer than the
// lease, use [Client.StartRun].
//
// A refusal is a decision and no error. [errors.As] finds an *[Error] in every
// error, and what ended ctx if that is why nothing more was tried. What may pass
// is tried again up to three times, for as long as ctx lasts; give it a deadline,
// for without one that may take five minutes.
func (c *Client) Authorize(ctx context.Context, request Request) (Decision, error) {
	granted, err := c.authorize(ctx, request, c.insist)
	return granted.Decision, err
}

// grant is a decision and when it was asked for.
type grant struct {
	Decision
	sentAt time.Time
}

// sender sends a call once or more often.
type sender func(context.Context, call) (answer, error)

func (c *Client) authorize(ctx context.Context, request Request, send sender) (grant, error) {
	if err := c.ready(); err != nil {
		return grant{}, err
	}
	return ask(ctx, send, question{recorded: request.RunID != ""}, call{
		op: "authorize", method: http.MethodPost, path: "/v1/job-authorizations",
		body: request.encode(), answers: http.StatusOK, secrets: request.secrets(),
	})
}

// renewRun asks whether a run may go on, with a lease of so many seconds from now.
func renewRun(ctx context.Context, send sender, ref string, leaseSeconds int64) (grant, error) {
	return ask(ctx, send, question{renewal: true}, call{
		op: "renew run", method: http.MethodPost, path: runPath(ref) + "/renewal",
		body:    []byte(`{"leaseSeconds":` + strconv.FormatInt(leaseSeconds, 10) + `}`),
		answers: http.StatusOK,
	})
}

// ask sends a call whose answer is a decision.
func ask(ctx context.Context, send sender, q question, call call) (grant, error) {
	got, err := send(ctx, call)
	if err != nil {
		return grant{}, err
	}
	decision, err := q.decode(got.body)
	if err != nil {
		return grant{}, &Error{
			Op: call.op, Code: CodeUnexpectedAnswer, Status: call.answers, Detail: shown(err.Error(), call.secrets),
		}
	}
	return grant{Decision: decision, sentAt: got.sentAt}, nil
}

// endRun tells the service that a run is over. One that it does not know is over.
func endRun(ctx context.Context, send sender, ref string) error {
	_, err := send(ctx, call{op: "end run", method: http.MethodDelete, path: runPath(ref), answers: http.StatusNoContent})
	if isRunNotFound(err) {
		return nil
	}
	return err
}

func runPath(ref string) string { return "/v1/job-runs/" + url.PathEscape(ref) }

// isRunNotFound tells the service's 404 from one of a proxy's.
func isRunNotFound(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	return ok && failure.Status == http.StatusNotFound && failure.Code == CodeRunNotFound
}
