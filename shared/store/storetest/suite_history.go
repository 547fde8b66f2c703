package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// newest is where a history begins.
const newest = store.MaxRevision + 1

// page reads one page of the owner's history.
func (h *harness) page(before int64, limit int) (changes []apikey.Event, more bool) {
	h.t.Helper()
	changes, more, err := h.store.History(h.t.Context(), h.owner.Locator(), before, limit)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(changes) > limit || more && len(changes) < limit {
		h.t.Errorf("a page of %d has %d changes, more: %v", limit, len(changes), more)
	}
	if len(changes) > 0 && changes[0].Revision >= before {
		h.t.Fatalf("before %d comes %d", before, changes[0].Revision)
	}
	return changes, more
}

// history reads all pages.
func (h *harness) history(limit int) []apikey.Event {
	h.t.Helper()
	var all []apikey.Event
	before := int64(newest)
	for {
		changes, more := h.page(before, limit)
		all = append(all, changes...)
		if !more {
			if len(changes) == 0 && len(all) > 0 {
				h.t.Errorf("pages of %d: the last one, after %d changes, is empty", limit, len(all))
			}
			return all
		}
		before = changes[len(changes)-1].Revision
	}
}

func revisionsOf(changes []apikey.Event) []int64 {
	revisions := make([]int64, len(changes))
	for i, change := range changes {
		revisions[i] = change.Revision
	}
	return revisions
}

// fiveChanges are a change of each kind, and the events that committed them.
func (h *harness) fiveChanges() []apikey.Event {
	h.t.Helper()
	var events []apikey.Event
	for _, change := range []func() (store.Result, error){
		func() (store.Result, error) { return h.create("") },
		func() (store.Result, error) { return h.rotate("") },
		func() (store.Result, error) { return h.rotate("key-1") },
		h.deleteOldest,
		h.deleteAll,
	} {
		events = append(events, *h.must(change()).Event)
		h.clock.Add(time.Minute.Milliseconds())
	}
	return events
}

func emptyHistory(t *testing.T, h *harness) {
	if changes, more := h.page(newest, 50); len(changes) != 0 || more {
		t.Errorf("more: %v, changes: %+v", more, changes)
	}
}

func historyIsEveryChange(t *testing.T, h *harness) {
	want := h.fiveChanges()
	slices.Reverse(want)
	if diff := cmp.Diff(want, h.history(100)); diff != "" {
		t.Errorf("the changes that were committed (-) and the history (+): %s", diff)
	}
	if revisions := revisionsOf(want); !slices.Equal(revisions, []int64{5, 4, 3, 2, 1}) {
		t.Errorf("revisions %v", revisions)
	}
}

func historyIsCurrent(t *testing.T, h *harness) {
	h.must(h.create(""))
	for range 8 {
		want := h.must(h.rotate("")).Event
		if changes, _ := h.page(newest, 1); len(changes) != 1 || changes[0].ID != want.ID {
			t.Errorf("after the change %d the newest is %v", want.Revision, revisionsOf(changes))
		}
	}
}

func historyIsOfOneOwner(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.owner = NewOwner(t)
	if changes := h.history(100); len(changes) != 0 {
		t.Errorf("another owner's changes: %+v", changes)
	}
	h.must(h.create(""))
	if changes := h.history(100); len(changes) != 1 || changes[0].Owner != h.owner {
		t.Errorf("%+v", changes)
	}
}

// Whether the number of changes is a multiple of a page's or not.
func historyPagesEnd(t *testing.T, h *harness) {
	h.fiveChanges()
	for limit := 1; limit <= 6; limit++ {
		if revisions := revisionsOf(h.history(limit)); !slices.Equal(revisions, []int64{5, 4, 3, 2, 1}) {
			t.Errorf("pages of %d: revisions %v", limit, revisions)
		}
	}
}

// Pages are read while others make changes. Each reading shows at least what was
// there when it began, from some revision to the first, without a gap.
func historyPagesAmidstChanges(t *testing.T, h *harness) {
	h.must(h.create(""))
	changed := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		defer close(changed)
		for range 15 {
			h.clock.Add(apikey.AllowanceRefillPeriod.Milliseconds())
			_, rotateErr := h.rotate("")
			_, deleteErr := h.deleteOldest()
			if rotateErr != nil || deleteErr != nil {
				t.Errorf("%v, %v", rotateErr, deleteErr)
				return
			}
		}
	})
	for going := true; going; {
		select {
		case <-changed:
			going = false // one more reading, of what they came to
		default:
		}
		atLeast := h.ring().Revision
		revisions := revisionsOf(h.history(3))
		if int64(len(revisions)) < atLeast {
			t.Errorf("at revision %d there are %d changes", atLeast, len(revisions))
		}
		for i, revision := range revisions {
			if revision != int64(len(revisions)-i) {
				t.Fatalf("not every revision down to 1: %v", revisions)
			}
		}
	}
}

// A position can be anything that a client sends.
func historyBeforeAnyRevision(t *testing.T, h *harness) {
	h.fiveChanges()
	for before, want := range map[int64]int{1: 0, 2: 1, 5: 4, 6: 5, 7: 5, 1_000_000: 5, newest: 5} {
		if changes, more := h.page(before, 10); len(changes) != want || more {
			t.Errorf("before %d: revisions %v, more: %v", before, revisionsOf(changes), more)
		}
	}
}

func historyForgets(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.clock.Add((store.EventTTL - time.Second).Milliseconds())
	if changes := h.history(10); len(changes) != 1 {
		t.Error("the change was over before its time")
	}
	h.clock.Add(time.Second.Milliseconds())
	if changes := h.history(10); len(changes) != 0 {
		t.Errorf("the change outlived its time: %+v", changes)
	}
	h.must(h.rotate(""))
	if revisions := revisionsOf(h.history(10)); !slices.Equal(revisions, []int64{2}) {
		t.Errorf("revisions %v", revisions)
	}
}

// An expired change is not there, neither on a page nor as one more to come.
func historyEndsWhereExpired(t *testing.T, h *harness) {
	h.fiveChanges() // a minute apart
	h.clock.Add((store.EventTTL - 5*time.Minute - time.Second).Milliseconds())
	h.must(h.create("")) // the sixth, while the first is about to expire
	h.clock.Add(3 * time.Minute.Milliseconds())
	for limit := 1; limit <= 4; limit++ {
		if revisions := revisionsOf(h.history(limit)); !slices.Equal(revisions, []int64{6, 5, 4}) {
			t.Errorf("pages of %d: revisions %v", limit, revisions)
		}
	}
}

// A clock that was set back makes a change expire before the one that it
// followed. Nobody sees a history from which one in the middle is missing.
func historyHasNoGap(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.clock.Add(-time.Hour.Milliseconds())
	h.must(h.rotate(""))
	h.clock.Add(2 * time.Hour.Milliseconds())
	h.must(h.rotate(""))
	h.clock.Add((store.EventTTL - 90*time.Minute).Milliseconds())
	for limit := 1; limit <= 3; limit++ {
		if revisions := revisionsOf(h.history(limit)); !slices.Equal(revisions, []int64{3}) {
			t.Errorf("pages of %d: revisions %v", limit, revisions)
		}
	}
}
