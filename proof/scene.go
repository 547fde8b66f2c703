package proof

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/userapikey/service/functions/functest"
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

	// issued are the answers that showed a credential, oldest first.
	issued []servicetest.Answer

	mu sync.Mutex
	// minted are the credentials that were sent to Secrets Manager, or were to be.
	minted []string
	// processes are those that have ended.
	processes []*servicetest.Process
}

func newScene(t testing.TB, backend servicetest.Backend) *scene {
	return &scene{t: t, ctx: t.Context(), backend: backend, process: backend.Start(), owner: storetest.NewOwner(t)}
}

func (s *scene) send(method, resource, idempotencyKey string) servicetest.Answer {
	r := functest.Request{Method: method, Resource: resource, Token: servicetest.Token(s.owner, apikey.RoleAdministrator)}
	if idempotencyKey != "" {
		r = r.With("Idempotency-Key", idempotencyKey)
	}
	return s.process.Send(s.ctx, r)
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
	return s.process.Send(s.ctx, functest.Request{
		Method: "DELETE", Resource: "/v1/user-api-keys/{keyId}", KeyID: keyID, Token: servicetest.Token(s.owner, apikey.RoleAdministrator),
	})
}

// decide asks, as a job runner over HTTP, whether a job with the credential may run.
func (s *scene) decide(credential string) servicetest.Answer {
	return s.process.Send(s.ctx, functest.Request{
		Method: "POST", Resource: "/v1/job-authorizations", Token: servicetest.Token(s.owner, apikey.RoleJobRunner),
		Body: `{"jobId":"job-1","jobType":"model_training","trigger":"ad_hoc","credential":"` + credential + `"}`,
	})
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
