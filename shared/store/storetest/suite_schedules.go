package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// maxScheduleWrites is how many schedules one transaction has room for.
const maxScheduleWrites = 97

func following(id string) apikey.Schedule {
	return apikey.Schedule{ID: id, Binding: apikey.FollowActive}
}

// bind binds a schedule, over what it is bound as.
func (h *harness) bind(s apikey.Schedule) (store.Result, error) {
	return h.store.UpdateSchedule(h.t.Context(), h.owner, s.ID, store.Idempotency{},
		func(ring apikey.Ring, before *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
			next, event, _, err := ring.Bind(h.command(), before, s)
			return next, event, err
		})
}

func (h *harness) unbind(id string) (store.Result, error) {
	return h.store.UpdateSchedule(h.t.Context(), h.owner, id, store.Idempotency{},
		func(ring apikey.Ring, before *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
			if before == nil {
				return ring, nil, nil
			}
			next, event := ring.Unbind(h.command(), *before)
			return next, event, nil
		})
}

// bindAll binds new schedules, as many in one transaction as it has room for: the
// ring comes to what so many changes would make of it.
func (h *harness) bindAll(schedules ...apikey.Schedule) {
	h.t.Helper()
	for chunk := range slices.Chunk(schedules, maxScheduleWrites) {
		h.must(h.store.Update(h.t.Context(), h.owner, store.Idempotency{},
			func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
				revision := ring.Revision + 1
				var announcement *apikey.Event
				var bound []apikey.Schedule
				for _, s := range chunk {
					next, event, schedule, err := ring.Bind(h.command(), nil, s)
					if err != nil {
						return ring, nil, err
					}
					schedule.Revision = revision
					ring, announcement, bound = next, event, append(bound, schedule)
				}
				ring.Revision, announcement.Revision, announcement.Schedules = revision, revision, bound
				return ring, announcement, nil
			}))
	}
}

func (h *harness) schedule(id string) *apikey.Schedule {
	h.t.Helper()
	facts, err := h.store.Fact(h.t.Context(), jobauth.Needs{Ring: h.owner.Locator(), ScheduleID: id})
	if err != nil {
		h.t.Fatal(err)
	}
	return facts.Schedule
}

// schedules reads all pages.
func (h *harness) schedules(limit int) (all []apikey.Schedule) {
	h.t.Helper()
	after := ""
	for {
		page, more, err := h.store.Schedules(h.t.Context(), h.owner.Locator(), after, limit)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page) > limit || more && len(page) < limit || !more && len(page) == 0 && len(all) > 0 {
			h.t.Errorf("after %q a page of %d has %d schedules, more: %v", after, limit, len(page), more)
		}
		all = append(all, page...)
		if !more {
			return all
		}
		after = page[len(page)-1].ID
	}
}

