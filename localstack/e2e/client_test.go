package e2e

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/userapikey/service/localstack/deployed"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store/storetest"
)

// user is somebody with a token.
type user struct {
	t     *testing.T
	owner apikey.Owner
	token string
}

// newUser is somebody whom no other test knows, with a role in account-1.
func newUser(t *testing.T, role string) *user {
	t.Helper()
	owner := storetest.NewOwner(t)
	return &user{t: t, owner: owner, token: token(t, deployed.Claims(owner.AccountID, owner.IAMID, owner.Username, role))}
}

// token is a token of the local issuer with the claims.
func token(t *testing.T, claims map[string]any) string {
	t.Helper()
	token, err := deployed.Token(t.Context(), http.DefaultClient, stack["ISSUER_URL"], claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// reply is an answer of the API; the fields of all answers together.
type reply struct {
	status int
	header http.Header
	body   string

	Active     *key
	Key        key
	PhasedOut  json.RawMessage
	Deleted    []key
	Credential string
	Revision   int64
	Allowed    bool
	Reason     string
	Code       string
	Detail     string
	Owner      struct{ AccountID, IAMID, Username string }
	Secret     struct{ ARN, VersionID string }
	Run        struct{ Ref, LeaseExpiresAt string }
	Decisions  []decision
	schedule
	Schedules          []schedule
	Rebound, Remaining int
	OnDelete, Affected affected
	OnRotate           *affected
	NextCursor         *string
}

type key struct{ ID, Name, Status, LastUsedAt string }

type schedule struct{ ID, ScheduleRef, Binding, KeyID, State string }

type decision struct {
	Allowed        bool
	Reason, Detail string
	Key            key
	Run            struct{ Ref string }
}

// affected is what a change hits or would hit.
type affected struct {
	Schedules     []schedule
	ScheduleCount int
	Runs          []struct{ Ref, RunID, JobID string }
	RunCount      int
}

func (a affected) scheduleIDs() (ids []string) {
	for _, s := range a.Schedules {
		ids = append(ids, s.ID)
	}
	return ids
}

// call sends a request with the user's token. Headers come in pairs.
func (u *user) call(method, path, body string, headers ...string) reply {
	u.t.Helper()
	request, err := http.NewRequestWithContext(u.t.Context(), method, stack["API_URL"]+path, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	if u.token != "" {
		request.Header.Set("Authorization", "Bearer "+u.token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		u.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	r := reply{status: response.StatusCode, header: response.Header, body: string(content)}
	if r.status == http.StatusNoContent && len(content) == 0 {
		return r
	}
	if err := json.Unmarshal(content, &r); err != nil {
		u.t.Fatalf("%s %s answered %d with %q: %v", method, path, r.status, content, err)
	}
	return r
}

// want fails the test unless the answer has the status.
func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// refused fails the test unless the answer is that problem.
func (r reply) refused(t *testing.T, status int, code string) {
	t.Helper()
	if r.status != status || r.Code != code {
		t.Errorf("%d %s, want %d %s", r.status, r.body, status, code)
	}
}

// check fails the test, with the answer, unless what should hold of it does.
func (r reply) check(t *testing.T, what string, holds bool) {
	t.Helper()
	if !holds {
		t.Errorf("not so: %s: %s", what, r.body)
	}
}

// phasedOut are the Phased out keys of a view; in a rotation's answer the same
// name means one key.
func (r reply) phasedOut(t *testing.T) (keys []key) {
	t.Helper()
	if err := json.Unmarshal(r.PhasedOut, &keys); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return keys
}

func (u *user) view() reply {
	u.t.Helper()
	return u.call("GET", "/v1/user-api-keys", "").want(u.t, 200)
}

func (u *user) create(headers ...string) reply {
	u.t.Helper()
	return u.call("POST", "/v1/user-api-keys", "", headers...)
}

func (u *user) rotate(headers ...string) reply {
	u.t.Helper()
	return u.call("POST", "/v1/user-api-keys/rotation", "", headers...)
}

func (u *user) deleteAll() reply { u.t.Helper(); return u.call("DELETE", "/v1/user-api-keys", "") }

// authorize asks, as a job runner, whether a job with the credential may run.
func (u *user) authorize(credential string) reply {
	u.t.Helper()
	return u.ask(map[string]any{"credential": credential})
}

// ask asks, as a job runner, whether a job may run, with what names its key and
// what else differs from any other job.
func (u *user) ask(job map[string]any) reply {
	u.t.Helper()
	return u.call("POST", "/v1/job-authorizations", jobRequest(job)).want(u.t, 200)
}

func jobRequest(naming map[string]any) string {
	request := map[string]any{"jobId": "job-1", "jobType": "model_training", "trigger": "ad_hoc"}
	maps.Copy(request, naming)
	body, err := json.Marshal(request)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// atOnce runs the call n times at the same time.
func atOnce(n int, call func() reply) []reply {
	replies := make([]reply, n)
	var group sync.WaitGroup
	for i := range replies {
		group.Go(func() { replies[i] = call() })
	}
	group.Wait()
	return replies
}

func statuses(replies []reply) map[int]int {
	counts := map[int]int{}
	for _, r := range replies {
		counts[r.status]++
	}
	return counts
}

func uniqueKey() string { return rand.Text() }
