package apikey_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

// schedulesOfEveryKind are one that follows and one pinned to each kind of key
// that ringOfEveryKind has, had or never had.
var schedulesOfEveryKind = []apikey.Schedule{
	following("follows"), pinned("pinned to the Active key", 24),
	pinned("pinned to a Phased out key", 23), pinned("pinned to the other", 22),
	pinned("pinned to a deleted key", 21), pinned("pinned to a forgotten key", 1), pinned("pinned to no key", 900),
}

func TestEveryScheduleInEveryState(t *testing.T) {
	ring := ringOfEveryKind(t)
	gone, _ := ring.DeleteAll(at(later))
	const (
		ready, phasedOut = apikey.ScheduleReady, apikey.ScheduleKeyPhasedOut
		deleted, none    = apikey.ScheduleKeyDeleted, apikey.ScheduleWithoutActive
	)
	seen := map[apikey.ScheduleState]bool{}
	for _, c := range []struct {
		name string
		ring apikey.Ring
		want [7]apikey.ScheduleState // of schedulesOfEveryKind
	}{
		{"never had a key", apikey.Ring{Owner: ada}, [7]apikey.ScheduleState{none, deleted, deleted, deleted, deleted, deleted, deleted}},
		{"keys of every kind", ring, [7]apikey.ScheduleState{ready, ready, phasedOut, phasedOut, deleted, deleted, deleted}},
		{"rotated", rotatedOnce(t, ring, 25), [7]apikey.ScheduleState{ready, phasedOut, phasedOut, phasedOut, deleted, deleted, deleted}},
		{"all keys deleted", gone, [7]apikey.ScheduleState{none, deleted, deleted, deleted, deleted, deleted, deleted}},
	} {
		for i, want := range c.want {
			t.Run(c.name+"/"+schedulesOfEveryKind[i].ID, func(t *testing.T) {
				got := c.ring.StateOf(schedulesOfEveryKind[i])
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				seen[got] = true
			})
		}
	}
	for _, state := range apikey.ScheduleStates {
		if !seen[state] {
			t.Errorf("no case has the state %s", state)
		}
	}
}

// A schedule waits for its key in vain, but for one that follows: a new key is
// another key.
func TestABindingOutlivesItsKeyAndFindsNoOther(t *testing.T) {
	ring, bound := bind(t, ringOf(t, 1), following("f"), pinned("p", 1))
	want := func(when string, follows, pinned apikey.ScheduleState) {
		t.Helper()
		if f, p := ring.StateOf(bound[0]), ring.StateOf(bound[1]); f != follows || p != pinned {
			t.Errorf("%s: the one that follows is %s, want %s; the one that is pinned is %s, want %s", when, f, follows, p, pinned)
		}
		if ring.ScheduleCount != 2 {
			t.Errorf("%s: %d schedules", when, ring.ScheduleCount)
		}
	}
	want("bound", apikey.ScheduleReady, apikey.ScheduleReady)
	ring = rotatedOnce(t, ring, 2)
	want("rotated", apikey.ScheduleReady, apikey.ScheduleKeyPhasedOut)
	ring = deleted(t, ring, 1)
	want("its key deleted", apikey.ScheduleReady, apikey.ScheduleKeyDeleted)
	ring, _ = ring.DeleteAll(at(later))
	want("all keys deleted", apikey.ScheduleWithoutActive, apikey.ScheduleKeyDeleted)
	ring, _, err := ring.Create(at(later), material(3))
	if err != nil {
		t.Fatal(err)
	}
	want("a new key", apikey.ScheduleReady, apikey.ScheduleKeyDeleted)
}

func TestEveryChangeOfKeysAffectsTheSchedulesThatItStops(t *testing.T) {
	ring := ringOfEveryKind(t)
	gone, _ := ring.DeleteAll(at(later))
	rotation := func(r apikey.Ring) apikey.AffectedSchedules { return r.ByRotation(schedulesOfEveryKind) }
	deletionOf := func(n int) func(apikey.Ring) apikey.AffectedSchedules {
		return func(r apikey.Ring) apikey.AffectedSchedules { return r.ByDeletion(id(n), schedulesOfEveryKind) }
	}
	ofAll := func(r apikey.Ring) apikey.AffectedSchedules { return r.ByDeletionOfAll(schedulesOfEveryKind) }
	for _, c := range []struct {
		name string
		ring apikey.Ring
		by   func(apikey.Ring) apikey.AffectedSchedules
		want []int // of schedulesOfEveryKind
	}{
		{"rotation", ring, rotation, []int{1}},
		{"rotation without a key", gone, rotation, nil},
		{"deletion of the Active key", ring, deletionOf(24), []int{0, 1}},
		{"deletion of a Phased out key", ring, deletionOf(23), []int{2}},
		{"deletion of the other", ring, deletionOf(22), []int{3}},
		{"deletion of a key that has no schedule", rotatedOnce(t, ring, 25), deletionOf(25), []int{0}},
		{"deletion of all keys", ring, ofAll, []int{0, 1, 2, 3}},
		{"deletion of all keys, again", gone, ofAll, nil},
		{"deletion of all keys that never were", apikey.Ring{Owner: ada}, ofAll, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := apikey.AffectedSchedules{Count: len(c.want)}
			for _, i := range c.want {
				want.First = append(want.First, schedulesOfEveryKind[i])
			}
			if diff := cmp.Diff(want, c.by(c.ring)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheFirstHundredAffectedAreNamedAndAllAreCounted(t *testing.T) {
	ring := ringOf(t, 1)
	for _, count := range []int{0, 1, 99, 100, 101, 1000} {
		var all []apikey.Schedule
		for i := range count {
			all = append(all, pinned(fmt.Sprintf("s%03d", i), 1))
		}
		for name, got := range map[string]apikey.AffectedSchedules{
			"rotation":             ring.ByRotation(all),
			"deletion of one key":  ring.ByDeletion(id(1), all),
			"deletion of all keys": ring.ByDeletionOfAll(all),
		} {
			if !slices.Equal(got.First, all[:min(count, 100)]) || got.Count != count {
				t.Errorf("%s with %d schedules: %d named, %d counted", name, count, len(got.First), got.Count)
			}
		}
	}
}
