package lifecycle_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// ofDeployment is the policy of owners who have none of their own.
var ofDeployment = apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30}

// inDays lets the service go by a clock that is so many days and a second ahead
// (keys of the same instant are a millisecond apart); a negative number is behind.
func (w *world) inDays(days int) {
	w.Now = func() time.Time { return time.Now().Add(time.Duration(days)*24*time.Hour + time.Second) }
}

// byTheClock is a request as the sweep makes it.
func (w *world) byTheClock() apikey.ChangeRequest {
	return apikey.ChangeRequest{Owner: w.owner, Actor: apikey.Actor{Kind: apikey.ActorSchedule, ID: "sweep"}, CorrelationID: "run-1"}
}

func (w *world) rotateDue(id apikey.KeyID) (bool, error) {
	return w.RotateDue(w.t.Context(), w.byTheClock(), ofDeployment, id)
}

func (w *world) deleteUnused(id apikey.KeyID) (bool, error) {
	return w.DeleteUnused(w.t.Context(), w.byTheClock(), ofDeployment, id)
}

func (w *world) setPolicy(p apikey.RotationPolicy) {
	w.t.Helper()
	w.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) { return ring.SetPolicy(w.command(), p) })
}

func (w *world) bind(scheduleID string, pinnedTo apikey.KeyID) {
	w.t.Helper()
	w.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, _, err := ring.Bind(w.command(), nil, apikey.Schedule{ID: scheduleID, Binding: apikey.Pinned, KeyID: pinnedTo})
		return next, event, err
	})
}

func (w *world) command() apikey.Command {
	return apikey.Command{Actor: w.request("").Actor, Now: time.Now(), CorrelationID: "request-1"}
}

func (w *world) change(change func(apikey.Ring) (apikey.Ring, *apikey.Event, error)) {
	w.t.Helper()
	must(w, func() error {
		_, err := w.Rings.Update(w.t.Context(), w.owner, store.Idempotency{}, apply(change))
		return err
	})
}

