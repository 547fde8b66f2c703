package authorizer_test

import (
	"testing"
	"time"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	rotated := (*functest.World).JaneHasRotated
	running := func(w *functest.World) { rotated(w); trainingRuns(t, w) }
	scheduled := func(w *functest.World) { rotated(w); loadIsScheduled(t, w) }
	functest.Golden(t,
		func(w *functest.World) any { return authorizer.New(w, w.Keys.Rings, w.Now, w.Log) },
		functest.Case{Event: "authorizer/webhook", Given: rotated},
		functest.Case{Event: "authorizer/webhook-batch", Given: scheduled},
		functest.Case{Event: "authorizer/webhook-renewal", Given: running},
		functest.Case{Event: "authorizer/webhook-end", Given: running},
		functest.Case{Event: "authorizer/direct-credential", Given: rotated},
		functest.Case{Event: "authorizer/direct-owner", Given: rotated},
		functest.Case{Event: "authorizer/direct-schedule", Given: scheduled},
		functest.Case{Event: "authorizer/direct-batch", Given: scheduled},
		functest.Case{Event: "authorizer/direct-renewal", Given: running},
		functest.Case{Event: "authorizer/direct-end", Given: running},
		functest.Case{Event: "authorizer/rest-token", Given: rotated},
		functest.Case{Event: "authorizer/rest-request", Given: rotated},
		functest.Case{Event: "authorizer/rest-request-refused", Given: rotated},
		functest.Case{Event: "authorizer/http-api", Given: rotated},
		functest.Case{Event: "authorizer/http-api-refused", Given: rotated},
		functest.Case{Event: "authorizer/http-api-1.0", Given: rotated},
	)
}

// loadIsScheduled binds the schedule of events/ to Jane's Active key.
func loadIsScheduled(t *testing.T, w *functest.World) {
	t.Helper()
	bind(t, w, functest.Jane, apikey.Schedule{ID: "nightly-load", Binding: apikey.FollowActive})
}

// trainingRuns begins the run of events/ a quarter of an hour ago.
func trainingRuns(t *testing.T, w *functest.World) {
	t.Helper()
	startedAt := w.Now().Add(-15 * time.Minute)
	_, err := w.Keys.Rings.RecordRun(t.Context(), jobauth.Run{
		Owner: functest.Jane, KeyID: w.Ring(functest.Jane).Active.ID,
		JobID: "nightly-churn-model", RunID: "2026-11-16", JobType: jobauth.ModelTraining,
		StartedAt: startedAt, LeaseExpiresAt: startedAt.Add(jobauth.DefaultLease),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// bind binds a schedule, past its function, and returns its reference.
func bind(t testing.TB, w *functest.World, owner apikey.Owner, s apikey.Schedule) apikey.ScheduleRef {
	t.Helper()
	command := apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorUser, ID: owner.IAMID}, Now: w.Now(), CorrelationID: "story"}
	_, err := w.Keys.Rings.UpdateSchedule(t.Context(), owner, s.ID, store.Idempotency{},
		func(ring apikey.Ring, before *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
			next, event, _, err := ring.Bind(command, before, s)
			return next, event, err
		})
	if err != nil {
		t.Fatal(err)
	}
	return apikey.ScheduleRef{Locator: owner.Locator(), ID: s.ID}
}