func (h *harness) allSchedules() []apikey.Schedule {
	h.t.Helper()
	all, err := h.store.AllSchedules(h.t.Context(), h.owner.Locator())
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func idsOf(schedules []apikey.Schedule) []string {
	ids := make([]string, len(schedules))
	for i, s := range schedules {
		ids[i] = s.ID
	}
	return ids
}

func scheduleIsOfItsChange(t *testing.T, h *harness) {
	if got := h.schedule("nightly"); got != nil {
		t.Fatalf("before it is bound: %+v", got)
	}
	active := h.must(h.create("")).Ring.Active.ID
	wantBound := func(when string, result store.Result) {
		t.Helper()
		if diff := cmp.Diff(&result.Event.Schedules[0], h.schedule("nightly")); diff != "" {
			t.Errorf("%s: the schedule of the change (-) and the one that was read (+): %s", when, diff)
		}
		if diff := cmp.Diff(result.Ring, h.ring()); diff != "" {
			t.Errorf("%s: the ring that was written (-) and the one that was read (+): %s", when, diff)
		}
	}
	bound := h.must(h.bind(apikey.Schedule{ID: "nightly", Binding: apikey.Pinned, KeyID: active}))
	wantBound("pinned", bound)
	if bound.Ring.ScheduleCount != 1 || bound.Ring.Active.PinnedCount != 1 || bound.Event.Schedules[0].Revision != 2 {
		t.Errorf("pinned: %+v", bound.Ring)
	}
	h.clock.Add(time.Minute.Milliseconds())
	wantBound("follows", h.must(h.bind(following("nightly"))))

	if again := h.must(h.bind(following("nightly"))); again.Event != nil || h.ring().Revision != 3 {
		t.Errorf("bound as it is already: %+v, at revision %d", again.Event, h.ring().Revision)
	}
	if _, err := h.bind(apikey.Schedule{ID: "nightly", Binding: apikey.Pinned, KeyID: apikey.KeyID{6: 0x70, 8: 0x80}}); apikey.CodeOf(err) != apikey.CodeKeyNotFound {
		t.Errorf("pinned to no key: %v", err)
	}
	if got := h.schedule("nightly"); got == nil || got.Binding != apikey.FollowActive {
		t.Errorf("after a refusal: %+v", got)
	}
	if removed := h.must(h.unbind("nightly")); removed.Ring.ScheduleCount != 0 || h.schedule("nightly") != nil || h.ring().Revision != 4 {
		t.Errorf("unbound: %+v, %+v", removed.Ring, h.schedule("nightly"))
	}
}

func schedulesAreReadBackWhole(t *testing.T, h *harness) {
	active := h.must(h.create("")).Ring.Active.ID
	var want []apikey.Schedule
	for _, s := range []apikey.Schedule{
		{ID: "a-follows", Binding: apikey.FollowActive},
		{ID: "b-pinned", Binding: apikey.Pinned, KeyID: active},
		{ID: "c-follows", Binding: apikey.FollowActive, JobID: "job-1", JobType: "runtime_service", Service: "watsonx", Description: "every night"},
		{ID: "d-pinned", Binding: apikey.Pinned, KeyID: active, JobID: "job-1", JobType: "pipeline", Description: "jede Nacht, 毎晩 🌙"},
		{ID: strings.Repeat("z", 128), Binding: apikey.FollowActive, Description: strings.Repeat("字", 1024)},
	} {
		h.clock.Add(1)
		want = append(want, h.must(h.bind(s)).Event.Schedules...)
		if diff := cmp.Diff(&want[len(want)-1], h.schedule(s.ID)); diff != "" {
			t.Errorf("%s (-want +got): %s", s.ID, diff)
		}
	}
	if diff := cmp.Diff(want, h.allSchedules()); diff != "" {
		t.Errorf("all (-want +got): %s", diff)
	}
	if diff := cmp.Diff(want, h.schedules(2)); diff != "" {
		t.Errorf("pages (-want +got): %s", diff)
	}
	for i, change := range h.history(10)[:5] {
		if diff := cmp.Diff(want[4-i:5-i], change.Schedules); diff != "" || change.Type != apikey.EventScheduleBound {
			t.Errorf("%s of revision %d (-want +got): %s", change.Type, change.Revision, diff)
		}
	}
}

// An owner may bind schedules before there is a key.
func scheduleBeforeAnyKey(t *testing.T, h *harness) {
	result := h.must(h.bind(following("nightly")))
	if diff := cmp.Diff(result.Ring, h.ring()); diff != "" || result.Ring.Revision != 1 || result.Ring.ScheduleCount != 1 {
		t.Errorf("the ring that was written (-) and the one that was read (+): %s", diff)
	}
	created := h.must(h.create(""))
	if created.Ring.ScheduleCount != 1 || created.Ring.StateOf(*h.schedule("nightly")) != apikey.ScheduleReady {
		t.Errorf("after a create: %+v", created.Ring)
	}
}

func schedulesOfTwoOwners(t *testing.T, h *harness) {
	h.must(h.bind(following("nightly")))
	first := h.owner
	h.owner = NewOwner(t)
	if h.schedule("nightly") != nil || len(h.allSchedules()) != 0 || len(h.schedules(10)) != 0 {
		t.Error("one owner has another's schedule")
	}
	h.must(h.bind(following("nightly")))
	h.must(h.unbind("nightly"))
	h.owner = first
	if h.schedule("nightly") == nil {
		t.Error("one owner unbound another's schedule")
	}
}

// scheduleIDs are of every character that an id may have, in the order of the
// listing, and of some one is a beginning of the next.
var scheduleIDs = []string{
	"-", "--", "-a", ".", "..", "0", "9", "A", "A-", "A-1", "A.", "A.1", "A0", "AA", "Aa", "Z", "_", "_a",
	"a", "a-", "a--", "a.", "a0", "aA", "aZ", "a_", "aa", "aa-", "aaa", "az", "b", "z", "zz", strings.Repeat("z", 128),
}

func schedulesAreListedInOrder(t *testing.T, h *harness) {
	h.bindAll(inReverse(scheduleIDs)...)
	for _, limit := range []int{1, 2, 3, 7, len(scheduleIDs) - 1, len(scheduleIDs), len(scheduleIDs) + 1, 100} {
		if diff := cmp.Diff(scheduleIDs, idsOf(h.schedules(limit))); diff != "" {
			t.Errorf("pages of %d (-want +got): %s", limit, diff)
		}
	}
	// A position need not be a schedule's: it may have been unbound since.
	for after, want := range map[string]string{
		"": "-", "-": "--", "A": "A-", "A-": "A-1", "A-0": "A-1", "A-1": "A.", "Aa": "Z", "B": "Z", "a": "a-", "a_": "aa", "a_z": "aa", "c": "z", "y": "z",
	} {
		page, _, err := h.store.Schedules(t.Context(), h.owner.Locator(), after, 1)
		if err != nil || len(page) != 1 || page[0].ID != want {
			t.Errorf("after %q comes %v, %v; want %s", after, idsOf(page), err, want)
		}
	}
	for _, after := range []string{strings.Repeat("z", 128), "zzzz" + strings.Repeat("z", 124)} {
		if page, more, err := h.store.Schedules(t.Context(), h.owner.Locator(), after, 1); err != nil || len(page) != 0 || more {
			t.Errorf("after the last comes %v, more: %v, %v", idsOf(page), more, err)
		}
	}
	h.must(h.unbind("a"))
	if page, _, err := h.store.Schedules(t.Context(), h.owner.Locator(), "a", 1); err != nil || len(page) != 1 || page[0].ID != "a-" {
		t.Errorf("after one that was unbound comes %v, %v", idsOf(page), err)
	}
}

// inReverse are schedules of the ids, the last first.
func inReverse(ids []string) (schedules []apikey.Schedule) {
	for _, id := range slices.Backward(ids) {
		schedules = append(schedules, following(id))
	}
	return schedules
}

// Every character that an id may have stands in the listing where its byte does.
func everyCharacterIsListed(t *testing.T, h *harness) {
	const characters = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
	want := []string{"m"}
	for _, character := range characters {
		if id := "m" + string(character); apikey.IsScheduleID(id) {
			want = append(want, id)
		}
	}
	h.bindAll(inReverse(want)...)
	if diff := cmp.Diff(want, idsOf(h.schedules(9))); diff != "" || len(want) != 66 {
		t.Errorf("%d schedules (-want +got): %s", len(want), diff)
	}
}

func thousandSchedules(t *testing.T, h *harness) {
	active := h.must(h.create("")).Ring.Active.ID
	var want []string
	var schedules []apikey.Schedule
	for n := range apikey.MaxSchedules {
		want = append(want, fmt.Sprintf("s%04d", n))
		schedules = append(schedules, apikey.Schedule{ID: want[n], Binding: apikey.Pinned, KeyID: active, Description: strings.Repeat("x", 100)})
	}
	h.bindAll(schedules...)
	if ring := h.ring(); ring.ScheduleCount != apikey.MaxSchedules || ring.Active.PinnedCount != apikey.MaxSchedules {
		t.Errorf("%d schedules, %d pinned", ring.ScheduleCount, ring.Active.PinnedCount)
	}
	if diff := cmp.Diff(want, idsOf(h.allSchedules())); diff != "" {
		t.Errorf("all (-want +got): %s", diff)
	}
	if diff := cmp.Diff(want, idsOf(h.schedules(100))); diff != "" {
		t.Errorf("pages (-want +got): %s", diff)
	}
	if _, err := h.bind(following("more")); apikey.CodeOf(err) != apikey.CodeTooManySchedules || h.schedule("more") != nil {
		t.Errorf("one more: %v", err)
	}
	affected := h.ring().ByRotation(h.allSchedules())
	if affected.Count != apikey.MaxSchedules || len(affected.First) != apikey.MaxAffected {
		t.Errorf("a rotation affects %d, of which %d are named", affected.Count, len(affected.First))
	}
}
