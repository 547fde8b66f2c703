package functest

import (
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// Bind binds a schedule of the owner's, past every function. One that names a
// key is pinned to it.
func (w *World) Bind(owner apikey.Owner, id string, pinnedTo apikey.KeyID) {
	w.t.Helper()
	s := apikey.Schedule{ID: id, Binding: apikey.FollowActive}
	if pinnedTo != (apikey.KeyID{}) {
		s.Binding, s.KeyID = apikey.Pinned, pinnedTo
	}
	w.changeSchedule(owner, id, func(ring apikey.Ring, before *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
		next, event, _, err := ring.Bind(w.command(owner), before, s)
		return next, event, err
	})
}

// Unbind ends the binding of a schedule of the owner's, past every function.
func (w *World) Unbind(owner apikey.Owner, id string) {
	w.t.Helper()
	w.changeSchedule(owner, id, func(ring apikey.Ring, bound *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
		next, event := ring.Unbind(w.command(owner), *bound)
		return next, event, nil
	})
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
