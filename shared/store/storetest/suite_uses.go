package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

func (h *harness) use(id apikey.KeyID) {
	h.t.Helper()
	if err := h.store.Use(h.t.Context(), h.ring(), id); err != nil {
		h.t.Fatal(err)
	}
}

// wantUses wants the ring, and of the keys that were used, when they were last.
func (h *harness) wantUses(when string, want map[apikey.KeyID]time.Time) {
	h.t.Helper()
	ring, lastUsedAt, err := h.store.RingAndUses(h.t.Context(), h.owner.Locator())
	if err != nil {
		h.t.Fatal(err)
	}
	if diff := cmp.Diff(h.ring(), ring); diff != "" {
		h.t.Errorf("%s: the ring alone (-) and with its uses (+): %s", when, diff)
	}
	if diff := cmp.Diff(want, lastUsedAt); diff != "" {
		h.t.Errorf("%s: uses (-want +got): %s", when, diff)
	}
}

func usesAreKnownToWithinFiveMinutes(_ *testing.T, h *harness) {
	h.clock.Store(store.UsePeriod(h.now()).UnixMilli())
	id := h.must(h.create("")).Ring.Active.ID
	h.wantUses("never used", map[apikey.KeyID]time.Time{})
	h.use(id)
	last := h.now()
	h.wantUses("used", map[apikey.KeyID]time.Time{id: last})
	for _, c := range []struct {
		after time.Duration // the last use that is known
		known bool
	}{
		{0, true},
		{time.Millisecond, true},
		{store.UsePrecision - time.Millisecond, true},
		{store.UsePrecision, false},
		{store.UsePrecision + time.Hour, false},
		{-time.Hour, true}, // by a clock that was set back
		{store.UsePrecision + time.Millisecond, false},
	} {
		h.clock.Store(last.Add(c.after).UnixMilli())
		h.use(id)
		if !c.known {
			last = h.now()
		}
		h.wantUses(c.after.String()+" later", map[apikey.KeyID]time.Time{id: last})
	}
}

func usesOfKeysAreApart(t *testing.T, h *harness) {
	old := h.must(h.create("")).Ring.Active.ID
	first := h.now()
	h.use(old)
	h.clock.Add(time.Minute.Milliseconds())
	newer := h.must(h.rotate("")).Ring.Active.ID
	h.wantUses("rotated", map[apikey.KeyID]time.Time{old: first})
	h.use(newer)
	second := h.now()
	h.wantUses("both used", map[apikey.KeyID]time.Time{old: first, newer: second})
	h.clock.Add(store.UsePrecision.Milliseconds())
	h.use(newer)
	h.wantUses("one used again", map[apikey.KeyID]time.Time{old: first, newer: h.now()})

	h.owner = NewOwner(t)
	h.must(h.create(""))
	h.wantUses("another owner", map[apikey.KeyID]time.Time{})
}

// Uses are of the keys that there are, whether or not the store has forgotten the
// others yet.
func usesOfDeletedKeysAreForgotten(_ *testing.T, h *harness) {
	old := h.must(h.create("")).Ring.Active.ID
	h.use(old)
	newer := h.must(h.rotate("")).Ring.Active.ID
	h.must(h.deleteOldest())
	h.wantUses("deleted", map[apikey.KeyID]time.Time{})
	h.use(newer)
	h.wantUses("the other used", map[apikey.KeyID]time.Time{newer: h.now()})

	// As many as a ring remembers are forgotten at once, and one more is not shown.
	for range apikey.MaxRemembered + 1 {
		h.clock.Add(apikey.AllowanceRefillPeriod.Milliseconds())
		h.use(h.must(h.rotate("")).Ring.Active.ID)
	}
	h.must(h.deleteAll())
	h.wantUses("all deleted", map[apikey.KeyID]time.Time{})
	id := h.must(h.create("")).Ring.Active.ID
	h.use(id)
	h.wantUses("a new key used", map[apikey.KeyID]time.Time{id: h.now()})
}

func usesOfAnOwnerWithoutRing(t *testing.T, h *harness) {
	ring, lastUsedAt, err := h.store.RingAndUses(t.Context(), h.owner.Locator())
	if diff := cmp.Diff(apikey.Ring{}, ring); diff != "" || len(lastUsedAt) != 0 || err != nil {
		t.Errorf("%v, %v, %s", lastUsedAt, err, diff)
	}
}
