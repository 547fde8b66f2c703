// Package awstest stands between the AWS SDK's clients and whatever answers
// them in tests: it counts calls and lets a test decide what becomes of each.
package awstest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/userapikey/service/shared/awsclient"
)

// Call is one request to AWS.
type Call struct {
	// Operation is the API's name for it, such as GetItem.
	Operation string
	Body      []byte
	// Context ends when the caller gives the call up.
	Context context.Context
}

// Transport is the HTTP layer beneath an SDK client.
type Transport struct {
	next http.RoundTripper

	mu    sync.Mutex
	calls []string
	fault Fault
}

// NewTransport passes calls on to next.
func NewTransport(next http.RoundTripper) *Transport { return &Transport{next: next} }

// Config is the configuration that functions run with, on this transport.
func (t *Transport) Config() aws.Config { return awsclient.ConfigOn(t, Getenv, "") }

// Getenv is the environment of a function whose AWS is in memory.
func Getenv(name string) string {
	switch name {
	case "AWS_REGION":
		return "us-east-1"
	case "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY":
		return "test"
	case "AWS_ENDPOINT_URL":
		return "http://aws.test"
	}
	return ""
}

// SetFault decides what becomes of the calls from now on; nil lets them pass.
func (t *Transport) SetFault(fault Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = fault
}

// TakeCalls returns the operations called since it was asked last, in order.
func (t *Transport) TakeCalls() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := t.calls
	t.calls = nil
	return calls
}

// Count tells how many of the calls are of the operation.
func Count(calls []string, operation string) (count int) {
	for _, call := range calls {
		if call == operation {
			count++
		}
	}
	return count
}

// RoundTrip carries one request out.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	t.mu.Lock()
	t.calls = append(t.calls, operation)
	call := Call{Operation: operation, Body: body, Context: r.Context()}
	fault := t.fault
	t.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	next := func() (*http.Response, error) {
		if r.Context().Err() != nil {
			// Given up by its caller, and still on its way.
			r = r.WithContext(context.WithoutCancel(r.Context()))
		}
		return t.next.RoundTrip(r)
	}
	if fault == nil {
		return next()
	}
	return fault(call, next)
}

// Answer is an answer in AWS's JSON protocols.
func Answer(status int, body any) *http.Response {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:       io.NopCloser(bytes.NewReader(encoded)),
	}
}
