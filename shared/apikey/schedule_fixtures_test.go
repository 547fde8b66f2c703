package apikey_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

// following is a schedule that is to follow the Active key.
func following(scheduleID string) apikey.Schedule {
	return apikey.Schedule{ID: scheduleID, Binding: apikey.FollowActive, JobID: "job-1", Description: "every night"}
}

// pinned is a schedule that is to be pinned to an owner's n-th key.
func pinned(scheduleID string, n int) apikey.Schedule {
	return apikey.Schedule{
		ID: scheduleID, Binding: apikey.Pinned, KeyID: id(n),
		JobID: "job-1", JobType: "runtime_service", Service: "watsonx", Description: "every night",
	}
}

// boundAt is a schedule as a revision bound it.
func boundAt(s apikey.Schedule, revision int64, now time.Time) apikey.Schedule {
	s.Revision, s.BoundAt = revision, now
	return s
}

// bind binds schedules for the first time.
func bind(t *testing.T, ring apikey.Ring, schedules ...apikey.Schedule) (apikey.Ring, []apikey.Schedule) {
	t.Helper()
	var bound []apikey.Schedule
	for _, s := range schedules {
		next, _, schedule, err := ring.Bind(at(noon), nil, s)
		if err != nil {
			t.Fatalf("schedule %s: %v", s.ID, err)
		}
		ring, bound = next, append(bound, schedule)
	}
	return ring, bound
}

// ringOfEveryKind has the key 24 (Active), the keys 22 and 23 (Phased out), and
// remembers 12 to 21 of the deleted keys 1 to 21.
func ringOfEveryKind(t *testing.T) apikey.Ring {
	t.Helper()
	ring, _ := ringOf(t, 21).DeleteAll(at(later))
	ring, _, err := ring.Create(at(later), material(22))
	for n := 23; n <= 24 && err == nil; n++ {
		ring, _, err = ring.Rotate(at(later), material(n))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func deleted(t *testing.T, ring apikey.Ring, n int) apikey.Ring {
	t.Helper()
	next, _, err := ring.DeleteOne(at(later), id(n))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func forgotten(ring apikey.Ring) apikey.Ring {
	ring.Deleted = nil
	return ring
}

func rotatedOnce(t *testing.T, ring apikey.Ring, n int) apikey.Ring {
	t.Helper()
	next, _, err := ring.Rotate(at(later), material(n))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// wantNoBinding wants the ring back as it was, no event, and the code; "" is
// that there was nothing to change.
func wantNoBinding(t *testing.T, before, after apikey.Ring, event *apikey.Event, err error, code apikey.Code) {
	t.Helper()
	if apikey.CodeOf(err) != code {
		t.Errorf("got %v, want %q", err, code)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the ring changed (-before +after):\n%s", diff)
	}
	if event != nil {
		t.Errorf("there is an event: %+v", event)
	}
}

// wantScheduleEvent wants the change announced with its schedules, at the
// ring's revision, and of no key.
func wantScheduleEvent(t *testing.T, event *apikey.Event, kind apikey.EventType, ring apikey.Ring, schedules ...apikey.Schedule) {
	t.Helper()
	if event == nil {
		t.Fatal("there is no event")
	}
	want := eventOf(kind, ring.Revision, later, ring.SecretARN)
	want.Schedules = schedules
	wantEvent(t, *event, want)
}
