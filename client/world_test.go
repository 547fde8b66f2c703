package client_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/client"
	"github.com/userapikey/service/client/clienttest"
)

// world is a service with one owner, a client of it, and the instant at which
// the test began. It is made in a bubble, where time passes as fast as nothing
// happens.
type world struct {
	t       *testing.T
	service *clienttest.Server
	client  *client.Client
	ada     *clienttest.Owner
	began   time.Time
}

func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		service := clienttest.NewServer()
		t.Cleanup(service.Close)
		test(t, &world{t: t, service: service, client: service.Client(), ada: service.AddOwner("acme", "IBMid-1"), began: time.Now()})
	})
}

// job is a good request but for the way to name the key.
func job() client.Request {
	return client.Request{JobID: "job-1", JobType: client.ModelTraining, Trigger: client.Scheduled}
}

// adasJob runs under ada's Active key.
func (w *world) adasJob() client.Request {
	r := job()
	r.Owner = w.ada.Ref()
	return r
}

func byCredential(text string) client.Request {
	r := job()
	r.Credential = client.NewCredential(text)
	return r
}

// start starts a run with a lease, and closes it at the end of the test.
func (w *world) start(ctx context.Context, lease time.Duration) *client.Run {
	w.t.Helper()
	request := w.adasJob()
	request.Lease = lease
	run, err := w.client.StartRun(ctx, request)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = run.Close() })
	return run
}

// at waits until so long after the test began, and for what happens then.
func (w *world) at(after time.Duration) {
	<-time.After(time.Until(w.began.Add(after)))
	synctest.Wait()
}

// times are when the requests of a method and a path's end were sent, after the
// test began.
func (w *world) times(method, pathEnd string) []time.Duration {
	var times []time.Duration
	for _, request := range w.service.Requests() {
		if request.Method == method && strings.HasSuffix(request.Path, pathEnd) {
			times = append(times, request.At.Sub(w.began))
		}
	}
	return times
}

const (
	authorizations = "/job-authorizations"
	batches        = "/job-authorizations/batch"
	renewals       = "/renewal"
)

// on answers requests whose path ends so, and leaves the others to the service.
func (w *world) on(pathEnd string, answer http.HandlerFunc) {
	w.service.Intercept(func(response http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, pathEnd) {
			return false
		}
		answer(response, r)
		return true
	})
}

// says answers with a status, a content type and a body.
func says(status int, mediaType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

const (
	asJSON    = "application/json"
	asProblem = "application/problem+json"
)

func problem(code string) string {
	return `{"type":"about:blank","title":"T","status":1,"code":"` + code + `","detail":"It is so.","requestId":"r-1"}`
}

// breaks breaks the connection without an answer.
func breaks(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hangs answers nothing for as long as the client waits.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func newClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// goroutinesOfRuns counts those that a run has started.
func goroutinesOfRuns() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	count := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "service/client.(*Run)") {
			count++
		}
	}
	return count
}