// run records a running operation of the key's, with a lease of so long.
func (w *world) run(id apikey.KeyID, runID string, lease time.Duration) jobauth.Run {
	w.t.Helper()
	run, err := w.Rings.RecordRun(w.t.Context(), jobauth.Run{
		Owner: w.owner, KeyID: id, JobID: "job-1", RunID: runID, JobType: jobauth.ModelTraining,
		StartedAt: time.Now(), LeaseExpiresAt: time.Now().Add(lease),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func (w *world) lastChange() apikey.Event {
	w.t.Helper()
	changes, _, err := w.Rings.History(w.t.Context(), w.owner.Locator(), store.MaxRevision, 1)
	if err != nil || len(changes) == 0 {
		w.t.Fatalf("no change, %v", err)
	}
	return changes[0]
}

func (w *world) calls() (calls []string) {
	return append(w.table.Transport.TakeCalls(), w.secrets.Transport.TakeCalls()...)
}

func TestADueKeyIsRotatedByTheClock(t *testing.T) {
	w := newWorld(t)
	first := w.create().Key
	w.inDays(90)
	w.noFaults()
	if rotated, err := w.rotateDue(first.ID); !rotated || err != nil {
		t.Fatalf("rotated: %t, %v", rotated, err)
	}
	want := []string{"GetItem", "TransactWriteItems", "PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage"}
	if diff := cmp.Diff(want, w.calls()); diff != "" {
		t.Errorf("calls (-want +got): %s", diff)
	}
	ring, clock := w.ring(), w.byTheClock().Actor
	if ring.Active.CreatedBy != clock || len(ring.PhasedOut) != 1 || ring.PhasedOut[0].ID != first.ID || ring.Revision != 2 {
		t.Errorf("the ring is %+v", ring)
	}
	change := w.lastChange()
	if change.Type != apikey.EventRotated || change.Actor != clock || change.CorrelationID != "run-1" || change.Keys[1].ID != first.ID {
		t.Errorf("announced as %+v", change)
	}
	w.checkSecret()
}

func TestARotationByTheClockTellsWhichSchedulesItStops(t *testing.T) {
	w := newWorld(t)
	first := w.create().Key
	w.bind("nightly", first.ID)
	w.inDays(90)
	if rotated, err := w.rotateDue(first.ID); !rotated || err != nil {
		t.Fatalf("rotated: %t, %v", rotated, err)
	}
	if affected := w.lastChange().AffectedSchedules; affected.Count != 1 || affected.First[0].ID != "nightly" {
		t.Errorf("affected: %+v", affected)
	}
}

// What the clock is called for again, it does not do again, and at the cost of one
// read.
func TestTheClockDoesNothingThatIsNotDue(t *testing.T) {
	for name, c := range map[string]struct {
		days int
		do   func(w *world, first, second apikey.KeyID) (bool, error)
	}{
		"the day before":                      {89, func(w *world, _, second apikey.KeyID) (bool, error) { return w.rotateDue(second) }},
		"a clock that has stepped back":       {-1, func(w *world, _, second apikey.KeyID) (bool, error) { return w.rotateDue(second) }},
		"a key that was rotated":              {3650, func(w *world, first, _ apikey.KeyID) (bool, error) { return w.rotateDue(first) }},
		"a key that never was":                {3650, func(w *world, _, _ apikey.KeyID) (bool, error) { return w.rotateDue(apikey.KeyID{1}) }},
		"deletion, the day before":            {29, func(w *world, first, _ apikey.KeyID) (bool, error) { return w.deleteUnused(first) }},
		"deletion, a clock that stepped back": {-1, func(w *world, first, _ apikey.KeyID) (bool, error) { return w.deleteUnused(first) }},
		"deletion of the Active key":          {3650, func(w *world, _, second apikey.KeyID) (bool, error) { return w.deleteUnused(second) }},
		"deletion of a key that never was":    {3650, func(w *world, _, _ apikey.KeyID) (bool, error) { return w.deleteUnused(apikey.KeyID{1}) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first, second := w.create().Key.ID, w.rotate().Key.ID
			before := w.ring()
			w.inDays(c.days)
			w.noFaults()
			if done, err := c.do(w, first, second); done || err != nil {
				t.Errorf("done: %t, %v", done, err)
			}
			if diff := cmp.Diff([]string{"GetItem"}, w.calls()); diff != "" {
				t.Errorf("calls (-want +got): %s", diff)
			}
			if diff := cmp.Diff(before, w.ring()); diff != "" {
				t.Errorf("the ring changed: %s", diff)
			}
		})
	}
}

func TestTheClockIsNotBoundByTheAllowance(t *testing.T) {
	w := newWorld(t)
	first := w.create().Key.ID
	w.inDays(90)
	w.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, err := ring.SetPolicy(w.command(), apikey.RotationPolicy{MaxAgeDays: 1})
		next.Allowance.FullAt = w.Now().Add(apikey.AllowanceSize * apikey.AllowanceRefillPeriod)
		return next, event, err
	})
	if _, err := w.Rotate(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeRotationRateExceeded {
		t.Errorf("the user is answered %v", err)
	}
	if rotated, err := w.rotateDue(first); !rotated || err != nil {
		t.Errorf("rotated: %t, %v", rotated, err)
	}
}

func TestAFullRingIsNotRotatedAndNoMaterialIsPut(t *testing.T) {
	w := newWorld(t)
	w.create()
	for range apikey.MaxPhasedOut {
		w.inDays(90 * (len(w.ring().PhasedOut) + 1))
		if rotated, err := w.rotateDue(w.ring().Active.ID); !rotated || err != nil {
			t.Fatalf("rotated: %t, %v", rotated, err)
		}
	}
	w.inDays(90 * (apikey.MaxPhasedOut + 1))
	w.noFaults()
	if rotated, err := w.rotateDue(w.ring().Active.ID); rotated || apikey.CodeOf(err) != apikey.CodeTooManyPhasedOutKeys {
		t.Errorf("rotated: %t, %v", rotated, err)
	}
	if calls := w.secrets.Transport.TakeCalls(); len(calls) != 0 {
		t.Errorf("calls of Secrets Manager: %v", calls)
	}
}

func TestAKeyWhoseTimeIsOverIsDeletedByTheClock(t *testing.T) {
	w := newWorld(t)
	first, second := w.create().Key, w.rotate().Key
	third := w.rotate().Key
	w.inDays(30)
	w.noFaults()
	if deleted, err := w.deleteUnused(second.ID); !deleted || err != nil {
		t.Fatalf("deleted: %t, %v", deleted, err)
	}
	want := []string{
		"GetItem", "Query", "TransactWriteItems", // and then repair, until there is nothing to do
		"GetItem", "GetItem", "GetItem", "GetItem", "DescribeSecret", "UpdateSecretVersionStage", "DescribeSecret",
	}
	if diff := cmp.Diff(want, w.calls()); diff != "" {
		t.Errorf("calls (-want +got): %s", diff)
	}
	ring, change := w.ring(), w.lastChange()
	if ring.Active.ID != third.ID || len(ring.PhasedOut) != 1 || ring.PhasedOut[0].ID != first.ID {
		t.Errorf("the ring is %+v", ring)
	}
	if change.Type != apikey.EventDeleted || change.Actor != w.byTheClock().Actor || change.Keys[0].ID != second.ID {
		t.Errorf("announced as %+v", change)
	}
	for label, version := range w.secrets.Labels(ring.SecretARN) {
		if version == second.VersionID {
			t.Errorf("the deleted key's version has the label %s", label)
		}
	}
	w.checkSecret()
}

// A running operation goes on under the key that it began with, for as long as its
// lease is renewed.
func TestAKeyThatARunningOperationHoldsIsKept(t *testing.T) {
	for name, end := range map[string]func(w *world, run jobauth.Run){
		"until it ends": func(w *world, run jobauth.Run) {
			must(w, func() error { return w.Rings.EndRun(w.t.Context(), run.Ref(), "") })
		},
		"until its lease runs out": func(w *world, _ jobauth.Run) {
			w.Rings = store.New(w.table.Client(), storetest.Table, func() time.Time { return time.Now().Add(2 * time.Hour) }, w.Random)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first, second := w.create().Key, w.rotate().Key
			other := w.run(second.ID, "of-another-key", time.Hour)
			run := w.run(first.ID, "run-1", time.Hour)
			w.inDays(30)
			revision := w.ring().Revision
			if deleted, err := w.deleteUnused(first.ID); deleted || err != nil {
				t.Errorf("deleted: %t, %v", deleted, err)
			}
			if ring := w.ring(); ring.Revision != revision {
				t.Errorf("the ring changed: %+v", ring)
			}
			end(w, run)
			if deleted, err := w.deleteUnused(first.ID); !deleted || err != nil {
				t.Errorf("deleted then: %t, %v", deleted, err)
			}
			if _, exists := w.ring().Key(other.KeyID); !exists {
				t.Error("another key was deleted too")
			}
		})
	}
}

func TestSecretsManagerDownStopsRotationsByTheClockAndNoDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.create().Key, w.rotate().Key
		w.inDays(90)
		w.secrets.Transport.SetFault(awstest.Reset)
		if rotated, err := w.rotateDue(second.ID); rotated || apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("rotated: %t, %v", rotated, err)
		}
		if deleted, err := w.deleteUnused(first.ID); !deleted || err != nil {
			t.Errorf("deleted: %t, %v", deleted, err)
		}
		w.repair()
		w.checkSecret()
	})
}
