package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// offBoard has the harness's owner off-boarded by the administrator, who meets
// others before the first attempt is made.
func (h *harness) offBoard(by apikey.Owner, meet func()) (store.Result, error) {
	meet = sync.OnceFunc(meet)
	return h.store.Administer(h.t.Context(), by, h.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			meet()
			next, event := ring.Suspend(h.command())
			return next, event, nil
		})
}

// Each of the two has been read as one who may when the first of them commits.
func twoOffBoardEachOther(t *testing.T, h *harness) {
	for range 3 {
		var both [2]*harness
		for i := range both {
			both[i] = &harness{t: t, owner: NewOwner(t), store: h.store}
			both[i].clock.Store(h.clock.Load())
			both[i].must(both[i].create(""))
		}
		var read sync.WaitGroup
		read.Add(len(both))
		codes := inParallel(len(both), func(i int) apikey.Code {
			_, err := both[i].offBoard(both[1-i].owner, func() { read.Done(); read.Wait() })
			return apikey.CodeOf(err)
		})
		if got := slices.Sorted(slices.Values(codes)); !slices.Equal(got, []apikey.Code{"", apikey.CodeOwnerSuspended}) {
			t.Errorf("answered %q", got)
		}
		if first, second := both[0].ring().Suspended, both[1].ring().Suspended; first == second {
			t.Errorf("suspended: the one %t, the other %t", first, second)
		}
	}
}

// Also when the two are one, whose ring the transaction then has once.
func offBoardedAdministrator(t *testing.T, h *harness) {
	h.must(h.create(""))
	alone := func() {}
	if result := h.must(h.offBoard(h.owner, alone)); !result.Ring.Suspended {
		t.Error("nobody can off-board themselves")
	}
	gone := h.owner
	h.owner = NewOwner(t)
	h.must(h.create(""))
	for _, owner := range []apikey.Owner{gone, h.owner} {
		h.owner = owner
		if _, err := h.offBoard(gone, alone); apikey.CodeOf(err) != apikey.CodeOwnerSuspended {
			t.Errorf("answered %v", err)
		}
	}
	if h.ring().Suspended {
		t.Error("off-boarded by one who was")
	}
	// Who has no ring administers like any other.
	h.must(h.offBoard(NewOwner(t), alone))
}
