package proof

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
)

// scene is an owner whom nobody else knows, and the service as they see it.
type scene struct {
	t       testing.TB
	ctx     context.Context
	backend servicetest.Backend
	process *servicetest.Process
	owner   apikey.Owner
	// administrator is another user, who administers the owner's account.
	administrator apikey.Owner

	// issued are the answers that showed a credential, oldest first.
	issued []servicetest.Answer
	// ref is the reference of the schedule, or the run, that the state before has.
	ref string

	mu sync.Mutex
	// minted are the credentials that were sent to Secrets Manager, or were to be.
	minted []string
	// processes are those that have ended.
	processes []*servicetest.Process
}

func newScene(t testing.TB, backend servicetest.Backend) *scene {
	return &scene{t: t, ctx: t.Context(), backend: backend, process: backend.Start(), owner: storetest.NewOwner(t), administrator: storetest.NewOwner(t)}
}

func (s *scene) send(method, path, idempotencyKey string) servicetest.Answer {
	return s.process.Send(s.ctx, servicetest.Request{Method: method, Path: path, Token: s.user(), IdempotencyKey: idempotencyKey})
}

func (s *scene) user() string { return servicetest.Token(s.owner, apikey.RoleAdministrator) }

// administer is send by the administrator.
func (s *scene) administer(method, path string) servicetest.Answer {
	return s.process.Send(s.ctx, servicetest.Request{Method: method, Path: path, Token: s.administratorsToken()})
}

func (s *scene) administratorsToken() string {
	return servicetest.Token(s.administrator, apikey.RoleAdministrator)
}

func (s *scene) view() servicetest.Answer { return s.send("GET", "/v1/user-api-keys", "") }

func (s *scene) create(idempotencyKey string) servicetest.Answer {
	return s.send("POST", "/v1/user-api-keys", idempotencyKey)
}

func (s *scene) rotate(idempotencyKey string) servicetest.Answer {
	return s.send("POST", "/v1/user-api-keys/rotation", idempotencyKey)
}

func (s *scene) deleteAll() servicetest.Answer { return s.send("DELETE", "/v1/user-api-keys", "") }

func (s *scene) deleteOne(keyID string) servicetest.Answer {
	return s.send("DELETE", "/v1/user-api-keys/"+keyID, "")
}

// bind binds a schedule; what is its binding, as JSON.
func (s *scene) bind(id, what string) servicetest.Answer {
	return s.process.Send(s.ctx, servicetest.Request{Method: "PUT", Path: "/v1/schedules/" + id, Token: s.user(), Body: what})
}

func (s *scene) rebind(fromKeyID string) servicetest.Answer {
	return s.process.Send(s.ctx, servicetest.Request{
		Method: "POST", Path: "/v1/schedule-rebindings", Token: s.user(), Body: `{"fromKeyId":"` + fromKeyID + `"}`,
	})
}

// runner sends a request of a job runner's.
func (s *scene) runner(method, path, body string) servicetest.Answer {
	return s.process.Send(s.ctx, servicetest.Request{
		Method: method, Path: path, Token: servicetest.Token(s.owner, apikey.RoleJobRunner), Body: body,
	})
}

// job is a request for authorization with what names its key, as JSON members.
func job(naming string) string {
	return `{"jobId":"job-1","jobType":"model_training","trigger":"ad_hoc",` + naming + `}`
}

// decide asks, over HTTP, whether a job with the credential may run.
func (s *scene) decide(credential string) servicetest.Answer {
	return s.runner("POST", "/v1/job-authorizations", job(`"credential":"`+credential+`"`))
}

// decideByOwner asks by a direct invocation whether a job of the owner's may run.
func (s *scene) decideByOwner() servicetest.Answer {
	return s.process.Invoke(s.ctx, map[string]any{
		"jobId": "job-1", "jobType": "pipeline", "trigger": "scheduled",
		"owner": map[string]string{"accountId": s.owner.AccountID, "iamId": s.owner.IAMID},
	})
}

// hasKey and hasRotated bring the owner's keys to a state.
func (s *scene) hasKey() { s.issue(s.create("")) }

func (s *scene) hasRotated() {
	s.hasKey()
	s.issue(s.rotate(""))
}

func (s *scene) issue(answer servicetest.Answer) {
	s.t.Helper()
	if answer.Status != http.StatusCreated {
		s.t.Fatalf("the state before: %d %s", answer.Status, answer.Text)
	}
	s.issued = append(s.issued, answer)
}

// noting takes note of the credentials in the calls of Secrets Manager.
func (s *scene) noting(fault awstest.Fault) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		var put struct{ SecretString string }
		if json.Unmarshal(call.Body, &put) == nil && put.SecretString != "" {
			s.mu.Lock()
			s.minted = append(s.minted, put.SecretString)
			s.mu.Unlock()
		}
		return fault(call, next)
	}
}

// restart replaces the process by another one.
func (s *scene) restart() {
	s.processes = append(s.processes, s.process)
	s.process = s.backend.Start()
}
