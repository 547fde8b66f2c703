package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// questions is how often an index is asked before it must have caught up.
const questions = 200

// eventually asks until the answer is the one that is wanted: indexes lag.
func eventually[T any](h *harness, when string, want T, ask func() T) {
	h.t.Helper()
	diff := ""
	for range questions {
		if diff = cmp.Diff(want, ask()); diff == "" {
			return
		}
	}
	h.t.Errorf("%s (-want +got): %s", when, diff)
}

// inTheFuture sets the clock to a time at which nothing is due for anybody but
// this test: a sweep may look after the same table.
func (h *harness) inTheFuture() time.Time {
	h.clock.Store(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	return h.now()
}

// setPolicy sets the owner's rotation policy.
func (h *harness) setPolicy(policy apikey.RotationPolicy) store.Result {
	h.t.Helper()
	return h.must(h.store.Update(h.t.Context(), h.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			return ring.SetPolicy(h.command(), policy)
		}))
}

func (h *harness) suspend() store.Result {
	h.t.Helper()
	return h.must(h.store.Update(h.t.Context(), h.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event := ring.Suspend(h.command())
			return next, event, nil
		}))
}

// wantDue wants the rings of those owners, in that order, among all that are
// found, and each as it is.
func (h *harness) wantDue(when string, class store.DueClass, until time.Time, all []apikey.Owner, want ...apikey.Owner) {
	h.t.Helper()
	var due []string
	for _, owner := range want {
		due = append(due, owner.IAMID)
	}
	eventually(h, fmt.Sprint(when, ", ", class), due, func() (found []string) {
		err := h.store.DueRings(h.t.Context(), class, until, func(page []store.FoundRing) error {
			for _, f := range page {
				for _, owner := range all {
					if owner.Locator() == f.Locator {
						found = append(found, owner.IAMID)
						h.wantFound(f, owner)
					}
				}
			}
			return nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
		return found
	})
}

// wantFound wants a ring that an index led to as it is.
func (h *harness) wantFound(f store.FoundRing, owner apikey.Owner) {
	h.t.Helper()
	ring, err := h.store.Ring(h.t.Context(), owner.Locator())
	if err != nil || f.Err != nil {
		h.t.Fatal(err, f.Err)
	}
	if diff := cmp.Diff(ring, f.Ring); diff != "" {
		h.t.Errorf("the ring (-) and the one that was found (+): %s", diff)
	}
}

// Rings with a policy of their own are found by when it has something done, and
// by that only.
func ringsAreFoundByTheirOwnPolicy(t *testing.T, h *harness) {
	start := h.inTheFuture()
	days := func(n int) time.Time { return start.AddDate(0, 0, n) }
	late := h.owner
	h.must(h.create(""))
	h.setPolicy(apikey.RotationPolicy{MaxAgeDays: 30})
	h.owner = NewOwner(t)
	soon := h.owner
	h.must(h.create(""))
	h.setPolicy(apikey.RotationPolicy{MaxAgeDays: 40, NoticeDays: 20})
	h.owner = NewOwner(t)
	off := h.owner
	h.must(h.create(""))
	h.setPolicy(apikey.RotationPolicy{})
	h.owner = NewOwner(t)
	keyless := h.owner
	h.setPolicy(apikey.RotationPolicy{MaxAgeDays: 1})
	all := []apikey.Owner{late, soon, off, keyless}

	h.wantDue("just before", store.DueByOwnPolicy, days(20).Add(-time.Millisecond), all)
	h.wantDue("one, to the millisecond", store.DueByOwnPolicy, days(20), all, soon)
	h.wantDue("the earliest first", store.DueByOwnPolicy, days(30), all, soon, late)
	h.wantDue("nobody by the default", store.DueByDefault, days(3650), all)

	// A rotation starts the time anew, and leaves a key that may be due.
	h.owner = soon
	h.clock.Store(days(25).UnixMilli())
	h.must(h.rotate(""))
	h.wantDue("rotated", store.DueByOwnPolicy, days(44), all, late)
	h.setPolicy(apikey.RotationPolicy{MaxAgeDays: 40, DeletePhasedOutAfterDays: 2})
	h.wantDue("a Phased out key is due", store.DueByOwnPolicy, days(27), all, soon)
	h.must(h.deleteAll())
	h.wantDue("without keys", store.DueByOwnPolicy, days(3650), all, late)
}

// However the deployment's policy is changed, it reaches every ring that is under
// it: they are found by the instants that any policy counts from.
func changedDefaultReachesEveryRing(t *testing.T, h *harness) {
	start := h.inTheFuture()
	first := h.owner
	h.must(h.create(""))
	h.owner = NewOwner(t)
	h.clock.Store(start.AddDate(0, 0, 10).UnixMilli())
	second := h.owner
	h.must(h.create(""))
	h.owner = NewOwner(t)
	own := h.owner
	h.must(h.create(""))
	h.setPolicy(apikey.RotationPolicy{MaxAgeDays: 3650})
	all := []apikey.Owner{first, second, own}

	now := start.AddDate(0, 0, 40)
	for _, c := range []struct {
		policy apikey.RotationPolicy
		want   []apikey.Owner
	}{
		{apikey.RotationPolicy{MaxAgeDays: 90}, nil},
		{apikey.RotationPolicy{MaxAgeDays: 40}, []apikey.Owner{first}},
		{apikey.RotationPolicy{MaxAgeDays: 41}, nil},
		{apikey.RotationPolicy{MaxAgeDays: 41, NoticeDays: 11}, []apikey.Owner{first, second}},
		{apikey.RotationPolicy{DeletePhasedOutAfterDays: 30}, []apikey.Owner{first, second}},
	} {
		h.wantDue(fmt.Sprintf("%+v", c.policy), store.DueByDefault, now.Add(-c.policy.SoonestAge()), all, c.want...)
	}
	h.owner = second
	h.setPolicy(apikey.RotationPolicy{})
	h.wantDue("one is off by itself", store.DueByDefault, now, all, first)
	h.owner = first
	h.must(h.deleteAll())
	h.wantDue("one has no keys", store.DueByDefault, now, all)
}

// An account's users with keys, or suspended, are listed in the order of their
// ids, a page at a time.
func accountsAreListed(t *testing.T, h *harness) {
	account := NewOwner(t).IAMID // which nobody else has
	users := map[string]apikey.Owner{}
	for _, id := range []string{"b", "a", "d", "c", "none", "ab"} {
		users[id] = apikey.Owner{AccountID: account, IAMID: id, Username: id + "@example.com"}
		h.owner = users[id]
		h.must(h.create(""))
	}
	h.must(h.rotate("")) // ab
	h.owner = users["none"]
	h.must(h.deleteAll())
	h.owner = users["c"]
	h.suspend()
	h.owner = apikey.Owner{AccountID: account + "x", IAMID: "a"}
	h.must(h.create(""))

	type page struct {
		IDs  string
		More bool
	}
	for _, c := range []struct {
		after string
		limit int
		want  page
	}{
		{"", 10, page{" a ab b c d", false}},
		{"", 5, page{" a ab b c d", false}},
		{"", 4, page{" a ab b c", true}},
		{"a", 2, page{" ab b", true}},
		{"aa", 1, page{" ab", true}},
		{"b", 2, page{" c d", false}},
		{"d", 2, page{"", false}},
	} {
		eventually(h, fmt.Sprintf("%d after %q", c.limit, c.after), c.want, func() (got page) {
			found, more, err := h.store.AccountRings(t.Context(), account, c.after, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				got.IDs += " " + f.IAMID
				h.wantFound(f, users[f.IAMID])
			}
			got.More = more
			return got
		})
	}
}

// Keys that an index leads to come with their last uses.
func foundRingsHaveTheirUses(t *testing.T, h *harness) {
	h.owner.AccountID = h.owner.IAMID
	id := h.must(h.create("")).Ring.Active.ID
	h.use(id)
	eventually(h, "uses", map[apikey.KeyID]time.Time{id: h.now()}, func() map[apikey.KeyID]time.Time {
		found, _, err := h.store.AccountRings(t.Context(), h.owner.AccountID, "", 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			return nil
		}
		return found[0].LastUsedAt
	})
}
