package proof

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// A history is made by so many clients at once, each with so many requests.
const (
	clients           = 5
	requestsPerClient = 8
)

// Linearizable records concurrent histories of creates, rotations, deletions,
// views and decisions, with calls that fail and answers that get lost, and
// checks that each can be explained by the model: as if every request had
// happened at one instant between its beginning and its end.
//
// With virtualTime, calls take random times on a clock that nobody waits for,
// which brings about every interleaving; otherwise so many histories run at
// once.
func Linearizable(t *testing.T, backend func() servicetest.Backend, histories int, virtualTime bool) {
	sound := func(b servicetest.Backend) servicetest.Backend { return b }
	failures, all := unexplained(t, backend, sound, histories, virtualTime)
	for _, failure := range failures {
		t.Error(failure)
	}
	t.Logf("proof: linearizability: %s", &all)
	if min(all.changes, all.allowed) < histories || all.lost == 0 {
		t.Error("there was hardly anything to check")
	}
}

// Unexplained are the histories, of so many, that the model cannot explain, and
// a summary of all. The service runs on what broken makes of the backend.
func Unexplained(
	t *testing.T, backend func() servicetest.Backend, broken func(servicetest.Backend) servicetest.Backend, histories int, virtualTime bool,
) (failures []string, summary string) {
	t.Helper()
	failures, all := unexplained(t, backend, broken, histories, virtualTime)
	return failures, all.String()
}

func unexplained(
	t *testing.T, backend func() servicetest.Backend, broken func(servicetest.Backend) servicetest.Backend, histories int, virtualTime bool,
) (failures []string, all tally) {
	t.Helper()
	var mu sync.Mutex
	run := func(seed uint64) {
		var h *history
		onClock(t, virtualTime, func(t *testing.T) { h = record(t, backend(), broken, seed, virtualTime) })
		err := h.check()
		mu.Lock()
		defer mu.Unlock()
		all.add(h)
		if err != nil {
			failures = append(failures, fmt.Sprintf("history %d: %v", seed, err))
		}
	}
	var group sync.WaitGroup
	next := atomic.Uint64{}
	for range 4 {
		group.Go(func() {
			for seed := next.Add(1); seed <= uint64(histories); seed = next.Add(1) {
				run(seed)
			}
		})
	}
	group.Wait()
	return failures, all
}

// tally counts what was in the histories: the changes that the owners' histories
// have, and decisions that allowed, among others.
type tally struct{ histories, requests, changes, allowed, lost, made, conflicts int }

func (c *tally) add(h *history) {
	c.histories++
	c.changes += h.made
	for _, o := range h.operations {
		c.requests++
		result := o.Output.(outcome)
		if result.lost {
			c.lost++
			if result.made != nil {
				c.made++
			}
		}
		if result.Allowed {
			c.allowed++
		}
		if result.Code == string(apikey.CodeConflict) {
			c.conflicts++
		}
	}
}

func (c *tally) String() string {
	return fmt.Sprintf("%d histories, %d requests, %d changes, %d times allowed, %d answers lost (of which %d had made their change), %d conflicts",
		c.histories, c.requests, c.changes, c.allowed, c.lost, c.made, c.conflicts)
}

// history is what several clients did with one owner's keys at the same time.
type history struct {
	*scene
	instant    atomic.Int64
	mu         sync.Mutex
	operations []porcupine.Operation
	lostWrites []porcupine.Operation // of runs
	known      []request             // of each credential that was shown
	latest     int64                 // the highest revision that was answered
	made       int                   // changes that the owner's history has
	err        error                 // what is wrong with it whatever the model says
}

func record(t *testing.T, backend servicetest.Backend, broken func(servicetest.Backend) servicetest.Backend, seed uint64, virtualTime bool) *history {
	h := &history{scene: newScene(t, backend)}
	h.process = broken(backend).Start()
	h.process.Table.SetFault(h.notingRunWrites(unreliable(source(seed, 0), virtualTime)))
	h.process.Secrets.SetFault(h.noting(unreliable(source(seed, 1), virtualTime)))
	var group sync.WaitGroup
	for client := range clients {
		random := source(seed, 2+client)
		group.Go(func() {
			for n := range requestsPerClient {
				h.perform(client, h.draw(random, fmt.Sprintf("request-%d-%d", client, n)), random.IntN(20) == 0)
			}
		})
	}
	group.Wait()
	h.process.Table.SetFault(nil)
	h.process.Secrets.SetFault(nil)
	h.err = errors.Join(h.findOut(), h.leavesItsSecretInOrder(), h.nothingLeaked())
	return h
}

