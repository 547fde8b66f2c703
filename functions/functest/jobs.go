package functest

import (
	"context"
	"slices"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// Bind binds a schedule of the owner's, past every function: pins it to the key,
// or has it follow the Active one when that is zero.
func (w *World) Bind(owner apikey.Owner, id string, pinnedTo apikey.KeyID) {
	w.t.Helper()
	w.changeSchedule(owner, id, func(ring apikey.Ring, before *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
		next, event, _, err := ring.Bind(w.command(owner), before, scheduleOf(id, pinnedTo))
		return next, event, err
	})
}

// BindMany pins schedules of the owner's to the key, or has them follow the Active
// one, past every function: as many at once as one change may bind.
func (w *World) BindMany(owner apikey.Owner, ids []string, pinnedTo apikey.KeyID) {
	w.t.Helper()
	for some := range slices.Chunk(ids, store.MaxSchedulesPerChange) {
		w.update(owner, func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
			next, change := ring, apikey.Event{}
			for _, id := range some {
				next.Revision = ring.Revision
				bound, event, _, err := next.Bind(w.command(owner), nil, scheduleOf(id, pinnedTo))
				if err != nil {
					return ring, change, err
				}
				event.Schedules = append(change.Schedules, event.Schedules...)
				next, change = bound, *event
			}
			return next, change, nil
		})
	}
}

// Unbind ends the binding of a schedule of the owner's, past every function.
func (w *World) Unbind(owner apikey.Owner, id string) {
	w.t.Helper()
	w.changeSchedule(owner, id, func(ring apikey.Ring, bound *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
		next, event := ring.Unbind(w.command(owner), *bound)
		return next, event, nil
	})
}

func scheduleOf(id string, pinnedTo apikey.KeyID) apikey.Schedule {
	if pinnedTo == (apikey.KeyID{}) {
		return apikey.Schedule{ID: id, Binding: apikey.FollowActive}
	}
	return apikey.Schedule{ID: id, Binding: apikey.Pinned, KeyID: pinnedTo}
}

func (w *World) changeSchedule(owner apikey.Owner, id string, change store.ScheduleChange) {
	w.t.Helper()
	if _, err := w.Keys.Rings.UpdateSchedule(w.t.Context(), owner, id, store.Idempotency{}, change); err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) command(owner apikey.Owner) apikey.Command {
	return apikey.Command{Actor: request(owner).Actor, Now: w.Now(), CorrelationID: "story"}
}

// Schedules are all of the owner's, by their ids.
func (w *World) Schedules(owner apikey.Owner) map[string]apikey.Schedule {
	w.t.Helper()
	all, err := w.Keys.Rings.AllSchedules(w.t.Context(), owner.Locator())
	if err != nil {
		w.t.Fatal(err)
	}
	byID := map[string]apikey.Schedule{}
	for _, s := range all {
		byID[s.ID] = s
	}
	return byID
}

// LastChange is the newest change in the owner's history.
func (w *World) LastChange(owner apikey.Owner) apikey.Event {
	w.t.Helper()
	changes, _, err := w.Keys.Rings.History(w.t.Context(), owner.Locator(), store.MaxRevision, 1)
	if err != nil || len(changes) == 0 {
		w.t.Fatalf("no change, %v", err)
	}
	return changes[0]
}

// Run records a running operation of the owner's under the key, with a lease that
// runs out in so long, past every function.
func (w *World) Run(owner apikey.Owner, id apikey.KeyID, runID string, lease time.Duration) jobauth.Run {
	w.t.Helper()
	run, err := w.Keys.Rings.RecordRun(w.t.Context(), jobauth.Run{
		Owner: owner, KeyID: id, JobID: "train-churn-model", RunID: runID, JobType: jobauth.ModelTraining,
		StartedAt: w.Now(), LeaseExpiresAt: w.Now().Add(lease),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// EndRun ends a running operation, past every function.
func (w *World) EndRun(run jobauth.Run) {
	w.t.Helper()
	if err := w.Keys.Rings.EndRun(w.t.Context(), run.Ref(), ""); err != nil {
		w.t.Fatal(err)
	}
}

// Use notes that a key of the owner's is used now.
func (w *World) Use(owner apikey.Owner, id apikey.KeyID) {
	w.t.Helper()
	if err := w.Keys.Rings.Use(w.t.Context(), w.Ring(owner), id); err != nil {
		w.t.Fatal(err)
	}
}
