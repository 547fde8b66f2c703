package authorizer_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

var authorize = functest.Request{Method: http.MethodPost, Resource: "/v1/job-authorizations", Token: "JOB_RUNNER_TOKEN"}

// question is a bare request.
type question map[string]any

// with is the question with one more field, or another value of it.
func (q question) with(field string, value any) question {
	q = maps.Clone(q)
	q[field] = value
	return q
}

func byCredential(credential string) question {
	return question{"jobId": "job-1", "jobType": "model_training", "trigger": "ad_hoc", "credential": credential}
}

func byOwner(owner apikey.Owner) question {
	return question{
		"jobId": "job-1", "jobType": "pipeline", "trigger": "scheduled",
		"owner": map[string]string{"accountId": owner.AccountID, "iamId": owner.IAMID},
	}
}

func bySchedule(ref apikey.ScheduleRef) question {
	return question{"jobId": "job-1", "jobType": "datastage_flow", "trigger": "scheduled", "scheduleRef": ref.String()}
}

// decision is an answer; what it leaves out stays empty.
type decision struct {
	Allowed bool
	Reason  jobauth.Reason
	Detail  string
	Key     struct{ ID, Name string }
	Owner   apikey.Owner
	Secret  struct{ ARN, VersionID string }
	Run     struct {
		Ref            string
		LeaseExpiresAt time.Time
	}
}

// world is a world with the function in it.
type world struct {
	*functest.World
	t        testing.TB
	function any
}

// newWorld is one where Jane has an Active and a Phased out key.
func newWorld(t testing.TB) world {
	w := world{World: functest.New(t), t: t}
	w.function = authorizer.New(w.World, w.Keys.Rings, w.Now, w.Log)
	w.JaneHasRotated()
	w.Calm()
	return w
}

// ask asks over HTTP as whoever has the token.
func (w world) ask(token string, q question) functest.Answer {
	w.t.Helper()
	request := authorize.As(token)
	request.Body = w.encode(q)
	return w.Send(w.function, request)
}

func (w world) asked(token string, q question) decision {
	w.t.Helper()
	var got decision
	w.ask(token, q).Must(http.StatusOK).Decode(&got)
	return got
}

// invoke asks by a direct invocation with the bare request.
func (w world) invoke(q question) ([]byte, error) {
	w.t.Helper()
	return w.Invoke(w.function, []byte(w.encode(q)))
}

func (w world) invoked(q question) decision {
	w.t.Helper()
	var got decision
	w.decode(&got)(w.invoke(q))
	return got
}

// refusedInvocation checks that an invocation fails as a direct invoker sees
// it, the code as the error's type, and returns the message.
func (w world) refusedInvocation(code apikey.Code, answer []byte, err error) (message string) {
	w.t.Helper()
	var refusal messages.InvokeResponse_Error
	if !errors.As(err, &refusal) || refusal.Type != string(code) || refusal.Message == "" || len(answer) != 0 {
		w.t.Errorf("answered %s, %#v; want the error type %s", answer, err, code)
	}
	return refusal.Message
}

// batch asks about many jobs over HTTP as whoever has the token. A request may be
// anything.
func (w world) batch(token string, requests ...any) functest.Answer {
	w.t.Helper()
	return w.Send(w.function, functest.Request{
		Method: http.MethodPost, Resource: "/v1/job-authorizations/batch", Token: token, Body: w.encode(map[string]any{"requests": requests}),
	})
}

func (w world) decided(token string, requests ...any) []decision {
	w.t.Helper()
	var got struct{ Decisions []decision }
	w.batch(token, requests...).Must(http.StatusOK).Decode(&got)
	if len(got.Decisions) != len(requests) {
		w.t.Fatalf("%d decisions about %d requests", len(got.Decisions), len(requests))
	}
	return got.Decisions
}

// invokedBatch is decided by a direct invocation.
func (w world) invokedBatch(more question, requests ...any) []decision {
	w.t.Helper()
	var got struct{ Decisions []decision }
	w.decode(&got)(w.invoke(more.with("requests", requests)))
	if len(got.Decisions) != len(requests) {
		w.t.Fatalf("%d decisions about %d requests", len(got.Decisions), len(requests))
	}
	return got.Decisions
}

// decode reads the answer to an invocation, which must have one.
func (w world) decode(target any) func([]byte, error) {
	return func(answer []byte, err error) {
		w.t.Helper()
		if err == nil {
			err = json.Unmarshal(answer, target)
		}
		if err != nil {
			w.t.Fatalf("%s: %v", answer, err)
		}
	}
}

// sendRun sends a request about a run over HTTP: to renew it, or with DELETE to
// end it.
func (w world) sendRun(method, token, ref, body string) functest.Answer {
	w.t.Helper()
	resource := "/v1/job-runs/{runRef}"
	if method == http.MethodPost {
		resource += "/renewal"
	}
	event := functest.Request{Method: method, Resource: resource, Token: token, Body: body}.Event()
	event.Path = strings.ReplaceAll(resource, "{runRef}", ref)
	event.PathParameters = map[string]string{"runRef": ref}
	return w.Deliver(w.function, event)
}

func (w world) encode(q any) string {
	w.t.Helper()
	encoded, err := json.Marshal(q)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(encoded)
}
