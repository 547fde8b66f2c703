package delete_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/delete"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// wantAffected checks what a deletion says that it hit, in its answer and in its
// event.
func (w world) wantAffected(answer functest.Answer, schedules, runs []string) {
	w.t.Helper()
	var got struct{ Affected functest.Affected }
	answer.Must(http.StatusOK).Decode(&got)
	gotSchedules, gotRuns := got.Affected.Texts()
	if diff := cmp.Diff(schedules, gotSchedules); diff != "" {
		w.t.Errorf("schedules: %s", diff)
	}
	if diff := cmp.Diff(runs, gotRuns); diff != "" {
		w.t.Errorf("runs: %s", diff)
	}
	w.Calm()
	if err := got.Affected.AgreesWith(w.LastChange(functest.Jane)); err != nil {
		w.t.Error(err)
	}
}

// busyWorld is one where each key that Jane has had has schedules and work: one is
// deleted, phasedOut and active are the others.
func busyWorld(t *testing.T) (w world, phasedOut, active apikey.KeyID) {
	w = world{functest.New(t), t}
	start := func(id apikey.KeyID, run string) {
		w.Pass(time.Second)
		w.Run(functest.Jane, id, run, time.Hour)
	}
	deleted := w.Create(functest.Jane).Key.ID
	w.Bind(functest.Jane, "first", deleted)
	start(deleted, "run-1")
	phasedOut = w.Rotate(functest.Jane).Key.ID
	w.DeleteOne(functest.Jane, deleted)
	w.Bind(functest.Jane, "second-a", phasedOut)
	w.Bind(functest.Jane, "second-b", phasedOut)
	start(phasedOut, "run-2")
	active = w.Rotate(functest.Jane).Key.ID
	w.Bind(functest.Jane, "follows", apikey.KeyID{})
	w.Bind(functest.Jane, "third", active)
	start(active, "run-3")
	start(active, "run-4")
	w.EndRun(w.Run(functest.Jane, active, "ended", time.Hour))
	w.Run(functest.Jane, active, "over", time.Minute)
	w.Pass(time.Minute)
	w.Calm()
	return w, phasedOut, active
}

func TestDeletionOfOneKeyHitsWhatHangsOnIt(t *testing.T) {
	w, phasedOut, active := busyWorld(t)
	w.wantAffected(w.send(deleteOne(phasedOut.String())), []string{"second-a key_deleted", "second-b key_deleted"}, []string{"run-2"})
	w.Rotate(functest.Jane)
	w.wantAffected(w.send(deleteOne(active.String())), []string{"third key_deleted"}, []string{"run-3", "run-4"})
	unused := w.Ring(functest.Jane).Active.ID
	w.Rotate(functest.Jane)
	w.wantAffected(w.send(deleteOne(unused.String())), nil, nil)
}

// Not what has lost its key before, and nothing when there is no key.
func TestDeletionOfAllKeysHitsWhatHangsOnAnyOfThem(t *testing.T) {
	w, _, _ := busyWorld(t)
	w.wantAffected(w.send(deleteAll),
		[]string{"follows no_active_key", "second-a key_deleted", "second-b key_deleted", "third key_deleted"},
		[]string{"run-2", "run-3", "run-4"})
	w.deleted(w.send(deleteAll))
	w.Create(functest.Jane)
	w.wantAffected(w.send(deleteAll), []string{"follows no_active_key"}, nil)
}

func TestDeletionNamesTheFirstHundredAndCountsAll(t *testing.T) {
	w := world{functest.New(t), t}
	id := w.Create(functest.Jane).Key.ID
	var ids, schedules, runs []string
	for i := range 130 {
		ids = append(ids, fmt.Sprintf("nightly-%03d", i))
		schedules = append(schedules, ids[i]+" key_deleted")
		runs = append(runs, fmt.Sprintf("run-%03d", i))
		w.Run(functest.Jane, id, runs[i], time.Hour)
		w.Pass(time.Second)
	}
	slices.Reverse(ids)
	w.BindMany(functest.Jane, ids, id)
	w.Rotate(functest.Jane)
	answer := w.send(deleteOne(id.String()))
	w.wantAffected(answer, schedules[:100], runs[:100])
	var got struct{ Affected functest.Affected }
	if answer.Decode(&got); got.Affected.ScheduleCount != 130 || got.Affected.RunCount != 130 {
		t.Errorf("%d schedules and %d runs are counted", got.Affected.ScheduleCount, got.Affected.RunCount)
	}
}

