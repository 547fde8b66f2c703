package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// The service's bounds of a batch, and of one request.
const (
	mostBatchRequests = 100
	mostBatchBytes    = 256 << 10
	mostRequestBytes  = 16 << 10
)

// AuthorizeBatch asks about many jobs, and answers a decision for each in the
// same order. It sends as many batches as it takes, one after the other.
//
// A request of a wrong form is refused with the reason [InvalidRequest], one
// that could not be decided with [Unavailable]; both are no errors. When a batch
// fails as a whole, the error tells why (as Authorize's does), and its requests
// and those after it are Unavailable: the decisions are as many as the requests,
// always, and what is allowed in them is allowed.
//
// With a RunID, an allowed job is recorded as a run. StartRun with the same
// request takes it over.
func (c *Client) AuthorizeBatch(ctx context.Context, requests []Request) ([]Decision, error) {
	decisions := make([]Decision, len(requests))
	for i := range decisions {
		decisions[i].Reason = Unavailable
	}
	if err := c.ready(); err != nil {
		return decisions, err
	}
	for _, batch := range batchesOf(requests, decisions) {
		decided, err := c.decideBatch(ctx, batch)
		if err != nil {
			return decisions, err
		}
		for i, at := range batch.places {
			decisions[at] = decided[i]
		}
	}
	return decisions, nil
}

// batch is what is sent at once.
type batch struct {
	requests []Request
	encoded  [][]byte
	// places are where the requests' decisions belong.
	places []int
	bytes  int
}

// batchesOf divides the requests by the service's bounds. One that is too long
// for the service is decided here, so that it cannot fail the others.
func batchesOf(requests []Request, decisions []Decision) []batch {
	var batches []batch
	for place, request := range requests {
		encoded := request.encode()
		if len(encoded) > mostRequestBytes {
			decisions[place] = Decision{Reason: InvalidRequest, Detail: "the request has more than 16384 bytes"}
			continue
		}
		// A comma after each, and what is around them.
		size := len(encoded) + 1
		last := len(batches) - 1
		if last < 0 || len(batches[last].requests) == mostBatchRequests || batches[last].bytes+size > mostBatchBytes {
			batches = append(batches, batch{bytes: len(`{"requests":[]}`)})
			last++
		}
		b := &batches[last]
		b.requests = append(b.requests, request)
		b.encoded = append(b.encoded, encoded)
		b.places = append(b.places, place)
		b.bytes += size
	}
	return batches
}

func (b batch) call() call {
	body := append([]byte(`{"requests":[`), bytes.Join(b.encoded, []byte(","))...)
	call := call{
		op: "authorize batch", method: http.MethodPost, path: "/v1/job-authorizations/batch",
		body: append(body, "]}"...), answers: http.StatusOK,
	}
	for _, request := range b.requests {
		call.secrets = append(call.secrets, request.secrets()...)
	}
	return call
}

func (c *Client) decideBatch(ctx context.Context, b batch) ([]Decision, error) {
	call := b.call()
	got, err := c.insist(ctx, call)
	if err != nil {
		return nil, err
	}
	decisions, err := b.decode(got.body)
	if err != nil {
		return nil, &Error{
			Op: call.op, Code: CodeUnexpectedAnswer, Status: call.answers, Detail: shown(err.Error(), call.secrets),
		}
	}
	return decisions, nil
}

// decode reads the decisions. If one makes no sense, none counts: they may be
// about other requests.
func (b batch) decode(text []byte) ([]Decision, error) {
	fields, err := fieldsOf(text)
	if err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(fields["decisions"], &items); err != nil {
		return nil, errors.New("the answer has no decisions")
	}
	if len(items) != len(b.requests) {
		return nil, errors.New("the answer has not one decision for each request")
	}
	decisions := make([]Decision, len(items))
	for i, item := range items {
		q := question{recorded: b.requests[i].RunID != "", ofBatch: true}
		if decisions[i], err = q.decode(item); err != nil {
			return nil, err
		}
	}
	return decisions, nil
}
