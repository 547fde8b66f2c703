package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// API is the service over HTTP, for one owner whom nobody else knows.
type API struct {
	URL string
	// Administrator and JobRunner are the owner's and a job runner's tokens.
	Administrator, JobRunner string
}

// hammers is how many job runners ask at once.
const hammers = 8

// keptAlive keeps a connection for each of them.
var keptAlive = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: hammers + 1}}

// ZeroStale has job runners ask about a credential without a pause, through
// deciding, while its key is rotated away, through changing, and about the next
// one while all keys are deleted. It counts the decisions that began after the
// change's answer and yet allowed, and those that ended before the change and
// yet refused: the stale ones, of which there must be none.
//
// decided is called after each decision; a caller who can hold the change's
// remote calls back uses it to have many decisions overlap the change.
func ZeroStale(t *testing.T, changing, deciding API, decided func()) (stale int) {
	t.Helper()
	credential := changing.must(t, http.MethodPost, "/v1/user-api-keys", http.StatusCreated)
	next := ""
	stale += hammer(t, deciding, "rotation", credential, decided, func() {
		next = changing.must(t, http.MethodPost, "/v1/user-api-keys/rotation", http.StatusCreated)
	})
	return stale + hammer(t, deciding, "deletion of all keys", next, decided, func() {
		changing.must(t, http.MethodDelete, "/v1/user-api-keys", http.StatusOK)
	})
}

// decision is one answer about the credential, between two instants of a clock
// that counts what happens.
type decision struct {
	began, ended int64
	allowed      bool
}

func hammer(t *testing.T, api API, name, credential string, decided func(), change func()) (stale int) {
	t.Helper()
	var (
		instant     atomic.Int64
		enough      atomic.Int64 // decisions that must be made before it ends
		mu          sync.Mutex
		all         []decision
		group       sync.WaitGroup
		firstOfEach sync.WaitGroup
	)
	enough.Store(1 << 62)
	firstOfEach.Add(hammers)
	for range hammers {
		group.Go(func() {
			for n := 0; instant.Load() < enough.Load(); n++ {
				d := decision{began: instant.Add(1)}
				d.allowed = api.decide(t, credential)
				d.ended = instant.Add(1)
				mu.Lock()
				all = append(all, d)
				mu.Unlock()
				decided()
				if n == 0 {
					firstOfEach.Done()
				}
			}
		})
	}
	firstOfEach.Wait()
	changeBegan := instant.Add(1)
	change()
	changeEnded := instant.Add(1)
	enough.Store(changeEnded + 2*200) // each decision counts twice
	group.Wait()

	var before, overlapped, after int
	for _, d := range all {
		switch {
		case d.ended < changeBegan:
			before++
			if !d.allowed {
				stale++
			}
		case d.began < changeEnded:
			overlapped++
		default:
			after++
			if d.allowed {
				stale++
			}
		}
	}
	t.Logf("proof: zero stale: %s: %d decisions before, %d overlapped it, %d began after its answer; %d stale",
		name, before, overlapped, after, stale)
	return stale
}

// decide asks whether a job with the credential may run.
func (a API) decide(t *testing.T, credential string) (allowed bool) {
	body := `{"jobId":"job-1","jobType":"model_training","trigger":"ad_hoc","credential":"` + credential + `"}`
	status, answer, err := a.send(t, http.MethodPost, "/v1/job-authorizations", a.JobRunner, body)
	var decision struct{ Allowed bool }
	if err == nil {
		err = json.Unmarshal(answer, &decision)
	}
	if err != nil || status != http.StatusOK {
		t.Errorf("a decision: %d %s %v", status, answer, err)
	}
	return decision.Allowed
}

// must makes a change and returns the credential that its answer shows, if any.
func (a API) must(t *testing.T, method, path string, want int) (credential string) {
	t.Helper()
	status, answer, err := a.send(t, method, path, a.Administrator, "")
	var issued struct{ Credential string }
	if err == nil {
		err = json.Unmarshal(answer, &issued)
	}
	if err != nil || status != want {
		t.Fatalf("%s %s: %d %s %v", method, path, status, apikey.Redact(string(answer)), err)
	}
	return issued.Credential
}

func (a API) send(t *testing.T, method, path, token, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(t.Context(), method, a.URL+path, bytes.NewBufferString(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := keptAlive.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
