package apikey_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

func TestRebindPinsSchedulesOfAnyOtherKeyToTheActiveOne(t *testing.T) {
	ring, bound := bind(t, ringOf(t, 1), pinned("a", 1), pinned("b", 1), pinned("c", 1), following("f"))
	ring, _, err := ring.Rotate(at(later), material(2))
	if err != nil {
		t.Fatal(err)
	}
	ring, _ = bind(t, ring, pinned("d", 2))
	for name, ring := range map[string]apikey.Ring{
		"from a Phased out key":                   ring,
		"from a deleted key":                      deleted(t, ring, 1),
		"from a key that was deleted and forgot":  forgotten(deleted(t, ring, 1)),
		"from a Phased out key that is not last":  rotatedOnce(t, ring, 3),
		"from a deleted key, with another Active": rotatedOnce(t, deleted(t, ring, 1), 3),
	} {
		t.Run(name, func(t *testing.T) {
			next, event, rebound, err := ring.Rebind(at(later), bound[:2])
			want := ring
			want.Revision++
			want.Active = new(*ring.Active)
			want.Active.PinnedCount += 2
			want.PhasedOut = slices.Clone(ring.PhasedOut)
			for i, key := range want.PhasedOut {
				if key.ID == id(1) {
					want.PhasedOut[i].PinnedCount = 1
				}
			}
			wantRing(t, next, err, want)
			var wantSchedules []apikey.Schedule
			for _, s := range bound[:2] {
				s.KeyID = ring.Active.ID
				wantSchedules = append(wantSchedules, boundAt(s, ring.Revision+1, later))
			}
			wantScheduleEvent(t, event, apikey.EventScheduleBound, next, wantSchedules...)
			if diff := cmp.Diff(wantSchedules, rebound); diff != "" {
				t.Errorf("rebound (-want +got):\n%s", diff)
			}
			for _, s := range rebound {
				if state := next.StateOf(s); state != apikey.ScheduleReady {
					t.Errorf("schedule %s is %s", s.ID, state)
				}
			}
		})
	}
}

func TestRebindNeedsAnActiveKeyAndSchedules(t *testing.T) {
	ring, bound := bind(t, ringOf(t, 1), pinned("a", 1))
	gone, _ := ring.DeleteAll(at(later))
	for _, c := range []struct {
		name      string
		ring      apikey.Ring
		schedules []apikey.Schedule
		want      apikey.Code
	}{
		{"never had a key", apikey.Ring{Owner: ada}, bound, apikey.CodeNoActiveKey},
		{"all keys deleted", gone, bound, apikey.CodeNoActiveKey},
		{"all keys deleted, no schedules", gone, nil, apikey.CodeNoActiveKey},
		{"no schedules", ring, nil, ""},
		{"an empty list", ring, []apikey.Schedule{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, event, rebound, err := c.ring.Rebind(at(later), c.schedules)
			wantNoBinding(t, c.ring, next, event, err, c.want)
			if len(rebound) != 0 {
				t.Errorf("rebound %+v", rebound)
			}
		})
	}
}

func TestUnbindEndsABindingInEveryState(t *testing.T) {
	ring, bound := bind(t, ringOf(t, 1), following("f"), pinned("p", 1), pinned("q", 1))
	rotated := rotatedOnce(t, ring, 2)
	gone, _ := rotated.DeleteAll(at(later))
	for name, ring := range map[string]apikey.Ring{"key Active": ring, "key Phased out": rotated, "key deleted": gone} {
		for _, s := range bound[:2] {
			t.Run(name+"/"+string(s.Binding), func(t *testing.T) {
				next, event := ring.Unbind(at(later), s)
				left := 2
				if s.Binding == apikey.Pinned {
					left = 1
				}
				want := ring
				want.Revision, want.ScheduleCount = ring.Revision+1, 2
				switch {
				case len(ring.PhasedOut) > 0:
					want.PhasedOut = slices.Clone(ring.PhasedOut)
					want.PhasedOut[0].PinnedCount = left
				case ring.Active != nil:
					want.Active = new(*ring.Active)
					want.Active.PinnedCount = left
				}
				wantRing(t, next, nil, want)
				wantScheduleEvent(t, event, apikey.EventScheduleUnbound, next, s)
			})
		}
	}
}
