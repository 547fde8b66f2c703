package client

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Code is what went wrong, for programs. Most codes are the service's, which its
// documentation of problems explains; below are those that a job runner meets.
type Code string

// The service's codes.
const (
	CodeInvalidRequest  Code = "invalid_request"
	CodeUnauthenticated Code = "unauthenticated"
	CodeRoleRequired    Code = "role_required"
	CodeRunNotFound     Code = "run_not_found"
	CodePayloadTooLarge Code = "payload_too_large"
	CodeTooManyRequests Code = "too_many_requests"
	CodeUnavailable     Code = "unavailable"
	CodeInternal        Code = "internal"
)

// The client's own codes.
const (
	// CodeUnreachable: no answer came, or it broke off.
	CodeUnreachable Code = "unreachable"
	// CodeUnexpectedAnswer: what answered is not the service as this client knows
	// it, such as a proxy's page, a redirect or a decision that contradicts itself.
	CodeUnexpectedAnswer Code = "unexpected_answer"
	// CodeNoToken: the token source failed, and nothing was sent.
	CodeNoToken Code = "no_token"
)

// Error says why there is no decision. Nothing in it is a credential or a token.
type Error struct {
	// Op is what was asked for: "authorize", "authorize batch", "renew run" or
	// "end run".
	Op   string
	Code Code
	// Status is the HTTP status; 0 when there was no whole answer.
	Status int
	// Detail is for people.
	Detail string
	// Field is the part of the request that is wrong, with invalid_request.
	Field string
	// RequestID is the request as the service's logs name it; it may be empty.
	RequestID string
	// RetryAfter is how long the service asks to wait; 0 when it does not say.
	RetryAfter time.Duration

	// tellsWhen: there was a Retry-After, if only of 0 seconds.
	tellsWhen bool
	cause     error
}

// Error tells the operation, the status, the code, the detail and the request.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("user API key service: " + e.Op + ": ")
	if e.Status != 0 {
		text.WriteString(strconv.Itoa(e.Status) + " ")
	}
	text.WriteString(string(e.Code))
	if e.Detail != "" {
		text.WriteString(": " + e.Detail)
	}
	if e.RequestID != "" {
		text.WriteString(" (request " + e.RequestID + ")")
	}
	return text.String()
}

// Unwrap is the error of the network, the context or the token source, if any.
func (e *Error) Unwrap() error { return e.cause }

// mayPass tells whether the same request may get an answer a little later.
func (e *Error) mayPass() bool {
	switch e.Status {
	case 0:
		return e.Code == CodeUnreachable
	case 429:
		return e.tellsWhen
	default:
		return e.Status >= 500
	}
}

// RefusedError is the service's no: the job must not run, or not run on.
type RefusedError struct {
	// Decision is the answer; its Reason tells why.
	Decision Decision
}

// Error tells the reason.
func (e *RefusedError) Error() string {
	return "user API key service: the job must not run: " + string(e.Decision.Reason)
}

// LeaseLostError ends a run whose lease has run out because no renewal was
// answered. Whether the key is still there is not known.
type LeaseLostError struct {
	// Err is why the last renewal was not answered.
	Err error
}

// Error tells that the lease is lost, and why.
func (e *LeaseLostError) Error() string {
	return "user API key service: the run's lease has run out and could not be renewed: " + e.Err.Error()
}

// Unwrap is why the last renewal was not answered.
func (e *LeaseLostError) Unwrap() error { return e.Err }

// ErrRunClosed is the cause with which [Run.Close] ends a run's context.
var ErrRunClosed = errors.New("user API key service: the run was closed")
