package apikey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

func TestASchedulePinsTheActiveKeyOnly(t *testing.T) {
	never := apikey.Ring{Owner: ada}
	gone, _ := ringOf(t, 3).DeleteAll(at(later))
	const (
		allowed   = apikey.Code("")
		notActive = apikey.CodeKeyNotActive
		notFound  = apikey.CodeKeyNotFound
	)
	for _, c := range []struct {
		name     string
		ring     apikey.Ring
		schedule apikey.Schedule
		want     apikey.Code
	}{
		{"follows, never had a key", never, following("s"), allowed},
		{"follows, all keys deleted", gone, following("s"), allowed},
		{"follows, Active key", ringOf(t, 1), following("s"), allowed},
		{"pinned, never had a key", never, pinned("s", 1), notFound},
		{"pinned to no key, never had a key", never, apikey.Schedule{ID: "s", Binding: apikey.Pinned}, notFound},
		{"pinned to the only key", ringOf(t, 1), pinned("s", 1), allowed},
		{"pinned to the Active key of many", ringOf(t, 21), pinned("s", 21), allowed},
		{"pinned to the oldest Phased out key", ringOf(t, 21), pinned("s", 1), notActive},
		{"pinned to the newest Phased out key", ringOf(t, 21), pinned("s", 20), notActive},
		{"pinned to a deleted key, none left", gone, pinned("s", 3), notActive},
		{"pinned to a deleted key, among others", ringOfEveryKind(t), pinned("s", 12), notActive},
		{"pinned to a deleted key that was forgotten", ringOfEveryKind(t), pinned("s", 11), notFound},
		{"pinned to a key that never was", ringOfEveryKind(t), pinned("s", 900), notFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantBound := func(t *testing.T, before *apikey.Schedule, count int) {
				t.Helper()
				ring := c.ring
				ring.ScheduleCount = 7
				next, event, schedule, err := ring.Bind(at(later), before, c.schedule)
				if c.want != allowed {
					wantNoBinding(t, ring, next, event, err, c.want)
					if diff := cmp.Diff(apikey.Schedule{}, schedule); diff != "" {
						t.Errorf("refused, and there is a schedule (-none +got):\n%s", diff)
					}
					return
				}
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				want := boundAt(c.schedule, ring.Revision+1, later)
				wantScheduleEvent(t, event, apikey.EventScheduleBound, next, want)
				if diff := cmp.Diff(want, schedule); diff != "" {
					t.Errorf("schedule (-want +got):\n%s", diff)
				}
				if next.ScheduleCount != count {
					t.Errorf("there were 7 schedules and are %d", next.ScheduleCount)
				}
			}
			t.Run("for the first time", func(t *testing.T) { wantBound(t, nil, 8) })
			t.Run("bound to a key that was deleted before", func(t *testing.T) { wantBound(t, new(boundAt(pinned("s", 901), 1, noon)), 7) })
			t.Run("bound with another description before", func(t *testing.T) {
				before := boundAt(c.schedule, 1, noon)
				before.Description = "every morning"
				wantBound(t, &before, 7)
			})
		})
	}
}

// A binding changes nothing of a ring but its revision and its counts.
func TestBindChangesNothingButCounts(t *testing.T) {
	before, bound := bind(t, ringOf(t, 3), following("a"), pinned("b", 3))
	for _, c := range []struct {
		name          string
		was           *apikey.Schedule
		schedule      apikey.Schedule
		count, pinned int
	}{
		{"new, follows", nil, following("c"), 3, 1},
		{"new, pinned", nil, pinned("c", 3), 3, 2},
		{"followed, is pinned now", &bound[0], pinned("a", 3), 2, 2},
		{"was pinned, follows now", &bound[1], following("b"), 2, 0},
		{"pinned, and described now", &bound[1], apikey.Schedule{ID: "b", Binding: apikey.Pinned, KeyID: id(3)}, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ring, _, _, err := before.Bind(at(later), c.was, c.schedule)
			want := before
			want.Revision, want.ScheduleCount = before.Revision+1, c.count
			want.Active = new(*before.Active)
			want.Active.PinnedCount = c.pinned
			wantRing(t, ring, err, want)
		})
	}
}

