package rotate_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// wantAffected checks which schedules a rotation says that it stopped, in its
// answer and in its event.
func (w world) wantAffected(answer functest.Answer, want ...string) {
	w.t.Helper()
	var got struct{ Affected functest.Affected }
	answer.Must(http.StatusCreated).Decode(&got)
	schedules, runs := got.Affected.Texts()
	if diff := cmp.Diff(want, schedules); diff != "" {
		w.t.Errorf("stopped: %s", diff)
	}
	if got.Affected.ScheduleCount < len(want) || got.Affected.RunCount+len(runs) != 0 {
		w.t.Errorf("affected: %+v", got.Affected)
	}
	w.Calm()
	if err := got.Affected.AgreesWith(w.LastChange(functest.Jane)); err != nil {
		w.t.Error(err)
	}
}

func (w world) active() apikey.KeyID {
	w.t.Helper()
	return w.Ring(functest.Jane).Active.ID
}

// Not those that follow, which go on under the new key, nor those that an earlier
// rotation stopped; and what is running goes on.
func TestRotationStopsThePinnedSchedulesOfItsKey(t *testing.T) {
	w := newWorld(t)
	w.Bind(functest.Jane, "weekly", w.active())
	w.Bind(functest.Jane, "monthly", w.active())
	w.Bind(functest.Jane, "nightly", apikey.KeyID{})
	w.Run(functest.Jane, w.active(), "run-1", time.Hour)
	w.wantAffected(w.send(rotateKey), "monthly key_phased_out", "weekly key_phased_out")
	w.Bind(functest.Jane, "hourly", w.active())
	w.Bind(functest.Jane, "monthly", w.active())
	w.Run(functest.Jane, w.active(), "run-2", time.Hour)
	w.wantAffected(w.send(rotateKey), "hourly key_phased_out", "monthly key_phased_out")
	w.wantAffected(w.send(rotateKey))
}

func TestRotationNamesTheFirstHundredAndCountsAll(t *testing.T) {
	w := newWorld(t)
	var ids, want []string
	for i := range 130 {
		ids = append(ids, fmt.Sprintf("nightly-%03d", i))
		want = append(want, ids[i]+" key_phased_out")
	}
	slices.Reverse(ids)
	w.BindMany(functest.Jane, ids, w.active())
	answer := w.send(rotateKey)
	w.wantAffected(answer, want[:100]...)
	var got struct{ Affected functest.Affected }
	if answer.Decode(&got); got.Affected.ScheduleCount != 130 {
		t.Errorf("%d schedules are counted", got.Affected.ScheduleCount)
	}
}

// The ring tells whether there are any: without pinned ones nothing is looked for.
func TestSchedulesAreReadOnlyWhenSomeArePinned(t *testing.T) {
	w := newWorld(t)
	rotation := func(want ...string) {
		t.Helper()
		w.Calm()
		w.rotated(w.send(rotateKey))
		if diff := cmp.Diff(want, w.Table.Transport.TakeCalls()); diff != "" {
			t.Errorf("calls of the table: %s", diff)
		}
	}
	rotation("TransactGetItems", "TransactWriteItems")
	w.Bind(functest.Jane, "nightly", apikey.KeyID{})
	rotation("TransactGetItems", "TransactWriteItems")
	w.Bind(functest.Jane, "weekly", w.active())
	rotation("TransactGetItems", "Query", "TransactWriteItems")
	rotation("TransactGetItems", "TransactWriteItems") // weekly waits already
	w.Bind(functest.Jane, "weekly", w.active())
	w.Unbind(functest.Jane, "weekly")
	rotation("TransactGetItems", "TransactWriteItems")
}

// What is answered is what the rotation that was made has stopped, not what one
// that lost would have.
func TestAffectedSchedulesAreThoseOfTheRotationThatIsMade(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(w world)
		want      []string
	}{
		"one more":             {func(w world) { w.Bind(functest.Jane, "another", w.active()) }, []string{"another key_phased_out", "weekly key_phased_out"}},
		"one less":             {func(w world) { w.Unbind(functest.Jane, "weekly") }, nil},
		"it follows now":       {func(w world) { w.Bind(functest.Jane, "weekly", apikey.KeyID{}) }, nil},
		"rotated by another":   {func(w world) { w.Rotate(functest.Jane) }, nil},
		"another key":          {func(w world) { w.DeleteAll(functest.Jane); w.Create(functest.Jane) }, nil},
		"bound to another key": {func(w world) { w.Rotate(functest.Jane); w.Bind(functest.Jane, "weekly", w.active()) }, []string{"weekly key_phased_out"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.Bind(functest.Jane, "weekly", w.active())
				w.Table.Transport.SetFault(awstest.On("TransactWriteItems", awstest.Once(awstest.Before(func() { test.meanwhile(w) }))))
				w.wantAffected(w.send(rotateKey), test.want...)
			})
		})
	}
}

// A replay tells what the rotation stopped then, whatever became of it.
func TestReplayTellsWhatTheRotationStopped(t *testing.T) {
	for name, request := range map[string]functest.Request{"with an Idempotency-Key": rotateOnce, "delivered twice": rotateKey} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var ids, stopped []string
			for i := range 110 {
				ids = append(ids, fmt.Sprintf("nightly-%03d", i))
				stopped = append(stopped, ids[i]+" key_phased_out")
			}
			w.BindMany(functest.Jane, ids, w.active())
			event, function := request.Event(), w.function()
			first := w.Deliver(function, event)
			w.wantAffected(first, stopped[:100]...)
			w.Bind(functest.Jane, "nightly-000", w.active())
			w.Unbind(functest.Jane, "nightly-001")
			w.Calm()
			if again := w.Deliver(function, event); again.Body != first.Body {
				t.Errorf("answered %s and then %s", first.Body, again.Body)
			}
			w.WantSecretsCalls("GetSecretValue") // whose key is Active yet
			w.WantCalls("TransactGetItems")
		})
	}
}

// A rotation that cannot tell what it stops is not made, and puts nothing into
// Secrets Manager.
func TestRotationWithoutKnowingWhatItStopsIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Bind(functest.Jane, "weekly", w.active())
		w.Calm()
		w.Table.Transport.SetFault(awstest.On("Query", awstest.Reset))
		w.send(rotateKey).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
		w.WantSecretsCalls()
		w.Calm()
		if ring := w.Ring(functest.Jane); ring.Revision != 2 || len(ring.PhasedOut) != 0 {
			t.Errorf("the ring is at revision %d", ring.Revision)
		}
	})
}