// source draws the same numbers for the same history each time.
func source(seed uint64, number int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(number)))
}

// unreliable fails one call of twelve and, in virtual time, makes every call
// take its time before and after its effect.
func unreliable(random *rand.Rand, virtualTime bool) awstest.Fault {
	var mu sync.Mutex
	faults := []awstest.Fault{
		awstest.Reset, awstest.LoseAnswer, awstest.LoseAnswer,
		awstest.Refuse(http.StatusBadRequest, "ThrottlingException"), awstest.Refuse(http.StatusInternalServerError, "InternalServerError"),
	}
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	takeTime := func(ctx context.Context) {
		if virtualTime {
			timer := time.NewTimer(time.Duration(draw(10_000)) * time.Microsecond)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
	}
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		takeTime(call.Context)
		defer takeTime(call.Context)
		if fault := draw(12 * len(faults)); fault < len(faults) {
			return faults[fault](call, next)
		}
		return next()
	}
}

// draw makes up a request.
func (h *history) draw(random *rand.Rand, id string) request {
	r := request{id: id}
	// The number of times is the likelihood.
	kinds := strings.Fields(strings.Repeat("create ", 6) + strings.Repeat("rotate ", 6) + strings.Repeat("decide ", 6) +
		"delete-one delete-one delete-all view view view decide-by-owner " +
		"bind bind bind unbind rebind decide-by-schedule decide-by-schedule run run renew-run end-run " +
		"set-policy set-policy off-board reinstate reinstate")
	r.kind = strings.ReplaceAll(kinds[random.IntN(len(kinds))], "-", " ")
	r.name = nameOf(random.IntN(names))
	h.mu.Lock()
	defer h.mu.Unlock()
	r.since = h.latest
	switch r.kind {
	case "create", "rotate":
		// Half of them share a few keys, also with the other kind now and then.
		if random.IntN(2) == 0 {
			r.idempotencyKey = fmt.Sprintf("key-%d", random.IntN(4))
		}
	case "bind":
		// Half of them follow the Active key.
		if len(h.known) > 0 && random.IntN(2) == 0 {
			r.keyID = h.known[len(h.known)-1].keyID
		}
	case "delete one", "decide", "rebind":
		if len(h.known) == 0 {
			r.kind = "view"
			break
		}
		shown := h.known[random.IntN(len(h.known))]
		r.keyID, r.credential = shown.keyID, shown.credential
	}
	return r
}

// notingRunWrites takes note of the writes of runs whose answer gets lost. The
// SDK sends them again, so that a request that is answered may have taken effect
// twice, at two instants.
func (h *history) notingRunWrites(fault awstest.Fault) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		began, arrived := h.instant.Add(1), false
		response, err := fault(call, func() (*http.Response, error) {
			arrived = true
			return next()
		})
		if !arrived || err == nil || call.Operation != "UpdateItem" && call.Operation != "DeleteItem" {
			return response, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for n := range names {
			if r := (request{kind: "lost write of a run", name: nameOf(n)}); strings.Contains(string(call.Body), h.runRef(r.name).Name.String()) {
				h.lostWrites = append(h.lostWrites, porcupine.Operation{Input: r, Call: began, Output: outcome{lost: true}, Return: h.instant.Add(1)})
			}
		}
		return response, err
	}
}

// names is how many schedules, and runs, there are.
const names = 2

func nameOf(n int) string { return fmt.Sprintf("name-%d", n) }

func (h *history) runRef(name string) apikey.RunRef {
	return apikey.NewRunRef(h.owner.Locator(), "job-1", name)
}

func (h *history) perform(client int, r request, clientLosesAnswer bool) {
	began := h.instant.Add(1)
	answer := h.ask(r)
	ended := h.instant.Add(1)
	o := outcome{Answer: answer, lost: clientLosesAnswer || answer.Status == http.StatusServiceUnavailable}
	if o.lost {
		ended = math.MaxInt64 // it may take effect at any time after
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kind := range stepsOf(r.kind) {
		step := r
		step.kind = kind
		h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: step, Call: began, Output: o, Return: ended})
	}
	if !o.lost {
		h.latest = max(h.latest, answer.Revision)
	}
	if answer.Credential != "" {
		h.known = append(h.known, request{keyID: answer.Key.ID, credential: answer.Credential})
	}
}

