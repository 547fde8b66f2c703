// Package servicetest is the whole service in one process: every function on
// the SDK's own clients, over engines in memory or a deployed table, with a
// place for faults in between. Tests that are about more than one function use
// it, and those that must see what happens when a process dies.
package servicetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/create"
	"github.com/userapikey/service/functions/delete"
	"github.com/userapikey/service/functions/rotate"
	"github.com/userapikey/service/functions/schedules"
	"github.com/userapikey/service/functions/view"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/notices/noticestest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/telemetry"
	"github.com/userapikey/service/shared/vault"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

// FunctionTimeout is the time that template.yaml gives each function.
const FunctionTimeout = 15 * time.Second

// Backend is what the service keeps its state in. It outlives the processes
// that are started on it.
type Backend struct {
	// Table and Secrets answer the calls of DynamoDB and Secrets Manager, Bus and
	// DeadLetters those of EventBridge and SQS.
	Table, Secrets, Bus, DeadLetters http.RoundTripper
	// Getenv tells where they are and whose credentials to use.
	Getenv                  func(string) string
	TableName, SecretPrefix string
	// Deployment is the policy of owners who have none of their own.
	Deployment apikey.RotationPolicy
}

// InMemory is a backend of engines in memory, without any keys.
func InMemory() Backend {
	return Backend{
		Table: storetest.NewEngine(), Secrets: vaulttest.NewEngine(), Getenv: awstest.Getenv,
		Bus: noticestest.NewBus(), DeadLetters: noticestest.NewQueue(),
		TableName: storetest.Table, SecretPrefix: "user-api-key/test",
	}
}

// Process is one running copy of every function, and what would be lost with it.
type Process struct {
	// Table, Secrets, Bus and DeadLetters are where calls can be counted and failed.
	Table, Secrets, Bus, DeadLetters *awstest.Transport
	// Keys is what the functions change keys with.
	Keys *lifecycle.Service

	// functions are the functions by the route that each answers.
	functions map[string]any
	relay     any
	sweep     any
	gateway   http.Handler
	mu        sync.Mutex
	answers   []Answer
	logged    bytes.Buffer
}

// Start starts every function, with debug logs.
func (b Backend) Start() *Process {
	p := &Process{
		Table: awstest.NewTransport(b.Table), Secrets: awstest.NewTransport(b.Secrets),
		Bus: awstest.NewTransport(b.Bus), DeadLetters: awstest.NewTransport(b.DeadLetters),
	}
	log := telemetry.NewLogger(logWriter{p}, slog.LevelDebug, "test")
	p.Keys = &lifecycle.Service{
		Rings:  store.New(dynamodb.NewFromConfig(awsclient.ConfigOn(p.Table, b.Getenv, "dynamodb")), b.TableName, time.Now, rand.Reader),
		Vault:  b.vault(p.Secrets, time.Now),
		Now:    time.Now,
		Random: rand.Reader,
		Log:    log,
	}
	viewKeys := view.New(callers{}, p.Keys.Rings, b.Deployment, time.Now, log).Handle
	createKey := create.New(callers{}, p.Keys, log).Handle
	rotateKey := rotate.New(callers{}, p.Keys, b.Deployment, log).Handle
	deleteKeys := delete.New(callers{}, p.Keys, b.Deployment, log).Handle
	authorizeJob := authorizer.New(callers{}, p.Keys.Rings, time.Now, log)
	bindSchedules := schedules.New(callers{}, p.Keys.Rings, time.Now, log).Handle
	p.functions = map[string]any{
		"GET /v1/user-api-keys":                                viewKeys,
		"GET /v1/account/user-api-keys":                        viewKeys,
		"GET /v1/account/user-api-keys/{iamId}/history":        viewKeys,
		"DELETE /v1/account/user-api-keys/{iamId}":             deleteKeys,
		"POST /v1/account/user-api-keys/{iamId}/reinstatement": deleteKeys,
		"GET /v1/rotation-policy":                              rotateKey,
		"PUT /v1/rotation-policy":                              rotateKey,
		"GET /v1/user-api-keys/{keyId}/impact":                 viewKeys,
		"GET /v1/user-api-keys/history":                        viewKeys,
		"POST /v1/user-api-keys":                               createKey,
		"POST /v1/user-api-keys/rotation":                      rotateKey,
		"DELETE /v1/user-api-keys":                             deleteKeys,
		"DELETE /v1/user-api-keys/{keyId}":                     deleteKeys,
		"GET /v1/schedules":                                    bindSchedules,
		"GET /v1/schedules/{scheduleId}":                       bindSchedules,
		"PUT /v1/schedules/{scheduleId}":                       bindSchedules,
		"DELETE /v1/schedules/{scheduleId}":                    bindSchedules,
		"POST /v1/schedule-rebindings":                         bindSchedules,
		"POST /v1/job-authorizations":                          authorizeJob,
		"POST /v1/job-authorizations/batch":                    authorizeJob,
		"POST /v1/job-runs/{runRef}/renewal":                   authorizeJob,
		"DELETE /v1/job-runs/{runRef}":                         authorizeJob,
		directInvocation:                                       authorizeJob,
	}
	p.startClock(b, log)
	p.gateway = p.Gateway()
	return p
}

