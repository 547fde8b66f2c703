package apikey_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

// book is the product page with what it says of schedules: which key each is
// pinned to (0 follows the Active key), and which keys were deleted last.
type book struct {
	page
	deleted   []int
	schedules map[string]int
}

const nothingToBind = apikey.Code("bound as it is already")

func (b *book) bind(scheduleID string, n int) apikey.Code {
	before, bound := b.schedules[scheduleID]
	switch {
	case bound && before == n:
		return nothingToBind
	case n == 0, n == b.active:
		b.schedules[scheduleID] = n
		return ""
	case slices.Contains(b.phasedOut, n), slices.Contains(b.deleted, n):
		return apikey.CodeKeyNotActive
	}
	return apikey.CodeKeyNotFound
}

func (b *book) rebind(scheduleIDs []string) apikey.Code {
	switch {
	case b.active == 0:
		return apikey.CodeNoActiveKey
	case len(scheduleIDs) == 0:
		return nothingToBind
	}
	for _, scheduleID := range scheduleIDs {
		b.schedules[scheduleID] = b.active
	}
	return ""
}

// pinnedTo are the schedules that are pinned to a key, in order.
func (b *book) pinnedTo(n int) []string {
	var ids []string
	for scheduleID, key := range b.schedules {
		if n != 0 && key == n {
			ids = append(ids, scheduleID)
		}
	}
	slices.Sort(ids)
	return ids
}

// note keeps the last ten deleted keys, from what the page had before.
func (b *book) note(before page) {
	for _, n := range append(slices.Clone(before.phasedOut), before.active) {
		if n != 0 && n != b.active && !slices.Contains(b.phasedOut, n) {
			b.deleted = append(b.deleted, n)
		}
	}
	b.deleted = b.deleted[max(0, len(b.deleted)-10):]
}

func (b *book) state(n int) apikey.ScheduleState {
	switch {
	case n == 0 && b.active == 0:
		return apikey.ScheduleWithoutActive
	case n == 0, n == b.active:
		return apikey.ScheduleReady
	case slices.Contains(b.phasedOut, n):
		return apikey.ScheduleKeyPhasedOut
	}
	return apikey.ScheduleKeyDeleted
}

// TestRandomBindingsAgreeWithTheProductPage binds, rebinds and unbinds schedules
// among creates, rotations and deletions, and wants every count to be right
// after each.
func TestRandomBindingsAgreeWithTheProductPage(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		ring, bound := apikey.Ring{Owner: ada}, map[string]apikey.Schedule{}
		model := &book{page: page{tokens: fullBucket(now)}, schedules: map[string]int{}}
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"create", "rotate", "rotate", "delete one", "delete all",
			"follow", "pin", "pin", "pin", "rebind", "unbind",
		}), 40, 120).Draw(t, "steps")
		for i, step := range steps {
			now = now.Add(20 * time.Minute)
			before := page{active: model.active, phasedOut: slices.Clone(model.phasedOut)}
			o := bindingStep{t: t, ring: ring, model: model, bound: bound, now: now, n: i + 1}.run(step)
			model.note(before)
			if got := o.code(); got != o.want {
				t.Fatalf("%s: got %q, the page says %q", step, got, o.want)
			}
			event := apikey.Event{}
			if o.event != nil {
				event = *o.event
			}
			wantOneChange(t, ring, o.next, event, o.want == "")
			wantKeys(t, &model.page, o.next)
			ring = o.next
			wantSchedules(t, model, ring, bound)
			seen[step+" "+string(o.want)]++
		}
	})
	for _, outcome := range []string{
		"follow ", "follow bound as it is already", "pin ", "pin bound as it is already", "pin key_not_active", "pin key_not_found",
		"rebind ", "rebind bound as it is already", "rebind no_active_key", "unbind ", "unbind bound as it is already",
	} {
		if seen[outcome] == 0 && !t.Failed() && !testing.Short() {
			t.Errorf("the runs did not come to %q: %v", outcome, seen)
		}
	}
}

// bindingStep is one step on the ring, on the model and on the schedules.
type bindingStep struct {
	t     *rapid.T
	ring  apikey.Ring
	model *book
	bound map[string]apikey.Schedule
	now   time.Time
	n     int
}

// outcome is what a step came to, and what the page says.
type outcome struct {
	next  apikey.Ring
	event *apikey.Event
	err   error
	want  apikey.Code
}

