package sweep_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
)

func TestDueKeysAreRotatedOnceByTheirOwnersPolicyOrTheDeployments(t *testing.T) {
	for name, c := range map[string]struct {
		own        *apikey.RotationPolicy
		deployment apikey.RotationPolicy
		// day is the first on which the key is due; 0 is never.
		day int
	}{
		"the deployment's":               {nil, apikey.RotationPolicy{MaxAgeDays: 90}, 90},
		"the deployment's, with notice":  {nil, ofDeployment, 90},
		"the deployment's is off":        {nil, apikey.RotationPolicy{}, 0},
		"the deployment's deletes only":  {nil, apikey.RotationPolicy{DeletePhasedOutAfterDays: 1}, 0},
		"own, shorter":                   {&apikey.RotationPolicy{MaxAgeDays: 30}, ofDeployment, 30},
		"own, longer":                    {&apikey.RotationPolicy{MaxAgeDays: 365}, ofDeployment, 365},
		"own, where the deployment's is": {&apikey.RotationPolicy{MaxAgeDays: 1}, apikey.RotationPolicy{}, 1},
		"own is off":                     {&apikey.RotationPolicy{}, ofDeployment, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { dueOnDay(t, c.own, c.deployment, c.day) })
		})
	}
}

func dueOnDay(t *testing.T, own *apikey.RotationPolicy, deployment apikey.RotationPolicy, day int) {
	w := newWorld(t)
	user := userN(0)
	first := w.create(user)
	if own != nil {
		w.setPolicy(user, *own)
	}
	last := day
	if last == 0 {
		last = 390 // the history is kept for 400
	}
	pass(days(last) - time.Minute)
	if got := w.start(deployment).run(); got.Rotated != 0 || got.Failed != 0 {
		t.Errorf("a minute before: %+v", got)
	}
	pass(time.Minute)
	for again := range 3 {
		got := w.start(deployment).run()
		if want := day != 0 && again == 0; got.Rotated != 0 != want || got.Failed != 0 || got.LeftOver != 0 {
			t.Errorf("run %d: %+v", again+1, got)
		}
	}
	ring := w.ring(user)
	if (ring.Active.ID == first) != (day == 0) || ring.Active.CreatedBy.Kind == apikey.ActorSchedule != (day != 0) {
		t.Errorf("the ring is %+v", ring)
	}
	w.wantAgreement()
}

func TestAnotherDefaultReachesEveryRingWithoutAPolicyOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 230 { // more than two pages of the index
			w.create(userN(n))
		}
		w.setPolicy(userN(7), apikey.RotationPolicy{MaxAgeDays: 365})
		pass(days(30))
		wantCounts(t, w.start(apikey.RotationPolicy{MaxAgeDays: 365}).run(), sweep.Counts{})
		wantCounts(t, w.start(apikey.RotationPolicy{MaxAgeDays: 30}).run(), sweep.Counts{Rotated: 229})
		wantCounts(t, w.start(apikey.RotationPolicy{MaxAgeDays: 30}).run(), sweep.Counts{})
		w.wantAgreement()
	})
}

// What is not old enough for anything to be due costs nothing: two questions of the
// index, and the day's walk.
func TestRingsOfWhichNothingCanBeDueAreNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 30 {
			w.create(userN(n))
		}
		w.setPolicy(userN(0), ofDeployment)
		w.setPolicy(userN(1), apikey.RotationPolicy{})
		p := w.start(ofDeployment)
		p.run() // with the day's walk
		w.rotate(userN(2))
		pass(time.Hour)
		p.table.TakeCalls()
		p.secrets.TakeCalls()
		wantCounts(t, p.run(), sweep.Counts{})
		if diff := cmp.Diff([]string{"Query", "Query", "GetItem"}, append(p.table.TakeCalls(), p.secrets.TakeCalls()...)); diff != "" {
			t.Errorf("calls (-want +got): %s", diff)
		}
	})
}

// An index that lags leads to rings that are not due any more, and not yet to those
// that are: the first are left alone, and the second come next time.
func TestAnIndexThatLagsMakesNothingWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create(userN(0))
		w.create(userN(1))
		pass(days(90))
		p := w.start(ofDeployment)
		p.run()
		rotated := w.ring(userN(0)).Revision
		w.deleteAll(userN(1))
		// Without the time that an index takes.
		for range 3 {
			if counts, err := p.Handle(t.Context()); err != nil || counts != (sweep.Counts{}) {
				t.Errorf("%+v, %v", counts, err)
			}
		}
		if w.ring(userN(0)).Revision != rotated || w.ring(userN(1)).Active != nil {
			t.Errorf("the rings are %+v and %+v", w.ring(userN(0)), w.ring(userN(1)))
		}
	})
}

func TestARotationIsAnnouncedOnceForEachKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		user := userN(0)
		keys := []apikey.KeyID{w.create(user)}
		dueAt := []time.Time{time.Now().Add(days(90))}
		for day := range 200 {
			counts := w.sweep()
			wantCounts(t, w.sweep(), sweep.Counts{})
			if counts.Rotated > 0 {
				keys = append(keys, w.ring(user).Active.ID)
				dueAt = append(dueAt, w.ring(user).Active.CreatedAt.Add(days(90)))
			}
			if t.Failed() {
				t.Fatalf("on day %d", day)
			}
			pass(days(1))
		}
		if len(keys) != 3 {
			t.Fatalf("%d keys", len(keys))
		}
		announced := w.notices(apikey.EventRotationDue)
		if len(announced) != 2 {
			t.Fatalf("%d announcements: %+v", len(announced), announced)
		}
		for i, notice := range announced {
			early := notice.DueAt.Sub(notice.OccurredAt)
			if notice.Keys[0].ID != keys[i] || !notice.DueAt.Equal(dueAt[i]) || early > days(14) || early < days(13) {
				t.Errorf("announced %v before: %+v", early, notice)
			}
			if notice.Owner != user || notice.Actor.Kind != apikey.ActorSchedule {
				t.Errorf("announced as %+v", notice)
			}
		}
	})
}

func TestPhasedOutKeysAreDeletedUnlessARunningOperationHoldsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		user := userN(0)
		first := w.create(user)
		second, third := w.rotate(user), w.rotate(user)
		pass(days(30) - time.Minute)
		wantCounts(t, w.sweep(), sweep.Counts{})
		w.hold(user, second, time.Hour)
		pass(2 * time.Minute)
		wantCounts(t, w.sweep(), sweep.Counts{Deleted: 1})
		wantCounts(t, w.sweep(), sweep.Counts{})
		ring := w.ring(user)
		if _, exists := ring.Key(first); exists || len(ring.PhasedOut) != 1 || ring.PhasedOut[0].ID != second || ring.Active.ID != third {
			t.Errorf("the ring is %+v", ring)
		}
		pass(time.Hour)
		wantCounts(t, w.sweep(), sweep.Counts{Deleted: 1})
		if ring := w.ring(user); len(ring.PhasedOut) != 0 || ring.Active.ID != third {
			t.Errorf("the ring is %+v", ring)
		}
		w.wantAgreement()
	})
}

// Twenty Phased out keys leave no room for another: those whose time is over go
// first, and nothing is announced to have failed.
func TestAFullRingIsRotatedWhenItsOldKeysMayBeDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		user := userN(0)
		w.create(user)
		for range apikey.MaxPhasedOut {
			pass(apikey.AllowanceRefillPeriod)
			w.rotate(user)
		}
		pass(days(90))
		wantCounts(t, w.sweep(), sweep.Counts{Rotated: 1, Deleted: apikey.MaxPhasedOut})
		if failed := w.notices(apikey.EventRotationFailed); len(failed) != 0 {
			t.Errorf("announced: %+v", failed)
		}
		w.wantAgreement()
	})
}

func TestARotationThatFailsIsAnnouncedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		full, fine := userN(0), userN(1)
		w.create(full)
		for range apikey.MaxPhasedOut {
			pass(apikey.AllowanceRefillPeriod)
			w.rotate(full)
		}
		w.create(fine)
		keep := apikey.RotationPolicy{MaxAgeDays: 90}
		pass(days(90))
		p := w.start(keep)
		wantCounts(t, p.run(), sweep.Counts{Rotated: 1, Failed: 1})
		for range 9 {
			wantCounts(t, p.run(), sweep.Counts{Failed: 1})
			pass(time.Hour)
		}
		var got []string
		for _, notice := range w.notices(apikey.EventRotationFailed) {
			got = append(got, fmt.Sprint(notice.Owner.IAMID, " ", notice.Reason, " ", notice.Keys[0].ID == w.ring(full).Active.ID))
		}
		if diff := cmp.Diff([]string{full.IAMID + " too_many_phased_out_keys true"}, got); diff != "" {
			t.Errorf("announced (-want +got): %s", diff)
		}
		pass(days(1))
		p.run()
		if failed := w.notices(apikey.EventRotationFailed); len(failed) != 2 {
			t.Errorf("on the next day: %+v", failed)
		}
		if slices.ContainsFunc(w.notices(apikey.EventRotationFailed), func(e apikey.Event) bool { return e.Actor.Kind != apikey.ActorSchedule }) {
			t.Error("announced by somebody else")
		}
	})
}
