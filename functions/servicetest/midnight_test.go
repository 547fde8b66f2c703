package servicetest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

const (
	jobsAtMidnight = 1000
	runners        = 24
	jobsOfABatch   = 20
)

var owner = apikey.Owner{AccountID: "account-1", IAMID: "IBMid-1", Username: "IBMid-1"}

// midnight is the hour at which all jobs of an owner are due. The functions run in
// processes of their own, as on Lambda.
type midnight struct {
	t *testing.T
	// home is where the owner changes keys, and instances are of the authorizer.
	home      *servicetest.Process
	instances []*servicetest.Process
	refs      []string
	// old and new are the keys that a rotation changes.
	old, new string
	// begun and answered tell how far the rotation is.
	begun, answered atomic.Bool
	decided         atomic.Int64
}

// isPinned tells whether a job's schedule is pinned; half of them are.
func isPinned(job int) bool { return job%2 == 1 }

// call sends a request of the owner's, which must be answered with a success.
func (m *midnight) call(method, path, body string) servicetest.Answer {
	m.t.Helper()
	answer := m.home.Send(m.t.Context(), servicetest.Request{
		Method: method, Path: path, Body: body, Token: servicetest.Token(owner, apikey.RoleAdministrator),
	})
	if answer.Status >= http.StatusMultipleChoices {
		m.t.Errorf("%s %s: %d %s", method, path, answer.Status, answer.Text)
	}
	return answer
}

func newMidnight(t *testing.T) *midnight {
	backend := servicetest.InMemory()
	m := &midnight{t: t, home: backend.Start()}
	for range 3 {
		m.instances = append(m.instances, backend.Start())
	}
	m.old = m.call(http.MethodPost, "/v1/user-api-keys", "").Key.ID
	for job := range jobsAtMidnight {
		body := `{"binding":"follow_active"}`
		if isPinned(job) {
			body = fmt.Sprintf(`{"binding":"pinned","keyId":%q}`, m.old)
		}
		m.refs = append(m.refs, m.call(http.MethodPut, fmt.Sprintf("/v1/schedules/schedule-%d", job), body).ScheduleRef)
	}
	return m
}

func (m *midnight) rotate() {
	m.begun.Store(true)
	m.new = m.call(http.MethodPost, "/v1/user-api-keys/rotation", "").Key.ID
	m.answered.Store(true)
}

func questionAbout(ref string, job int) map[string]any {
	return map[string]any{
		"jobId": fmt.Sprintf("job-%d", job), "runId": "midnight", "jobType": "datastage_flow", "trigger": "scheduled", "scheduleRef": ref,
	}
}

// ask asks about jobs in one of the ways.
func (m *midnight) ask(way int, instance *servicetest.Process, jobs []int) (decisions []servicetest.Answer) {
	var questions []any
	for _, job := range jobs {
		questions = append(questions, questionAbout(m.refs[job], job))
	}
	switch way {
	case 0: // one by one, over HTTP
		for _, q := range questions {
			decisions = append(decisions, m.sent(instance, "/v1/job-authorizations", q))
		}
	case 1: // one by one, directly
		for _, q := range questions {
			decisions = append(decisions, m.answered200(instance.Invoke(m.t.Context(), q.(map[string]any))))
		}
	case 2:
		decisions = m.sent(instance, "/v1/job-authorizations/batch", map[string]any{"requests": questions}).Decisions
	case 3:
		batch := map[string]any{"requests": questions, "callerAccountId": owner.AccountID}
		decisions = m.answered200(instance.Invoke(m.t.Context(), batch)).Decisions
	}
	if len(decisions) != len(jobs) {
		m.t.Errorf("%d decisions about %d jobs", len(decisions), len(jobs))
	}
	return decisions
}

// sent is the answer to a request of a job runner's.
func (m *midnight) sent(instance *servicetest.Process, path string, body any) servicetest.Answer {
	encoded, err := json.Marshal(body)
	if err != nil {
		m.t.Error(err)
	}
	runner := apikey.Owner{AccountID: owner.AccountID, IAMID: "runner"}
	return m.answered200(instance.Send(m.t.Context(), servicetest.Request{
		Method: http.MethodPost, Path: path, Token: servicetest.Token(runner, apikey.RoleJobRunner), Body: string(encoded),
	}))
}

