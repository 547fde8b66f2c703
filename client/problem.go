package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// mostShown bounds what an error repeats of an answer, in characters.
const mostShown = 300

// credentialsIn finds the service's credentials in a text, also those that were
// cut off.
var credentialsIn = regexp.MustCompile(`cpdk_[0-9A-Za-z_]+`)

// problemOf is the error of an answer that is no success: what the problem
// details say (RFC 9457), or that there are none.
func problemOf(call call, response *http.Response, body []byte) *Error {
	e := call.unexpected(response, "the answer is not the service's")
	if response.StatusCode/100 == 3 {
		e.Detail = "the answer is a redirect, which is not followed"
	}
	e.RetryAfter, e.tellsWhen = retryAfter(response.Header, time.Now())
	var problem struct {
		Code, Detail, Field, RequestID string
	}
	isProblem := mediaType(response) == "application/problem+json" && response.StatusCode >= 400
	if !isProblem || json.Unmarshal(body, &problem) != nil || problem.Code == "" {
		return e
	}
	e.Code = Code(shown(problem.Code, call.secrets))
	e.Detail = shown(problem.Detail, call.secrets)
	e.Field = shown(problem.Field, call.secrets)
	if problem.RequestID != "" {
		e.RequestID = shown(problem.RequestID, call.secrets)
	}
	return e
}

// unexpected is an error about an answer whose content does not count.
func (call call) unexpected(response *http.Response, detail string) *Error {
	return &Error{
		Op:     call.op,
		Code:   CodeUnexpectedAnswer,
		Status: response.StatusCode,
		Detail: detail,
		// API Gateway's name for the request, when the function has not answered.
		RequestID: shown(response.Header.Get("X-Amzn-Requestid"), call.secrets),
	}
}

// failed is an error of the network's or of the token source.
func (call call) failed(code Code, cause error) *Error {
	text := cause.Error()
	detail := shown(text, call.secrets)
	if hidden(text, call.secrets) != text {
		// An answer that cannot be read is repeated by the network's error, and
		// whoever unwraps it must not find there what is hidden here.
		cause = errors.New(detail)
	}
	return &Error{Op: call.op, Code: code, Detail: detail, cause: cause}
}

// shown is a text of somebody else's as an error may repeat it: on one line, not
// a page of it, and without secrets.
func shown(text string, secrets []string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, hidden(text, secrets))
	if runes := []rune(text); len(runes) > mostShown {
		text = string(runes[:mostShown]) + "…"
	}
	return text
}

// hidden is a text without secrets.
func hidden(text string, secrets []string) string {
	for _, secret := range secrets {
		// A shorter one is no secret, and replacing it would garble the text.
		if len(secret) >= 8 {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	return credentialsIn.ReplaceAllString(text, redacted)
}