func (s bindingStep) run(step string) outcome {
	scheduleID := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(s.t, "schedule")
	switch step {
	case "follow":
		return s.bind(following(scheduleID), 0)
	case "pin":
		key := rapid.IntRange(1, s.n).Draw(s.t, "key")
		if s.model.active != 0 && rapid.Bool().Draw(s.t, "to the Active key") {
			key = s.model.active
		}
		return s.bind(pinned(scheduleID, key), key)
	case "rebind":
		// As a request names them: all that are pinned to the key of one of them.
		ids := s.model.pinnedTo(s.model.schedules[scheduleID])
		return s.rebind(ids[:rapid.IntRange(0, len(ids)).Draw(s.t, "how many")])
	case "unbind":
		schedule, isBound := s.bound[scheduleID]
		if !isBound {
			return outcome{next: s.ring, want: nothingToBind}
		}
		delete(s.bound, scheduleID)
		delete(s.model.schedules, scheduleID)
		next, event := s.ring.Unbind(at(s.now), schedule)
		return outcome{next: next, event: event}
	}
	o, want := s.ofKeys(step)
	next, event, err := o.do(s.ring)
	if err != nil {
		return outcome{next: next, err: err, want: want}
	}
	return outcome{next: next, event: &event, want: want}
}

func (s bindingStep) ofKeys(step string) (operation, apikey.Code) {
	switch step {
	case "create":
		return createKey(s.n, s.now), s.model.create(s.n, s.now)
	case "rotate":
		return rotateKey(s.n, s.now), s.model.rotate(s.n, s.now)
	case "delete one":
		victim := rapid.IntRange(max(1, s.n-20), s.n).Draw(s.t, "victim")
		return deleteKey(step, id(victim)), s.model.deleteOne(victim)
	}
	return deleteAll, s.model.deleteAll()
}

func (s bindingStep) bind(schedule apikey.Schedule, n int) outcome {
	var before *apikey.Schedule
	if is, isBound := s.bound[schedule.ID]; isBound {
		// What is for people is not what these steps are about.
		is.JobType, is.Service = schedule.JobType, schedule.Service
		before = &is
	}
	want := s.model.bind(schedule.ID, n)
	next, event, after, err := s.ring.Bind(at(s.now), before, schedule)
	if err == nil {
		s.bound[schedule.ID] = after
	}
	return outcome{next, event, err, want}
}

func (s bindingStep) rebind(scheduleIDs []string) outcome {
	var schedules []apikey.Schedule
	for _, scheduleID := range scheduleIDs {
		schedules = append(schedules, s.bound[scheduleID])
	}
	want := s.model.rebind(scheduleIDs)
	next, event, rebound, err := s.ring.Rebind(at(s.now), schedules)
	for _, schedule := range rebound {
		s.bound[schedule.ID] = schedule
	}
	return outcome{next, event, err, want}
}

// code is what the step came to: no error and no event is a code too.
func (o outcome) code() apikey.Code {
	if o.err == nil && o.event == nil {
		return nothingToBind
	}
	return codeOf(o.err)
}

// wantSchedules wants every count, every state and every binding to be what the
// page says.
func wantSchedules(t *rapid.T, model *book, ring apikey.Ring, bound map[string]apikey.Schedule) {
	if ring.ScheduleCount != len(model.schedules) || len(bound) != len(model.schedules) {
		t.Fatalf("%d schedules, %d bound, the page says %d", ring.ScheduleCount, len(bound), len(model.schedules))
	}
	keys := slices.Clone(model.phasedOut)
	if model.active != 0 {
		keys = append(keys, model.active)
	}
	for _, n := range keys {
		if key, exists := ring.Key(id(n)); !exists || key.PinnedCount != len(model.pinnedTo(n)) {
			t.Fatalf("key %d exists: %t, %d pinned, the page says %v", n, exists, key.PinnedCount, model.pinnedTo(n))
		}
	}
	for scheduleID, n := range model.schedules {
		s := bound[scheduleID]
		want := apikey.KeyID{}
		if n != 0 {
			want = id(n)
		}
		if s.KeyID != want || (s.Binding == apikey.Pinned) != (n != 0) || s.Revision > ring.Revision || s.Revision == 0 {
			t.Fatalf("at revision %d schedule %s is %+v, the page says key %d", ring.Revision, scheduleID, s, n)
		}
		if diff := cmp.Diff(model.state(n), ring.StateOf(s)); diff != "" {
			t.Fatalf("schedule %s (-page +got):\n%s", scheduleID, diff)
		}
	}
}