// directInvocation is the authorizer's name for those who invoke it directly.
const directInvocation = "authorizer"

func (b Backend) vault(transport http.RoundTripper, now func() time.Time) *vault.Vault {
	return vault.New(secretsmanager.NewFromConfig(awsclient.ConfigOn(transport, b.Getenv, "secretsmanager")), b.SecretPrefix, now)
}

// Repair is the repair of a day later, when what is under way now is abandoned.
func (b Backend) Repair(ctx context.Context, owner apikey.Owner) error {
	tomorrow := func() time.Time { return time.Now().Add(24 * time.Hour) }
	vault, ring := b.vault(b.Secrets, tomorrow), b.Start().Keys.Rings.Reader(owner)
	err := vault.Repair(ctx, ring)
	for n := 0; errors.Is(err, context.DeadlineExceeded) && n < repeats; n++ {
		err = vault.Repair(ctx, ring)
	}
	return err
}

// repeats is how often a repair is made again that found an emulator too busy.
const repeats = 3

// Request is a request to the API.
type Request struct {
	Method, Path, Token, Body string
	IdempotencyKey            string
	// ID is the gateway's id of the request; "" is a new one.
	ID string
}

// Send has the function that serves the request answer it, as API Gateway and
// Lambda would.
func (p *Process) Send(ctx context.Context, r Request) Answer {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.Path, strings.NewReader(r.Body))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.Token)
	for name, value := range map[string]string{"Idempotency-Key": r.IdempotencyKey, requestIDHeader: r.ID} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if r.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response := httptest.NewRecorder()
	p.gateway.ServeHTTP(response, request)
	a := answerOf(response.Code, response.Body.String())
	a.ETag = response.Header().Get("ETag")
	a.RetryAfter = response.Header().Get("Retry-After")
	return p.keep(a)
}

// Invoke asks the authorizer directly. A refusal of the question has the status
// that it would have over HTTP.
func (p *Process) Invoke(ctx context.Context, question map[string]any) Answer {
	out, err := p.invoke(ctx, p.functions[directInvocation], question)
	refusal, refused := errors.AsType[messages.InvokeResponse_Error](err)
	switch {
	case refused && refusal.Type == string(apikey.CodeUnavailable):
		return p.keep(Answer{Status: http.StatusServiceUnavailable, Text: refusal.Message, RetryAfter: "invoker's own"})
	case refused && refusal.Type == string(apikey.CodeInternal):
		return p.keep(Answer{Status: http.StatusInternalServerError, Text: refusal.Message})
	case err != nil:
		return p.keep(Answer{Status: http.StatusBadGateway, Text: err.Error()})
	}
	return p.keep(answerOf(http.StatusOK, string(out)))
}

func (p *Process) keep(a Answer) Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(p.answers, a)
	return a
}

// Told is what the process told anybody: its log, its errors and its answers,
// but for those that are to show a credential.
func (p *Process) Told() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	texts := []string{p.logged.String()}
	for _, a := range p.answers {
		if a.Credential == "" {
			texts = append(texts, a.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// invoke invokes a function as Lambda does: with a time limit, and one event at a
// time, which is why Lambda's library may answer from memory that it uses again.
func (p *Process) invoke(ctx context.Context, function, event any) ([]byte, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	return invokeFor(ctx, FunctionTimeout, function, payload)
}

func invokeFor(ctx context.Context, timeout time.Duration, function any, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := lambda.NewHandler(function).Invoke(ctx, payload)
	if err == nil && ctx.Err() == context.DeadlineExceeded {
		err = errors.New("Task timed out after " + timeout.String())
	}
	return out, err
}

type logWriter struct{ p *Process }

func (l logWriter) Write(line []byte) (int, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	return l.p.logged.Write(line)
}
