package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"
)

const (
	// mostAnswerBytes is far above the decisions of a whole batch.
	mostAnswerBytes = 1 << 20
	// answerPeriod is how long one request may take: above what API Gateway waits
	// for a function (29 s).
	answerPeriod = 35 * time.Second
)

// call is a request to the service.
type call struct {
	op, method, path string
	// body is JSON; none when nil.
	body []byte
	// answers is the one status that is a success.
	answers int
	// secrets are the credentials in the body and the tokens, which no error may
	// repeat.
	secrets []string
}

// answer is a success.
type answer struct {
	body []byte
	// sentAt is when the request was sent, before the service can have seen it.
	sentAt time.Time
}

// exchange sends the request once, and once more when the service refuses the
// token and the source has another. Every error is an *Error.
func (c *Client) exchange(ctx context.Context, call call) (answer, error) {
	token, err := c.token(ctx, "")
	if err != nil {
		return answer{}, call.failed(CodeNoToken, err)
	}
	call = call.hiding(token)
	got, err := c.send(ctx, call, token)
	if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Status != http.StatusUnauthorized {
		return got, err
	}
	fresh, tokenErr := c.token(ctx, token)
	if tokenErr != nil {
		return answer{}, call.failed(CodeNoToken, tokenErr)
	}
	if fresh == token {
		return got, err
	}
	return c.send(ctx, call.hiding(fresh), fresh)
}

// hiding is the call with one more text that no error may repeat.
func (call call) hiding(secret string) call {
	call.secrets = append(slices.Clip(call.secrets), secret)
	return call
}

func (c *Client) send(ctx context.Context, call call, token string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, call.method, c.baseURL+call.path, bytes.NewReader(call.body))
	if err != nil {
		return answer{}, call.failed(CodeUnreachable, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json, application/problem+json")
	request.Header.Set("User-Agent", c.userAgent)
	if call.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	sentAt := time.Now()
	// Not by way of an http.Client: a RoundTripper follows no redirect, so the
	// token goes nowhere else, and it keeps no cookies.
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return answer{}, call.failed(CodeUnreachable, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostAnswerBytes+1))
	switch {
	case response.StatusCode != call.answers:
		return answer{}, problemOf(call, response, body)
	case err != nil:
		return answer{}, call.failed(CodeUnreachable, err)
	case len(body) > mostAnswerBytes:
		return answer{}, call.unexpected(response, "the answer is too long")
	case call.answers == http.StatusOK && mediaType(response) != "application/json":
		return answer{}, call.unexpected(response, "the answer is not JSON, by its content type")
	}
	return answer{body: body, sentAt: sentAt}, nil
}

// mediaType is the answer's content type without parameters; "" when there is
// none that can be read.
func mediaType(response *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return mediaType
}
