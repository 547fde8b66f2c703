package proof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
)

// mostCalls bounds the remote calls of one request, retries of every kind
// included: a change is attempted eight times, each time with up to four calls.
const mostCalls = 40

// Matrix runs every operation once for each of its remote calls and each way in
// which that call can go wrong, and checks what holds afterwards. The calls are
// those that a run without faults makes. With virtualTime each case runs on a
// clock of its own that nobody waits for, which a backend in memory allows.
//
// Every fault meets every call of Secrets Manager. Of DynamoDB's cases one in oneIn
// is run, so that 1 is all of them; a number with a factor of how many faults there
// are would leave some out, and fails.
//
// It prints how many cases it ran, and fails if they are fewer than they should be.
func Matrix(t *testing.T, backend func() servicetest.Backend, virtualTime bool, oneIn int) {
	turn, want, ran := 0, 0, make(chan bool, math.MaxInt16)
	met := map[string]bool{}
	t.Run("cases", func(t *testing.T) {
		for _, o := range operations() {
			for at, call := range callsOf(t, backend, o) {
				for _, f := range faults() {
					if call.service == "DynamoDB" {
						if turn++; turn%oneIn != 0 {
							continue
						}
						met[f.name] = true
					}
					want++
					t.Run(fmt.Sprintf("%s/%d %s/%s", o.name, at+1, call, f.name), func(t *testing.T) {
						t.Parallel()
						onClock(t, virtualTime, func(t *testing.T) { runCase(t, backend(), o, f, at) })
						ran <- true
					})
				}
			}
		}
	})
	t.Logf("proof: fault matrix: %d operations, %d faults, %d cases", len(operations()), len(faults()), len(ran))
	if len(ran) < want {
		t.Errorf("%d cases ran, of %d", len(ran), want)
	}
	if len(met) < len(faults()) {
		t.Errorf("only these faults met a call of DynamoDB's: %v", slices.Sorted(maps.Keys(met)))
	}
}

// onClock runs on the clock, or on one of its own that nobody waits for.
func onClock(t *testing.T, virtualTime bool, run func(*testing.T)) {
	t.Helper()
	if virtualTime {
		synctest.Test(t, run)
	} else {
		run(t)
	}
}

// callsOf are the remote calls of the operation when nothing fails: the fewest of
// a few runs, because on a busy machine a call may be sent again.
func callsOf(t *testing.T, backend func() servicetest.Backend, o operation) (fewest []remoteCall) {
	t.Helper()
	for range 3 {
		s := newScene(t, backend())
		o.given(s)
		counting := &injection{at: -1}
		answer := s.askUnder(counting, o)
		if answer.Status != o.status {
			t.Fatalf("%s without a fault: %d %s", o.name, answer.Status, answer.Text)
		}
		if fewest == nil || len(counting.calls) < len(fewest) {
			fewest = counting.calls
		}
	}
	return fewest
}

// askUnder asks with the fault in place.
func (s *scene) askUnder(i *injection, o operation) servicetest.Answer {
	ctx := s.ctx
	s.ctx, i.cancel = context.WithCancel(ctx)
	defer i.cancel()
	s.process.Table.SetFault(i.onService("DynamoDB"))
	s.process.Secrets.SetFault(s.noting(i.onService("SecretsManager")))
	answer := o.ask(s)
	s.ctx = ctx
	return answer
}

func runCase(t *testing.T, backend servicetest.Backend, o operation, f fault, at int) {
	s := newScene(t, backend)
	o.given(s)
	before, err := s.ring()
	if err != nil {
		t.Fatal(err)
	}
	i := &injection{fault: f, at: at}
	first := s.askUnder(i, o)
	for _, check := range []func() error{
		func() error { return i.wasKept() },
		func() error { return s.promptly(o, f, first) },
		func() error { return s.allOrNothing(before, o, i, first) },
	} {
		if err := check(); err != nil {
			t.Errorf("after the fault: %v", err)
		}
	}

	s.restart()
	i.arrive(0)
	if err := s.retry(before, o, f, first); err != nil {
		t.Errorf("the retry: %v", err)
	}
	i.arrive(1)
	if err := s.inTheEnd(before, o); err != nil {
		t.Errorf("in the end: %v", err)
	}
	if err := s.nothingLeaked(); err != nil {
		t.Error(err)
	}
}