func TestBoundAsItIsAlreadyChangesNothing(t *testing.T) {
	ring, bound := bind(t, ringOf(t, 1), following("a"), pinned("b", 1))
	rotated, _, err := ring.Rotate(at(later), material(2))
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := rotated.DeleteAll(at(later))
	for name, ring := range map[string]apikey.Ring{"key Active": ring, "key Phased out": rotated, "key deleted": gone} {
		for _, before := range bound {
			t.Run(name+"/"+string(before.Binding), func(t *testing.T) {
				again := before
				again.BoundAt, again.Revision = time.Time{}, 0
				next, event, schedule, err := ring.Bind(at(later), &before, again)
				wantNoBinding(t, ring, next, event, err, "")
				if diff := cmp.Diff(before, schedule); diff != "" {
					t.Errorf("schedule (-before +got):\n%s", diff)
				}
			})
		}
	}
}

func TestEveryFieldOfABindingIsAChange(t *testing.T) {
	for name, change := range map[string]func(*apikey.Schedule){
		"binding":     func(s *apikey.Schedule) { s.Binding, s.KeyID = apikey.FollowActive, apikey.KeyID{} },
		"job":         func(s *apikey.Schedule) { s.JobID = "job-2" },
		"job type":    func(s *apikey.Schedule) { s.JobType = "pipeline" },
		"service":     func(s *apikey.Schedule) { s.Service = "" },
		"description": func(s *apikey.Schedule) { s.Description = "every night " },
	} {
		t.Run(name, func(t *testing.T) {
			ring, bound := bind(t, ringOf(t, 1), pinned("s", 1))
			changed := bound[0]
			change(&changed)
			next, event, schedule, err := ring.Bind(at(later), &bound[0], changed)
			if err != nil {
				t.Fatal(err)
			}
			wantScheduleEvent(t, event, apikey.EventScheduleBound, next, boundAt(changed, ring.Revision+1, later))
			if diff := cmp.Diff(event.Schedules[0], schedule); diff != "" {
				t.Errorf("announced and returned (-announced +returned):\n%s", diff)
			}
		})
	}
}

// A key named beside follow_active is nobody's: it is neither kept nor counted,
// and naming another is no change.
func TestAScheduleThatFollowsNamesNoKey(t *testing.T) {
	s := following("s")
	s.KeyID = id(1)
	ring, event, schedule, err := ringOf(t, 1).Bind(at(noon), nil, s)
	if err != nil {
		t.Fatal(err)
	}
	if schedule.KeyID != (apikey.KeyID{}) || event.Schedules[0].KeyID != (apikey.KeyID{}) || ring.Active.PinnedCount != 0 {
		t.Errorf("bound as %+v, announced as %+v, %d pinned", schedule, event.Schedules, ring.Active.PinnedCount)
	}
	if _, event, _, err := ring.Bind(at(later), &schedule, s); event != nil || err != nil {
		t.Errorf("bound the same again: %+v, %v", event, err)
	}
}

func TestAnOwnerHasAtMostAThousandSchedules(t *testing.T) {
	ring, last := ringOf(t, 1), apikey.Schedule{}
	for n := range 1000 {
		next, _, schedule, err := ring.Bind(at(noon), nil, pinned("s"+strings.Repeat("x", n%100), 1))
		if err != nil {
			t.Fatalf("schedule %d: %v", n+1, err)
		}
		ring, last = next, schedule
	}
	if ring.ScheduleCount != 1000 || ring.Active.PinnedCount != 1000 || ring.Revision != 1001 {
		t.Fatalf("%d schedules, %d pinned, at revision %d", ring.ScheduleCount, ring.Active.PinnedCount, ring.Revision)
	}
	for _, more := range []apikey.Schedule{following("more"), pinned("more", 1)} {
		next, event, _, err := ring.Bind(at(later), nil, more)
		wantNoBinding(t, ring, next, event, err, apikey.CodeTooManySchedules)
	}
	// What the limit is not about: a schedule that is one of them.
	if next, _, _, err := ring.Bind(at(later), &last, following(last.ID)); err != nil || next.ScheduleCount != 1000 {
		t.Errorf("one of the thousand: %v, %d schedules", err, next.ScheduleCount)
	}
	next, _ := ring.Unbind(at(later), last)
	if next, _, _, err := next.Bind(at(later), nil, following("more")); err != nil || next.ScheduleCount != 1000 {
		t.Errorf("in the place of another: %v, %d schedules", err, next.ScheduleCount)
	}
}

