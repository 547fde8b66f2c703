package infra_test

import (
	"context"
	"fmt"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
)

// The story goes on: in June the owner pins one schedule to the first key and
// has another one follow the Active key. In November a job of that one is under
// way when the owner rotates the key.
var (
	boundAt      = time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	runStartedAt = time.Date(2026, 11, 2, 16, 30, 0, 0, time.UTC)
)

const (
	pinnedID     = "monthly-report"
	pinnedRef    = "cpds_De-LAohaz4LmwjBN1gIm6QcfRldtb250aGx5LXJlcG9ydA"
	followingID  = "nightly-training"
	followingRef = "cpds_jgviqYhaz4LmwjBN1gIm6QcfRlduaWdodGx5LXRyYWluaW5n"
	// foreignRef is of another account's schedule.
	foreignRef   = "cpds_71J3YFR4scJcxGHvK-uPQOpaYFZuaWdodGx5LXRyYWluaW5n"
	sampleRunRef = "cpdr_WKhX7ZrHuROqf7KZfzTulFCbd0WgNprJz5JQCneaMMZ4eIL7p"
	// boardReport is what is noted of the pinned schedule.
	boardReport = `"jobId":"sales-forecast-7","jobType":"decision_optimization","description":"Goes to the board"`
	// schedulesCursor leads to what the list of schedules has after the pinned one.
	schedulesCursor = "OZHL_ALHJBVtb250aGx5LXJlcG9ydA"
)

// keyInJune makes the first sample key and lets a month pass.
func keyInJune(w *world) {
	keyCreated(w)
	w.now = boundAt
}

// schedulesBound binds both schedules, which leads to the revision 3.
func schedulesBound(w *world) {
	keyInJune(w)
	w.bind(apikey.Schedule{
		ID: pinnedID, Binding: apikey.Pinned, KeyID: w.keyID(firstKeyID), JobID: "sales-forecast-7",
		JobType: string(jobauth.DecisionOptimization), Description: "Goes to the board",
	})
	w.bind(apikey.Schedule{ID: followingID, Binding: apikey.FollowActive})
}

// runStarted has a job of the following schedule recorded as a run of two hours.
func runStarted(w *world) {
	schedulesBound(w)
	w.now = runStartedAt
	ask := w.operation("authorizeJob")
	w.must(200, call{operation: ask, body: ask.bodyLike(w.t, "boundSchedule")})
}

// runStartedBeforeRotation lets time pass, until the rotation.
func runStartedBeforeRotation(w *world) {
	runStarted(w)
	w.now = rotatedAt
}

// scheduleKeyPhasedOut leaves a schedule that is pinned to a Phased out key.
func scheduleKeyPhasedOut(w *world) {
	schedulesBound(w)
	w.now = rotatedAt
	w.rotateToSecond()
}

// runAfterRotation leaves a run as well, which holds that key.
func runAfterRotation(w *world) {
	runStartedBeforeRotation(w)
	w.rotateToSecond()
}

// scheduleKeyDeleted leaves a schedule that is pinned to a deleted key.
func scheduleKeyDeleted(w *world) {
	scheduleKeyPhasedOut(w)
	w.must(200, call{operation: w.operation("deleteKey"), keyID: firstKeyID})
}

// runAfterDeletion leaves a run as well, which held that key.
func runAfterDeletion(w *world) {
	runAfterRotation(w)
	w.must(200, call{operation: w.operation("deleteKey"), keyID: firstKeyID})
}

// runAfterDeletionOfAll leaves two schedules and a run, and no key.
func runAfterDeletionOfAll(w *world) {
	runAfterRotation(w)
	w.must(200, call{operation: w.operation("deleteAllKeys")})
}

// unboundAfterDeletion leaves the history that the contract shows.
func unboundAfterDeletion(w *world) {
	runAfterDeletion(w)
	w.must(204, call{operation: w.operation("unbindSchedule"), scheduleID: pinnedID})
}

func scheduleUnbound(w *world) {
	schedulesBound(w)
	w.must(204, call{operation: w.operation("unbindSchedule"), scheduleID: pinnedID})
}

func runEnded(w *world) {
	runStarted(w)
	w.must(204, call{operation: w.operation("endRun"), runRef: sampleRunRef})
}

// runForgotten lets so much time pass that the run is off the record.
func runForgotten(w *world) {
	runStarted(w)
	w.now = w.now.Add(2*time.Hour + jobauth.RecordPeriod)
}

// fullOfSchedules leaves as many schedules as may be, which are only counted.
func fullOfSchedules(w *world) {
	keyInJune(w)
	w.update(func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event, _, err := ring.Bind(w.command(), nil, apikey.Schedule{ID: pinnedID, Binding: apikey.FollowActive})
		next.ScheduleCount = apikey.MaxSchedules
		return next, *event, err
	})
}

// hundredOfPhasedOutKey leaves a hundred schedules that are pinned to it.
func hundredOfPhasedOutKey(w *world) {
	keyInJune(w)
	for half := range 2 {
		w.leap(int64(half)+2, func(ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
			var (
				last apikey.Event
				all  []apikey.Schedule
			)
			for i := range 50 {
				next, event, bound, err := ring.Bind(w.command(), nil, apikey.Schedule{
					ID: fmt.Sprintf("schedule-%d-%02d", half, i), Binding: apikey.Pinned, KeyID: w.keyID(firstKeyID),
				})
				if err != nil {
					return ring, last, err
				}
				bound.Revision = int64(half) + 2
				all = append(all, bound)
				ring, last = next, *event
			}
			last.Schedules = all
			return ring, last, nil
		})
	}
	w.rotateToSecond()
}

// secondRaceLost lets the first transaction through, and then others win.
func secondRaceLost(w *world) {
	w.table.Transport.SetFault(awstest.On("TransactWriteItems", awstest.From(2, transactionConflict)))
}

func (w *world) bind(s apikey.Schedule) {
	w.t.Helper()
	w.update(func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event, _, err := ring.Bind(w.command(), nil, s)
		if err != nil {
			return ring, apikey.Event{}, err
		}
		return next, *event, nil
	})
}

func (w *world) keyID(text string) apikey.KeyID {
	w.t.Helper()
	id, err := apikey.ParseUUID(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}