// wasKept checks what holds of the calls themselves.
func (i *injection) wasKept() error {
	switch {
	case !i.fired:
		return errors.New("the fault met no call")
	case i.unbounded > 0:
		return fmt.Errorf("%d calls had no deadline well inside the function's", i.unbounded)
	case i.afterGone > 0:
		return fmt.Errorf("%d calls were made after the caller was gone", i.afterGone)
	case len(i.calls) > mostCalls:
		return fmt.Errorf("%d calls were made: %v", len(i.calls), i.calls)
	}
	return nil
}

// promptly checks that the caller got the answer, and the right one, or a refusal
// that tells when to try again. (A function that ran into its time limit has
// another status.)
func (s *scene) promptly(o operation, f fault, answer servicetest.Answer) error {
	switch {
	case f.silent || f.defect && answer.Status == http.StatusInternalServerError:
		return nil
	case answer.Status == o.status:
		if o.rightInTrouble != nil {
			o.right = o.rightInTrouble
		}
		return s.rightly(o, answer)
	case answer.Status != http.StatusServiceUnavailable || answer.RetryAfter == "":
		return fmt.Errorf("answered %d, Retry-After %q: %s", answer.Status, answer.RetryAfter, answer.Text)
	}
	return nil
}

func (s *scene) rightly(o operation, answer servicetest.Answer) error {
	if o.right != nil && !o.right(s, answer) {
		return fmt.Errorf("the answer is wrong: %s", answer.Text)
	}
	return nil
}

// allOrNothing checks that the operation was made whole or not at all, that its
// answer says no less than what was made, that Secrets Manager changes no answer
// once it was made, and that the Active key's material is where it must be.
func (s *scene) allOrNothing(before apikey.Ring, o operation, i *injection, answer servicetest.Answer) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	made := ring.Revision - before.Revision
	switch {
	case made != 0 && made != o.changes:
		return fmt.Errorf("the ring went from revision %d to %d", before.Revision, ring.Revision)
	case !i.fault.silent && answer.Status == o.status && made != o.changes:
		return fmt.Errorf("answered %d, and nothing was made", answer.Status)
	case made > 0 && i.first.service == "SecretsManager" && !i.fault.silent && !i.fault.defect && answer.Status != o.status:
		return fmt.Errorf("answered %d after it was made: %s", answer.Status, answer.Text)
	case o.issues && before.Active != nil && ring.Active == nil:
		return errors.New("a rotation left no Active key")
	}
	return s.material(ring, false)
}

// retry makes the same request again, with nothing in its way.
func (s *scene) retry(before apikey.Ring, o operation, f fault, first servicetest.Answer) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	answer, want := o.ask(s), o.status
	if o.again != 0 && ring.Revision == before.Revision+o.changes {
		want = o.again
	}
	if answer.Status != want && (o.againAlways == 0 || answer.Status != o.againAlways) {
		return fmt.Errorf("answered %d %s, want %d", answer.Status, answer.Text, want)
	}
	if !o.issues {
		if answer.Status != o.status {
			return nil
		}
		return s.rightly(o, answer)
	}
	s.issued = append(s.issued, answer)
	wasAnswered := !f.silent && first.Status == o.status
	switch decision := s.decide(answer.Credential); {
	case wasAnswered && (answer.Key != first.Key || answer.Credential != first.Credential):
		return fmt.Errorf("answered %s after %s", answer.Key.ID, first.Key.ID)
	case !decision.Allowed || decision.Key.ID != answer.Key.ID:
		return fmt.Errorf("the credential in the answer is refused: %s", decision.Text)
	}
	return nil
}

// inTheEnd checks that the operation was made exactly once, that the history has
// no gap, and that repair brings the secret to the ring.
func (s *scene) inTheEnd(before apikey.Ring, o operation) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	if ring.Revision != before.Revision+o.changes {
		return fmt.Errorf("the ring went from revision %d to %d", before.Revision, ring.Revision)
	}
	if _, err := s.changes(); err != nil {
		return err
	}
	if err := s.backend.Repair(s.ctx, s.owner); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return s.material(ring, true)
}