// Which key is wrong is told first: that stays true when there is room.
func TestAKeyThatIsNotActiveIsToldEvenWhenThereIsNoRoom(t *testing.T) {
	ring := ringOf(t, 2)
	ring.ScheduleCount = apikey.MaxSchedules
	next, event, _, err := ring.Bind(at(later), nil, pinned("s", 1))
	wantNoBinding(t, ring, next, event, err, apikey.CodeKeyNotActive)
}

func TestBindingsAreKeptInMillisecondsOfUTC(t *testing.T) {
	now := time.Date(2026, 11, 3, 15, 0, 0, 123_999_999, time.FixedZone("+02:00", 2*60*60))
	want := later.Add(123 * time.Millisecond)
	ring, _, bound, err := ringOf(t, 1).Bind(at(now), nil, pinned("s", 1))
	if err != nil {
		t.Fatal(err)
	}
	_, event, rebound, err := rotatedOnce(t, ring, 2).Rebind(at(now), []apikey.Schedule{bound})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]time.Time{
		"bound": bound.BoundAt, "rebound": rebound[0].BoundAt, "announced": event.Schedules[0].BoundAt, "occurred": event.OccurredAt,
	} {
		if !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s at %v, want %v", name, got, want)
		}
	}
}

// How many schedules wait for a key is told by its ring, as it is now; an event
// would tell how it was.
func TestEventsOfKeysCarryNoCountThoughTheRingKeepsIt(t *testing.T) {
	ring, _ := bind(t, ringOf(t, 3), pinned("s", 3))
	for _, o := range []operation{rotate, deleteAll} {
		_, event, err := o.do(ring)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range event.Keys {
			if key.PinnedCount != 0 {
				t.Errorf("%s: key %v was announced with %d schedules", o.name, key.ID, key.PinnedCount)
			}
		}
	}
	if key, _ := rotatedOnce(t, ring, 4).Key(id(3)); key.PinnedCount != 1 {
		t.Errorf("after the rotation %d schedules are pinned to the old key", key.PinnedCount)
	}
}

func TestScheduleIDsAreWhatASchedulerMayChoose(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	for value := range 256 {
		character := string([]byte{byte(value)})
		want := strings.Contains(alphabet, character)
		for _, text := range []string{"n" + character, "nightly" + character, character + "nightly", "night" + character + "ly"} {
			if got := apikey.IsScheduleID(text); got != want {
				t.Errorf("%q is an id: %t", text, got)
			}
		}
	}
	for text, want := range map[string]bool{
		"":                       false,
		"a":                      true,
		alphabet:                 true,
		strings.Repeat("x", 127): true,
		strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false,
		strings.Repeat("é", 64):  false,
		".":                      false,
		"..":                     false,
		"...":                    true,
		".a":                     true,
		"cpd_nightly":            true,
		"cpdk_nightly":           false,
		"of-cpdk_":               false,
		"-":                      true,
		"../ring":                false,
		"a/b":                    false,
		`a\b`:                    false,
		"a b":                    false,
		"a\x00":                  false,
		"a\n":                    false,
		"a%2Fb":                  false,
		"a#b":                    false,
		"a~":                     false,
		"é":                      false,
		"ａ":                      false,
		"а":                      false, // Cyrillic
		"a\u200b":                false,
		"\u202ea":                false,
		"𝟎":                      false,
		"a\xff":                  false,
	} {
		if got := apikey.IsScheduleID(text); got != want {
			t.Errorf("%q is an id: %t", text, got)
		}
	}
}
