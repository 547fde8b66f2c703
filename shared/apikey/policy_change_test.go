package apikey_test

import (
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// clock is the schedule that rotates keys.
var clock = apikey.Actor{Kind: apikey.ActorSchedule, ID: "sweep"}

func ofEvent(name string, kind apikey.EventType, change func(apikey.Ring) (apikey.Ring, *apikey.Event, error)) operation {
	return operation{name, kind, func(r apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event, err := change(r)
		switch {
		case err != nil:
			return next, apikey.Event{}, err
		case event == nil:
			return next, apikey.Event{}, errNothingToDelete
		}
		return next, *event, nil
	}}
}

func setPolicy(p apikey.RotationPolicy) operation {
	return ofEvent("set the policy", apikey.EventPolicyChanged, func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		return r.SetPolicy(at(later), p)
	})
}

var (
	suspend = ofEvent("suspend", apikey.EventOwnerSuspended, func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event := r.Suspend(at(later))
		return next, event, nil
	})
	reinstate = ofEvent("reinstate", apikey.EventOwnerReinstated, func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event := r.Reinstate(at(later))
		return next, event, nil
	})
)

func withPolicy(ring apikey.Ring) apikey.Ring {
	ring.Policy = &apikey.RotationPolicy{MaxAgeDays: 30}
	return ring
}