// stepsOf are the steps of the model that a request is made of: where it is more
// than one call, each is a step.
func stepsOf(kind string) []string {
	switch kind {
	case "run":
		return []string{"decide by owner", "record run"}
	case "renew run":
		return []string{"read run", "renew run"}
	default:
		return []string{kind}
	}
}

func (h *history) ask(r request) servicetest.Answer {
	q := servicetest.Request{Method: http.MethodGet, Path: "/v1/user-api-keys", Token: h.user(), IdempotencyKey: r.idempotencyKey, ID: r.id}
	schedule, run := schedulesP+"/"+r.name, runsPath+h.runRef(r.name).String()
	switch r.kind {
	case "create":
		q.Method = http.MethodPost
	case "rotate":
		q.Method, q.Path = http.MethodPost, "/v1/user-api-keys/rotation"
	case "delete all":
		q.Method = http.MethodDelete
	case "delete one":
		q.Method, q.Path = http.MethodDelete, "/v1/user-api-keys/"+r.keyID
	case "bind":
		q.Method, q.Path, q.Body = http.MethodPut, schedule, following
		if r.keyID != "" {
			q.Body = pinnedTo(r.keyID)
		}
	case "unbind":
		q.Method, q.Path = http.MethodDelete, schedule
	case "rebind":
		q.Method, q.Path, q.Body = http.MethodPost, "/v1/schedule-rebindings", `{"fromKeyId":"`+r.keyID+`"}`
	case "set policy":
		q.Method, q.Path, q.Body = http.MethodPut, policyPath, map[string]string{nameOf(0): policy30, nameOf(1): `{}`}[r.name]
	case "off board":
		q.Method, q.Path, q.Token = http.MethodDelete, h.offBoarding(), h.administratorsToken()
	case "reinstate":
		q.Method, q.Path, q.Token = http.MethodPost, h.offBoarding()+"/reinstatement", h.administratorsToken()
	case "decide":
		return h.decide(r.credential)
	case "decide by owner":
		return h.decideByOwner()
	case "decide by schedule":
		ref := apikey.ScheduleRef{Locator: h.owner.Locator(), ID: r.name}.String()
		return h.runner(http.MethodPost, jobsPath, job(`"scheduleRef":"`+ref+`"`))
	case "run":
		return h.runner(http.MethodPost, jobsPath, job(h.byOwner()+`,"runId":"`+r.name+`"`))
	case "renew run":
		return h.runner(http.MethodPost, run+renewal, "")
	case "end run":
		return h.runner(http.MethodDelete, run, "")
	}
	return h.process.Send(h.ctx, q)
}

// findOut learns from the owner's history what those requests made whose answer
// was lost.
func (h *history) findOut() error {
	changes, err := h.changes()
	if err != nil {
		return err
	}
	h.made = len(changes)
	byRequest := map[string]*apikey.Event{}
	for _, c := range changes {
		if byRequest[c.CorrelationID] != nil {
			return fmt.Errorf("request %s changed twice", c.CorrelationID)
		}
		byRequest[c.CorrelationID] = &c
	}
	for n := range h.operations {
		o := h.operations[n].Output.(outcome)
		o.made = byRequest[h.operations[n].Input.(request).id]
		h.operations[n].Output = o
	}
	return nil
}

// leavesItsSecretInOrder checks the Active key's material, now and after a repair.
func (h *history) leavesItsSecretInOrder() error {
	ring, err := h.ring()
	if err != nil {
		return err
	}
	if err := h.material(ring, false); err != nil {
		return err
	}
	if err := h.backend.Repair(h.ctx, h.owner); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return h.material(ring, true)
}

// check tells whether the model explains the history.
func (h *history) check() error {
	if h.err != nil {
		return h.err
	}
	operations := slices.Concat(h.operations, h.lostWrites)
	if porcupine.CheckOperations(model, operations) {
		return nil
	}
	var text strings.Builder
	text.WriteString("the model cannot explain it:")
	for _, o := range operations {
		fmt.Fprintf(&text, "\n  %d–%d client %d: %s", o.Call, o.Return, o.ClientId, model.DescribeOperation(o.Input, o.Output))
	}
	return errors.New(text.String())
}
