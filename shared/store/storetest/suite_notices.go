package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

func (h *harness) wantAnnounced(when string, want bool, event apikey.Event) {
	h.t.Helper()
	announced, err := h.store.Announce(h.t.Context(), event)
	if err != nil || announced != want {
		h.t.Errorf("%s: announced: %v, %v", when, announced, err)
	}
}

// What is announced beside the changes is announced once for a key, or once for a
// key and day, or hour, of the clock.
func announcedOnce(t *testing.T, h *harness) {
	h.clock.Store(h.inTheFuture().Add(22*time.Hour + 30*time.Minute).UnixMilli())
	old := h.must(h.create("")).Ring.Active.ID
	h.must(h.rotate(""))
	for _, kind := range []struct {
		name  string
		event func(apikey.Ring) apikey.Event
		// again are the times after which it is announced again.
		again []time.Duration
	}{
		{"due", func(r apikey.Ring) apikey.Event { return r.RotationDue(h.command(), h.now()) }, nil},
		{
			"failed", func(r apikey.Ring) apikey.Event { return r.RotationFailed(h.command(), apikey.CodeUnavailable) },
			[]time.Duration{90 * time.Minute},
		},
		{
			"refused", func(r apikey.Ring) apikey.Event {
				return r.UseRefused(h.command(), old, "key_phased_out", apikey.Job{})
			},
			[]time.Duration{30 * time.Minute, 90 * time.Minute},
		},
	} {
		start := h.now()
		ring := h.ring()
		h.wantAnnounced(kind.name, true, kind.event(ring))
		for _, after := range []time.Duration{0, 29*time.Minute + 59*time.Second, 30 * time.Minute, 89 * time.Minute, 90 * time.Minute} {
			h.clock.Store(start.Add(after).UnixMilli())
			h.wantAnnounced(fmt.Sprint(kind.name, " ", after, " later"), slices.Contains(kind.again, after), kind.event(ring))
			h.wantAnnounced(fmt.Sprint(kind.name, " ", after, " later, again"), false, kind.event(ring))
		}
		h.clock.Store(start.UnixMilli())
	}
	// Another key is another matter.
	h.must(h.rotate(""))
	h.wantAnnounced("the next key's", true, h.ring().RotationDue(h.command(), h.now()))
	h.owner = NewOwner(t)
	h.must(h.create(""))
	h.wantAnnounced("another owner's", true, h.ring().RotationDue(h.command(), h.now()))
}

func oneAnnouncesAmongMany(t *testing.T, h *harness) {
	h.must(h.create(""))
	event := h.ring().RotationDue(h.command(), h.now())
	announced := 0
	for _, code := range inParallel(20, func(int) apikey.Code {
		done, err := h.store.Announce(t.Context(), event)
		if done && err == nil {
			return "announced"
		}
		return apikey.CodeOf(err)
	}) {
		switch code {
		case "announced":
			announced++
		case "":
		default:
			t.Errorf("announcing among others: %s", code)
		}
	}
	if announced != 1 {
		t.Errorf("announced %d times", announced)
	}
}

func notYetAnnounced(t *testing.T, h *harness) {
	var rings []apikey.Ring
	var want []apikey.Ring
	for n := range 3 {
		h.owner = NewOwner(t)
		ring := h.must(h.create("")).Ring
		if n == 1 {
			h.wantAnnounced("one", true, ring.RotationDue(h.command(), h.now()))
		} else {
			want = append(want, ring)
		}
		rings = append(rings, ring)
	}
	got, err := h.store.NotYetAnnounced(t.Context(), rings)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got: %s", err, diff)
	}
}

// Everything that was announced in a span of time is found, both ends included,
// whole, and nothing else.
func noticesOfASpanAreFound(t *testing.T, h *harness) {
	start := h.inTheFuture()
	at := func(after time.Duration) { h.clock.Store(start.Add(after).UnixMilli()) }
	var events []apikey.Event
	note := func(result store.Result) { events = append(events, *result.Event) }
	note(h.must(h.create("key-1"))) // on the second
	at(100 * time.Millisecond)
	note(h.must(h.rotate("")))
	at(120 * time.Millisecond)
	due := h.ring().RotationDue(h.command(), start.AddDate(0, 0, 7))
	h.wantAnnounced("due", true, due)
	at(123 * time.Millisecond)
	note(h.must(h.bind(following("nightly"))))
	at(time.Second)
	note(h.setPolicy(apikey.RotationPolicy{MaxAgeDays: 30}))
	at(time.Second + time.Millisecond)
	note(h.must(h.deleteAll()))
	events = slices.Insert(events, 2, due)

	for _, c := range []struct {
		since, until time.Duration
		first, last  int // of the events
	}{
		{0, time.Hour, 0, 6},
		{-time.Hour, time.Hour, 0, 6},
		{0, 0, 0, 1},
		{0, 119 * time.Millisecond, 0, 2},
		{time.Millisecond, 120 * time.Millisecond, 1, 3},
		{101 * time.Millisecond, 999 * time.Millisecond, 2, 4},
		{121 * time.Millisecond, time.Second, 3, 5},
		{time.Second, time.Second + time.Millisecond, 4, 6},
		{time.Second + 2*time.Millisecond, time.Hour, 6, 6},
		{124 * time.Millisecond, 999 * time.Millisecond, 0, 0},
	} {
		name := fmt.Sprint(c.since, " to ", c.until)
		got := h.noticesBetween(start.Add(c.since), start.Add(c.until))
		slices.SortFunc(got, func(a, b apikey.Event) int { return a.OccurredAt.Compare(b.OccurredAt) })
		want := append([]apikey.Event(nil), events[c.first:c.last]...)
		// The event of an announcement gets its id when it is written.
		ignoreID := cmpopts.IgnoreFields(apikey.Event{}, "ID")
		if diff := cmp.Diff(want, got, ignoreID, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got): %s", name, diff)
		}
		for _, event := range got {
			if event.ID == "" || event.Type != apikey.EventRotationDue && !slices.ContainsFunc(want, func(w apikey.Event) bool { return w.ID == event.ID }) {
				t.Errorf("%s: the id of %s is %q", name, event.Type, event.ID)
			}
		}
	}
}

// noticesBetween are this owner's.
func (h *harness) noticesBetween(since, until time.Time) (events []apikey.Event) {
	h.t.Helper()
	for cursor, first := "", true; first || cursor != ""; first = false {
		found, next, err := h.store.NoticesBetween(h.t.Context(), since, until, cursor)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, notice := range found {
			if notice.Err == nil && notice.Event.Owner == h.owner {
				events = append(events, notice.Event)
			}
		}
		cursor = next
	}
	return events
}
