package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// pinAll pins so many new schedules to the Active key.
func (h *harness) pinAll(count int) {
	h.t.Helper()
	active := h.ring().Active.ID
	var schedules []apikey.Schedule
	for n := range count {
		schedules = append(schedules, apikey.Schedule{
			ID: fmt.Sprintf("s%03d", n), Binding: apikey.Pinned, KeyID: active, JobID: fmt.Sprint("job-", n), Description: "every night",
		})
	}
	h.bindAll(schedules...)
}

// rebind pins schedules to the Active key.
func (h *harness) rebind(schedules []apikey.Schedule) (store.Result, error) {
	return h.store.Update(h.t.Context(), h.owner, store.Idempotency{Key: "rebind", Operation: "rebind"},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, _, err := ring.Rebind(h.command(), schedules)
			return next, event, err
		})
}

// The largest rebinding fills a transaction: beside its schedules it has the
// ring, the event and an idempotency record.
func rebindingIsOneChange(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.pinAll(maxScheduleWrites)
	h.must(h.rotate(""))
	before := h.allSchedules()
	result := h.must(h.rebind(before))
	want := before
	for i := range want {
		want[i].KeyID, want[i].Revision, want[i].BoundAt = result.Ring.Active.ID, result.Ring.Revision, h.now()
	}
	if diff := cmp.Diff(want, h.allSchedules()); diff != "" {
		t.Errorf("schedules (-want +got): %s", diff)
	}
	ring := h.ring()
	if ring.Revision != 4 || ring.Active.PinnedCount != maxScheduleWrites || ring.PhasedOut[0].PinnedCount != 0 || ring.ScheduleCount != maxScheduleWrites {
		t.Errorf("ring: %+v", ring)
	}
	if diff := cmp.Diff(*result.Event, h.history(1)[0]); diff != "" || len(result.Event.Schedules) != maxScheduleWrites {
		t.Errorf("%d schedules; the event (-) and the history (+): %s", len(result.Event.Schedules), diff)
	}
}

// More than a transaction has room for is a defect of whoever asks: it is told as
// one, and nothing is written.
func rebindingOfTooManyIsRefused(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.pinAll(maxScheduleWrites + 1)
	h.must(h.rotate(""))
	ring, before := h.ring(), h.allSchedules()
	if _, err := h.rebind(before); apikey.CodeOf(err) != apikey.CodeInternal {
		t.Errorf("answered %v", err)
	}
	if diff := cmp.Diff(ring, h.ring()); diff != "" {
		t.Errorf("ring (-before +after): %s", diff)
	}
	if diff := cmp.Diff(before, h.allSchedules()); diff != "" {
		t.Errorf("schedules (-before +after): %s", diff)
	}
}

// What a change of keys affects is part of its event, in the history and in the
// record that its idempotency key stands for.
func affectedAreReadBack(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.pinAll(120)
	affected := h.ring().ByRotation(h.allSchedules())
	rotate := func() (store.Result, error) {
		material := Material(t, h.owner)
		return h.store.Update(t.Context(), h.owner, store.Idempotency{Key: "key-1", Operation: "rotate"},
			func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
				next, event, err := ring.Rotate(h.command(), material)
				event.AffectedSchedules, event.AffectedRuns = affected, 3
				return next, &event, err
			})
	}
	first := h.must(rotate())
	if got := first.Event.AffectedSchedules; got.Count != 120 || len(got.First) != apikey.MaxAffected {
		t.Fatalf("%d are affected, %d named", got.Count, len(got.First))
	}
	if diff := cmp.Diff(*first.Event, h.history(1)[0]); diff != "" {
		t.Errorf("the event (-) and the history (+): %s", diff)
	}
	again := h.must(rotate())
	if diff := cmp.Diff(first.Event, again.Event); diff != "" || !again.Replayed {
		t.Errorf("replayed: %v; the first answer (-) and its replay (+): %s", again.Replayed, diff)
	}
	// A rotation writes no schedule: they wait to be bound again.
	for _, s := range h.allSchedules() {
		if state := h.ring().StateOf(s); state != apikey.ScheduleKeyPhasedOut {
			t.Fatalf("schedule %s is %s", s.ID, state)
		}
	}
}

// Many bind and unbind at once; what is bound in the end is what the ring counts.
func concurrentBindingsAreCounted(t *testing.T, h *harness) {
	active := h.must(h.create("")).Ring.Active.ID
	const workers = 12
	codes := inParallel(workers, func(i int) apikey.Code {
		s := following(fmt.Sprint("s", i%4))
		if i%3 == 0 {
			s.Binding, s.KeyID = apikey.Pinned, active
		}
		_, err := h.bind(s)
		if err == nil && i%6 == 5 {
			_, err = h.unbind(s.ID)
		}
		return apikey.CodeOf(err)
	})
	for _, code := range codes {
		if code != "" && code != apikey.CodeConflict {
			t.Errorf("a binding among others: %s", code)
		}
	}
	ring, bound := h.ring(), h.allSchedules()
	pinned := len(ring.ByRotation(bound).First)
	if ring.ScheduleCount != len(bound) || ring.Active.PinnedCount != pinned || int64(len(h.history(100))) != ring.Revision {
		t.Errorf("%d of %d schedules are pinned; the ring, at revision %d, counts %d of %d", pinned, len(bound), ring.Revision, ring.Active.PinnedCount, ring.ScheduleCount)
	}
}
