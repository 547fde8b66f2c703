package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"syscall"
)

const (
	keysPath      = "/v1/user-api-keys"
	rotationPath  = "/v1/user-api-keys/rotation"
	schedulesPath = "/v1/schedules"
	jobsPath      = "/v1/job-authorizations"

	maxAnswerBytes = 1 << 20
)

// service is the API of a deployment.
type service struct {
	client      *http.Client
	url         string
	runnerToken string
}

// answer is what came back; the fields of all bodies together.
type answer struct {
	status     int
	retryAfter bool
	isJSON     bool

	Code        string
	Allowed     bool
	Reason      string
	Key         struct{ ID string }
	Active      *struct{ ID string }
	Deleted     []struct{ ID string }
	Credential  string
	ScheduleRef string
	Revision    int64
	Owner       struct{ AccountID, IAMID string }
}

// outcome is the answer in a word or two, by which answers are counted.
func (a answer) outcome() string {
	what := a.Code
	if a.status == http.StatusOK {
		what = a.Reason
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, shown(what)))
}

// shown is a text of the other side as it may be printed.
func shown(text string) string {
	const most = 60
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, text)
	return text[:min(len(text), most)]
}

func (s *service) view(ctx context.Context, o *owner) (answer, error) {
	return s.send(ctx, http.MethodGet, keysPath, o.token, "", nil)
}

func (s *service) create(ctx context.Context, o *owner, idempotencyKey string) (answer, error) {
	return s.send(ctx, http.MethodPost, keysPath, o.token, idempotencyKey, nil)
}

func (s *service) rotate(ctx context.Context, o *owner, idempotencyKey string) (answer, error) {
	return s.send(ctx, http.MethodPost, rotationPath, o.token, idempotencyKey, nil)
}

func (s *service) deleteOne(ctx context.Context, o *owner, keyID string) (answer, error) {
	return s.send(ctx, http.MethodDelete, keysPath+"/"+keyID, o.token, "", nil)
}

func (s *service) deleteAll(ctx context.Context, o *owner) (answer, error) {
	return s.send(ctx, http.MethodDelete, keysPath, o.token, "", nil)
}

// bind has a schedule follow the owner's Active key.
func (s *service) bind(ctx context.Context, o *owner, id string) (answer, error) {
	return s.send(ctx, http.MethodPut, schedulesPath+"/"+id, o.token, "", map[string]any{"binding": "follow_active"})
}

func (s *service) unbind(ctx context.Context, o *owner, id string) (answer, error) {
	return s.send(ctx, http.MethodDelete, schedulesPath+"/"+id, o.token, "", nil)
}

// decide asks whether a job may run, with what names its key.
func (s *service) decide(ctx context.Context, by map[string]any) (answer, error) {
	body := map[string]any{"jobId": "load", "jobType": "model_training", "trigger": "scheduled"}
	maps.Copy(body, by)
	return s.send(ctx, http.MethodPost, jobsPath, s.runnerToken, "", body)
}

// send answers an error when there was no answer.
func (s *service) send(ctx context.Context, method, path, token, idempotencyKey string, body map[string]any) (answer, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, content)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if idempotencyKey != "" {
		request.Header.Set("Idempotency-Key", idempotencyKey)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	// To its end, or the connection could not be used again.
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, retryAfter: response.Header.Get("Retry-After") != ""}
	a.isJSON = json.Unmarshal(text, &a) == nil
	return a, nil
}

// whyNoAnswer is the reason in a few words, by which they are counted.
func whyNoAnswer(err error) string {
	timeout, isNetwork := errors.AsType[net.Error](err)
	switch {
	case isNetwork && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer: timed out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no answer: connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "no answer: connection lost"
	default:
		return "no answer: not sent"
	}
}