func suspended(t *testing.T, ring apikey.Ring) apikey.Ring {
	t.Helper()
	next, _, err := suspend.do(ring)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestSetPolicyChangesThePolicyAndNothingElse(t *testing.T) {
	policy := clockPolicy
	for name, before := range map[string]apikey.Ring{
		"never had a key": {Owner: ada}, "none before": ringOf(t, 3), "another before": withPolicy(ringOf(t, 3)), "suspended": suspended(t, ringOf(t, 3)),
	} {
		t.Run(name, func(t *testing.T) {
			ring, event, err := setPolicy(policy).do(before)
			want := before
			want.Revision++
			want.Policy = &policy
			wantRing(t, ring, err, want)
			wantAnnounced := eventOf("User API Key Rotation Policy Changed", want.Revision, later, before.SecretARN)
			wantAnnounced.Policy = &policy
			wantEvent(t, event, wantAnnounced)
		})
	}
}

func TestAPolicyThatChangesNothingIsNoChange(t *testing.T) {
	same := withPolicy(ringOf(t, 2))
	wantRefused(t, same, setPolicy(apikey.RotationPolicy{MaxAgeDays: 30}), nothingToDelete)
	// Off of one's own is another thing than the deployment's.
	wantPolicy(t, ringOf(t, 2), apikey.RotationPolicy{})
	off := ringOf(t, 2)
	off.Policy = &apikey.RotationPolicy{}
	wantRefused(t, off, setPolicy(apikey.RotationPolicy{}), nothingToDelete)
}

func wantPolicy(t *testing.T, before apikey.Ring, policy apikey.RotationPolicy) {
	t.Helper()
	next, event, err := setPolicy(policy).do(before)
	if err != nil || next.Policy == nil || *next.Policy != policy || event.Policy == nil || *event.Policy != policy {
		t.Errorf("the ring has %v, the event %v, %v", next.Policy, event.Policy, err)
	}
}

func TestAPolicyThatIsNotValidChangesNothing(t *testing.T) {
	wantRefused(t, withPolicy(ringOf(t, 2)), setPolicy(apikey.RotationPolicy{MaxAgeDays: 3651}), apikey.CodeInvalidRequest)
}

func TestSuspendDeletesEveryKeyAndIsOneChange(t *testing.T) {
	before := withPolicy(ringOf(t, 3))
	ring, event, err := suspend.do(before)
	wantRing(t, ring, err, apikey.Ring{
		Owner:         ada,
		Revision:      4,
		Deleted:       []apikey.DeletedKey{deletedKey(1, later), deletedKey(2, later), deletedKey(3, later)},
		Policy:        before.Policy,
		Suspended:     true,
		LastCreatedAt: before.LastCreatedAt,
	})
	wantEvent(t, event, eventOf("User API Key Owner Suspended", 4, later, "arn:secret",
		announced(before.PhasedOut[0]), announced(before.PhasedOut[1]), announced(*before.Active)))
}

func TestAnOwnerWithoutKeysIsSuspendedToo(t *testing.T) {
	gone, _ := ringOf(t, 1).DeleteAll(at(noon))
	ring, event, err := suspend.do(gone)
	want := gone
	want.Revision, want.Suspended = 3, true
	wantRing(t, ring, err, want)
	wantEvent(t, event, eventOf("User API Key Owner Suspended", 3, later, ""))
}

func TestReinstateEndsTheSuspensionAndNothingElse(t *testing.T) {
	before := suspended(t, withPolicy(ringOf(t, 2)))
	ring, event, err := reinstate.do(before)
	want := before
	want.Revision, want.Suspended = 4, false
	wantRing(t, ring, err, want)
	wantEvent(t, event, eventOf("User API Key Owner Reinstated", 4, later, ""))
	if _, _, err := create.do(ring); err != nil {
		t.Errorf("create after it: %v", err)
	}
}

func TestSuspensionsAreNotRepeated(t *testing.T) {
	wantRefused(t, suspended(t, ringOf(t, 2)), suspend, nothingToDelete)
	wantRefused(t, ringOf(t, 2), reinstate, nothingToDelete)
}

func TestNothingThatASuspendedOwnerDoesMakesAKey(t *testing.T) {
	ring := suspended(t, ringOf(t, 3))
	for _, c := range []struct {
		operation operation
		want      apikey.Code
	}{
		{create, apikey.CodeOwnerSuspended},
		{rotate, apikey.CodeNoActiveKey},
		{rotateByTheClock(900, later), apikey.CodeNoActiveKey},
		{deleteKey("delete a key that was", id(3)), apikey.CodeKeyNotFound},
		{deleteAll, nothingToDelete},
	} {
		wantRefused(t, ring, c.operation, c.want)
	}
	next, _, err := setPolicy(clockPolicy).do(ring)
	if err != nil || next.Active != nil || !next.Suspended {
		t.Errorf("a policy made the ring %+v, %v", next, err)
	}
	if next, _, _, err := next.Bind(at(later), nil, following("a")); err != nil || next.Active != nil || !next.Suspended {
		t.Errorf("a schedule made the ring %+v, %v", next, err)
	}
}

func TestTheClockDrawsOnNoAllowance(t *testing.T) {
	ring := ringOf(t, 2)
	ring.Allowance = usedUp(t, later)
	wantRefused(t, ring, rotate, apikey.CodeRotationRateExceeded)
	next, event, err := rotateByTheClock(900, later).do(ring)
	if err != nil || next.Allowance != ring.Allowance || next.Active.CreatedBy != clock || event.Actor != clock {
		t.Errorf("%v; the allowance was %v and is %v, by %v", err, ring.Allowance, next.Allowance, event.Actor)
	}
}

// What is announced beside the changes is of the revision that it was seen at,
// and leaves the ring as it is.
func TestNoticesAreOfTheRingAsItIs(t *testing.T) {
	ring := deleted(t, ringOf(t, 4), 2)
	byTheClock := apikey.Command{Actor: clock, Now: later, CorrelationID: "run-1"}
	notice := func(kind apikey.EventType, keys ...apikey.Key) apikey.Event {
		e := eventOf(kind, 5, later, "arn:secret", keys...)
		e.Actor, e.CorrelationID = clock, "run-1"
		return e
	}
	job := apikey.Job{ID: "job-1", Type: "runtime_service", Service: "forecasts"}
	due := notice("User API Key Rotation Due", announced(*ring.Active))
	due.DueAt = later.Add(time.Hour)
	failed := notice("User API Key Rotation Failed", announced(*ring.Active))
	failed.Reason = "too_many_phased_out_keys"
	refused := notice("User API Key Use Refused", announced(ring.PhasedOut[0]))
	refused.Reason, refused.Job = "key_phased_out", job
	ofDeleted := notice("User API Key Use Refused", apikey.Key{ID: id(2)})
	ofDeleted.Reason = "key_deleted"
	for name, c := range map[string]struct{ got, want apikey.Event }{
		"rotation due":            {ring.RotationDue(byTheClock, later.Add(time.Hour)), due},
		"rotation failed":         {ring.RotationFailed(byTheClock, apikey.CodeTooManyPhasedOutKeys), failed},
		"use of a Phased out key": {ring.UseRefused(byTheClock, id(1), "key_phased_out", job), refused},
		"use of a deleted key":    {ring.UseRefused(byTheClock, id(2), "key_deleted", apikey.Job{}), ofDeleted},
	} {
		t.Run(name, func(t *testing.T) { wantEvent(t, c.got, c.want) })
	}
}

func TestWhatEachTypeOfEventDoesToKeys(t *testing.T) {
	for kind, want := range map[apikey.EventType]struct{ deletes, changesKeys bool }{
		apikey.EventCreated:         {false, true},
		apikey.EventRotated:         {false, true},
		apikey.EventPhasedOut:       {false, true},
		apikey.EventDeleted:         {true, true},
		apikey.EventAllDeleted:      {true, true},
		apikey.EventOwnerSuspended:  {true, true},
		apikey.EventOwnerReinstated: {false, false},
		apikey.EventPolicyChanged:   {false, false},
		apikey.EventScheduleBound:   {false, false},
		apikey.EventScheduleUnbound: {false, false},
		apikey.EventRotationDue:     {false, false},
		apikey.EventRotationFailed:  {false, false},
		apikey.EventUseRefused:      {false, false},
	} {
		if kind.Deletes() != want.deletes || kind.ChangesKeys() != want.changesKeys {
			t.Errorf("%s deletes: %t, changes keys: %t", kind, kind.Deletes(), kind.ChangesKeys())
		}
	}
}
