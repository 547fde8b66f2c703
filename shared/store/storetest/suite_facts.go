package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// facts reads what is needed, and wants no error.
func (h *harness) facts(needs ...jobauth.Needs) []jobauth.Facts {
	h.t.Helper()
	facts, errs := h.store.Facts(h.t.Context(), needs)
	if len(facts) != len(needs) || len(errs) != len(needs) {
		h.t.Fatalf("%d needs, %d facts, %d errors", len(needs), len(facts), len(errs))
	}
	for i, err := range errs {
		if err != nil {
			h.t.Fatalf("needs %d: %v", i, err)
		}
	}
	return facts
}

// fact is Fact, and wants it to be what Facts says.
func (h *harness) fact(needs jobauth.Needs) jobauth.Facts {
	h.t.Helper()
	fact, err := h.store.Fact(h.t.Context(), needs)
	if err != nil {
		h.t.Fatal(err)
	}
	if diff := cmp.Diff(h.facts(needs)[0], fact); diff != "" {
		h.t.Errorf("%+v: facts (-) and the fact (+): %s", needs, diff)
	}
	return fact
}

// Whoever needs what, of which owner, how often, and whether it is there or not:
// each gets its own, in order.
func factsAreInOrder(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.pinAll(120)
	h.must(h.rotate(""))
	ring, schedules := h.ring(), h.allSchedules()
	locator := h.owner.Locator()

	h.owner = NewOwner(t)
	h.must(h.create(""))
	h.must(h.bind(following("s007")))
	otherRing, otherSchedule := h.ring(), h.schedule("s007")
	nobody := NewOwner(t).Locator()

	needs := []jobauth.Needs{
		{Ring: locator}, {Ring: nobody}, {Ring: h.owner.Locator(), ScheduleID: "s007"}, {Ring: locator, ScheduleID: "s007"},
		{Ring: nobody, ScheduleID: "s007"}, {Ring: locator, ScheduleID: "absent"}, {Ring: h.owner.Locator()}, {Ring: locator},
	}
	want := []jobauth.Facts{
		{Ring: ring}, {}, {Ring: otherRing, Schedule: otherSchedule}, {Ring: ring, Schedule: &schedules[7]},
		{}, {Ring: ring}, {Ring: otherRing}, {Ring: ring},
	}
	for n := 119; n >= 0; n-- {
		needs = append(needs, jobauth.Needs{Ring: locator, ScheduleID: fmt.Sprintf("s%03d", n)})
		want = append(want, jobauth.Facts{Ring: ring, Schedule: &schedules[n]})
	}
	if diff := cmp.Diff(want, h.facts(needs...)); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
	for i := range 9 {
		if diff := cmp.Diff(want[i], h.fact(needs[i])); diff != "" {
			t.Errorf("%+v alone (-want +got): %s", needs[i], diff)
		}
	}
	if facts := h.facts(); len(facts) != 0 {
		t.Errorf("nothing was needed: %+v", facts)
	}
}

// A decision that begins after a change has answered sees the change.
func factsAreCurrent(t *testing.T, h *harness) {
	needs := jobauth.Needs{Ring: h.owner.Locator(), ScheduleID: "nightly"}
	want := func(when string, revision int64, state apikey.ScheduleState) {
		t.Helper()
		fact := h.fact(needs)
		if fact.Ring.Revision != revision || (fact.Schedule == nil) != (state == "") {
			t.Fatalf("%s: %+v at revision %d, want %d", when, fact.Schedule, fact.Ring.Revision, revision)
		}
		if state != "" && fact.Ring.StateOf(*fact.Schedule) != state {
			t.Errorf("%s: %s, want %s", when, fact.Ring.StateOf(*fact.Schedule), state)
		}
	}
	want("never", 0, "")
	pin := func() apikey.Schedule {
		return apikey.Schedule{ID: "nightly", Binding: apikey.Pinned, KeyID: h.ring().Active.ID}
	}
	h.must(h.create(""))
	want("created", 1, "")
	for revision := int64(1); revision < 16; revision += 5 {
		h.must(h.bind(pin()))
		want("pinned", revision+1, apikey.ScheduleReady)
		h.must(h.rotate(""))
		want("rotated", revision+2, apikey.ScheduleKeyPhasedOut)
		h.must(h.bind(following("nightly")))
		want("follows", revision+3, apikey.ScheduleReady)
		h.must(h.deleteOldest())
		want("deleted", revision+4, apikey.ScheduleReady)
		h.must(h.unbind("nightly"))
		want("unbound", revision+5, "")
	}
	h.must(h.bind(pin()))
	h.must(h.deleteAll())
	want("all deleted", 18, apikey.ScheduleKeyDeleted)
}