// Schedules are read when the ring says that there are any to hit; running
// operations whenever there is a key.
func TestCallsOfEachDeletion(t *testing.T) {
	w, phasedOut, active := busyWorld(t)
	deletion := func(name string, r functest.Request, want ...string) {
		t.Helper()
		w.Calm()
		w.Secrets.Transport.SetFault(awstest.Refuse(400, "AccessDeniedException")) // no repair, which reads the ring
		w.send(r).Must(http.StatusOK)
		calls := w.Table.Transport.TakeCalls()
		if diff := cmp.Diff(want, calls[:min(len(want), len(calls))]); diff != "" || slices.Contains(calls[len(want):], "Query") {
			t.Errorf("%s: calls of the table: %v", name, calls)
		}
		w.Calm()
	}
	deletion("one, with schedules", deleteOne(phasedOut.String()), "GetItem", "Query", "Query", "TransactWriteItems")
	w.Unbind(functest.Jane, "third")
	w.Rotate(functest.Jane)
	deletion("one, without schedules", deleteOne(active.String()), "GetItem", "Query", "TransactWriteItems")
	deletion("all, with schedules", deleteAll, "TransactGetItems", "Query", "Query", "TransactWriteItems")
	deletion("all, without keys", deleteAll, "TransactGetItems")
	for _, id := range []string{"first", "second-a", "second-b", "follows"} {
		w.Unbind(functest.Jane, id)
	}
	w.Create(functest.Jane)
	deletion("all, without schedules", deleteAll, "TransactGetItems", "Query", "TransactWriteItems")
}

// What is answered is what the deletion that was made has hit, not what one that
// lost would have.
func TestAffectedIsWhatTheDeletionThatIsMadeHits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, phasedOut, _ := busyWorld(t)
		w.meanwhile("TransactWriteItems", func() {
			w.Unbind(functest.Jane, "second-a")
			w.Bind(functest.Jane, "second-b", apikey.KeyID{})
			w.Run(functest.Jane, phasedOut, "run-2b", time.Hour)
		})
		w.wantAffected(w.send(deleteOne(phasedOut.String())), nil, []string{"run-2", "run-2b"})
	})
	// The other deletion takes the keys away: this one has none to delete.
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := busyWorld(t)
		w.meanwhile("TransactWriteItems", func() { w.DeleteAll(functest.Jane) })
		if got := w.deleted(w.send(deleteAll)); len(got.Deleted) != 0 {
			t.Errorf("answered %+v", got)
		}
	})
}

func TestDeletionWithoutKnowingWhatItHitsIsNotMade(t *testing.T) {
	for _, call := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			w, phasedOut, _ := busyWorld(t)
			before := w.Ring(functest.Jane).Revision
			for _, request := range []functest.Request{deleteAll, deleteOne(phasedOut.String())} {
				w.Table.Transport.SetFault(awstest.On("Query", awstest.From(call, awstest.Reset)))
				w.send(request).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				w.Calm()
				if now := w.Ring(functest.Jane).Revision; now != before {
					t.Errorf("the ring is at revision %d", now)
				}
			}
		})
	}
}

// An event that Lambda delivers again, late, must not delete the key that was made
// in between; it is told what was deleted then. Which operations were running is
// not on record, only how many.
func TestDeletionOfAllDeliveredTwiceDeletesNoKeyMadeSince(t *testing.T) {
	for name, request := range map[string]functest.Request{
		"without headers": deleteAll, "with an Idempotency-Key": deleteAll.With("Idempotency-Key", "key-1"), "with If-Match": deleteAll.With("If-Match", "*"),
	} {
		t.Run(name, func(t *testing.T) {
			w, _, _ := busyWorld(t)
			event, function := request.Event(), delete.New(w.World, w.Keys, w.Deployment, w.Log).Handle
			var first, again struct {
				Deleted  []functest.Key
				Revision int64
				Affected functest.Affected
			}
			w.Deliver(function, event).Must(http.StatusOK).Decode(&first)
			made := w.Create(functest.Jane).Key.ID
			w.Deliver(function, event).Must(http.StatusOK).Decode(&again)
			if ring := w.Ring(functest.Jane); ring.Active == nil || ring.Active.ID != made || len(w.Secrets.Names()) != 1 {
				t.Fatalf("left: Active %v, secrets %v", ring.Active, w.Secrets.Names())
			}
			if first.Affected.Runs = nil; len(again.Affected.Runs) != 0 {
				t.Errorf("runs: %v", again.Affected.Runs)
			}
			again.Affected.Runs = nil
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("answered (-) and then (+): %s", diff)
			}
		})
	}
}

// Two requests are two, also with the same Idempotency-Key: it is for creates and
// rotations.
func TestDeletionsOfAllAreNotTakenForEachOther(t *testing.T) {
	w := newWorld(t)
	request := deleteAll.With("Idempotency-Key", "key-1")
	for range 2 {
		if got := w.deleted(w.send(request)); len(got.Deleted) == 0 {
			t.Errorf("answered %+v", got)
		}
		w.Create(functest.Jane)
	}
}