func (m *midnight) answered200(answer servicetest.Answer) servicetest.Answer {
	if answer.Status != http.StatusOK {
		m.t.Errorf("answered %d %s", answer.Status, answer.Text)
	}
	return answer
}

// check checks a decision that began when the rotation had been answered or not.
func (m *midnight) check(job int, v servicetest.Answer, rotatedBefore bool) {
	m.decided.Add(1)
	// Asked again here: the rotation may have begun, or have been answered, since.
	begunSince, answeredSince := m.begun.Load(), m.answered.Load()
	isNew := v.Key.ID != m.old && (!answeredSince || v.Key.ID == m.new)
	var right bool
	switch {
	case v.Allowed && isPinned(job):
		right = v.Key.ID == m.old && !rotatedBefore
	case v.Allowed:
		right = v.Key.ID == m.old && !rotatedBefore || isNew && begunSince
	default:
		right = isPinned(job) && v.Reason == string(jobauth.ScheduleKeyPhasedOut) && v.Key.ID == m.old && begunSince
	}
	if !right || v.Allowed != (v.Run.Ref != "") {
		m.t.Errorf("job %d (pinned: %t), begun after the rotation: %t, is answered %+v", job, isPinned(job), rotatedBefore, v)
	}
}

// A thousand jobs of one owner are due at once, and the owner rotates the key
// meanwhile: none is refused but those that are pinned to the old key, and none
// waits for a transaction.
func TestMidnight(t *testing.T) {
	m := newMidnight(t)
	work := make(chan []int, jobsAtMidnight)
	order := rand.New(rand.NewPCG(1, 2)).Perm(jobsAtMidnight)
	for jobs := range slices.Chunk(order, jobsOfABatch) {
		work <- jobs
	}
	close(work)
	turn := make(chan struct{})
	turnOnce := sync.OnceFunc(func() { close(turn) })
	var group sync.WaitGroup
	for runner := range runners {
		group.Go(func() {
			for jobs := range work {
				if m.decided.Load() > jobsAtMidnight/4 {
					turnOnce()
				}
				// So many ways, so many instances.
				rotatedBefore := m.answered.Load()
				for i, v := range m.ask(runner%4, m.instances[runner%len(m.instances)], jobs) {
					m.check(jobs[i], v, rotatedBefore)
				}
			}
		})
	}
	group.Go(func() {
		<-turn
		m.rotate()
	})
	group.Wait()
	if m.decided.Load() != jobsAtMidnight {
		t.Errorf("%d decisions", m.decided.Load())
	}

	m.checkAllNow(func(job int, v servicetest.Answer) bool {
		return v.Allowed && !isPinned(job) && v.Key.ID == m.new || isPinned(job) && v.Reason == string(jobauth.ScheduleKeyPhasedOut) && v.Key.ID == m.old
	})
	m.call(http.MethodPost, "/v1/schedule-rebindings", fmt.Sprintf(`{"fromKeyId":%q}`, m.old))
	m.checkAllNow(func(_ int, v servicetest.Answer) bool { return v.Allowed && v.Key.ID == m.new })
	m.checkCalls()
}

// checkAllNow checks the decision about every job, asked in batches.
func (m *midnight) checkAllNow(isRight func(job int, v servicetest.Answer) bool) {
	m.t.Helper()
	all := make([]int, jobsAtMidnight)
	for job := range all {
		all[job] = job
	}
	for jobs := range slices.Chunk(all, 100) {
		for i, v := range m.ask(2, m.instances[0], jobs) {
			if !isRight(jobs[i], v) {
				m.t.Errorf("job %d (pinned: %t) is answered %+v", jobs[i], isPinned(jobs[i]), v)
			}
		}
	}
}

// checkCalls checks what the authorizer's instances called.
func (m *midnight) checkCalls() {
	m.t.Helper()
	for _, instance := range m.instances {
		for _, operation := range instance.Table.TakeCalls() {
			switch operation {
			case "BatchGetItem", "UpdateItem":
			default:
				m.t.Fatalf("a decision made the call %s", operation)
			}
		}
		if calls := instance.Secrets.TakeCalls(); len(calls) > 0 {
			m.t.Errorf("a decision asked Secrets Manager: %v", calls)
		}
	}
}
