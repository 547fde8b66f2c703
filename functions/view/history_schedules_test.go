package view_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

// boundSchedule is a schedule as a change bound it.
type boundSchedule struct{ ID, Binding, KeyID string }

func TestHistoryShowsTheSchedulesOfEachChange(t *testing.T) {
	w := newWorld(t)
	first := w.Create(functest.Jane).Key.ID
	w.Bind(functest.Jane, "nightly", apikey.KeyID{})
	w.Bind(functest.Jane, "weekly", first)
	w.Bind(functest.Jane, "nightly", first)
	w.Unbind(functest.Jane, "weekly")
	var got []string
	for _, change := range w.history(t, nil).Changes {
		got = append(got, fmt.Sprint(change.Revision, " ", change.Type, " ", len(change.Keys), " ", change.Schedules))
		if change.ID == "" || change.OccurredAt.IsZero() || change.CorrelationID != "story" || change.Actor.ID != functest.Jane.IAMID {
			t.Errorf("%+v", change)
		}
	}
	if diff := cmp.Diff([]string{
		fmt.Sprintf("5 User API Key Schedule Unbound 0 [{weekly pinned %s}]", first),
		fmt.Sprintf("4 User API Key Schedule Bound 0 [{nightly pinned %s}]", first),
		fmt.Sprintf("3 User API Key Schedule Bound 0 [{weekly pinned %s}]", first),
		"2 User API Key Schedule Bound 0 [{nightly follow_active }]",
		"1 User API Key Created 1 []",
	}, got); diff != "" {
		t.Errorf("want (-) and shown (+): %s", diff)
	}
}

// A rebinding is a change of as many schedules as one change may bind.
func TestHistoryShowsAllSchedulesOfOneChange(t *testing.T) {
	w := newWorld(t)
	id := w.Create(functest.Jane).Key.ID
	var ids []string
	for i := range 97 {
		ids = append(ids, fmt.Sprintf("nightly-%02d", i))
	}
	w.BindMany(functest.Jane, ids, id)
	changes := w.history(t, nil).Changes
	if len(changes) != 2 || len(changes[0].Schedules) != 97 || changes[0].Schedules[96] != (boundSchedule{"nightly-96", "pinned", id.String()}) {
		t.Errorf("shown: %+v", changes)
	}
}

// What a change hit is counted; what it did not hit is left out.
func TestHistoryCountsWhatAChangeHit(t *testing.T) {
	w := newWorld(t)
	first := w.Create(functest.Jane).Key.ID
	w.Bind(functest.Jane, "weekly", first)
	w.Bind(functest.Jane, "nightly", apikey.KeyID{})
	w.Run(functest.Jane, first, "run-1", time.Hour)
	w.Rotate(functest.Jane)
	w.DeleteOne(functest.Jane, first)
	w.Run(functest.Jane, w.Ring(functest.Jane).Active.ID, "run-2", time.Hour)
	w.DeleteAll(functest.Jane)
	var got []string
	for _, change := range w.history(t, nil).Changes {
		got = append(got, fmt.Sprint(change.Type, " ", change.AffectedScheduleCount, " ", change.AffectedRunCount))
	}
	if diff := cmp.Diff([]string{
		"User API Key All Deleted 1 1", // nightly; weekly had lost its key already
		"User API Key Deleted 1 1",
		"User API Key Rotated 1 0",
		"User API Key Schedule Bound 0 0",
		"User API Key Schedule Bound 0 0",
		"User API Key Created 0 0",
	}, got); diff != "" {
		t.Errorf("want (-) and shown (+): %s", diff)
	}
	body := w.send(viewHistory).Must(http.StatusOK).Body
	for name, want := range map[string]int{"affectedScheduleCount": 3, "affectedRunCount": 2, `"schedules"`: 2} {
		if n := strings.Count(body, name); n != want {
			t.Errorf("%s is shown %d times, want %d", name, n, want)
		}
	}
}
