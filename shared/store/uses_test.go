package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// What is promised is five minutes.
func TestUsesAreKnownToWithinWhatIsPromised(t *testing.T) {
	if store.UsePrecision != 5*time.Minute {
		t.Errorf("known to within %v", store.UsePrecision)
	}
}

func TestAUseIsOneWriteWhetherItIsKnownOrNot(t *testing.T) {
	now := time.Now()
	s := newSceneAt(t, func() time.Time { return now })
	s.changes(1)
	ring := s.ring()
	s.engine.Transport.TakeCalls()
	for _, name := range []string{"first", "known", "again"} {
		if name == "again" {
			now = now.Add(store.UsePrecision)
		}
		if err := s.store.Use(t.Context(), ring, ring.Active.ID); err != nil {
			t.Error(err)
		}
		s.wantCalls(name, "UpdateItem", 1)
	}
	if _, _, err := s.store.RingAndUses(t.Context(), s.owner.Locator()); err != nil {
		t.Error(err)
	}
	s.wantCalls("ring and uses", "BatchGetItem", 1)
}

// The item does not grow with every key that was ever used.
func TestTheUsesOfDeletedKeysLeaveTheItem(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	use := func() apikey.KeyID {
		t.Helper()
		ring := s.ring()
		if err := s.store.Use(t.Context(), ring, ring.Active.ID); err != nil {
			t.Fatal(err)
		}
		return ring.Active.ID
	}
	var used []apikey.KeyID
	for range 10 {
		used = append(used, use())
		s.rotateWithoutAllowance()
	}
	if item := s.stored("USE"); len(item) != 2+10 {
		t.Errorf("after 10 keys were used: %v", item)
	}
	for _, id := range used {
		s.deleteKey(id)
	}
	last := use()
	if item := s.stored("USE"); len(item) != 2+1 || item[last.String()] == nil {
		t.Errorf("after they were deleted and one was used: %v", item)
	}
}

// rotateWithoutAllowance makes a new Active key, however many were made.
func (s *scene) rotateWithoutAllowance() {
	s.t.Helper()
	s.spoil("RING", with("allowanceFullAt", "S", "0001-01-01T00:00:00Z"))
	s.rotate()
}

func TestUsesUnderFaults(t *testing.T) {
	for name, test := range everyFault {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.changes(1)
				ring := s.ring()
				s.engine.Transport.SetFault(test.fault())
				if err := s.store.Use(t.Context(), ring, ring.Active.ID); apikey.CodeOf(err) != test.code {
					t.Errorf("a use: %v", err)
				}
				s.engine.Transport.SetFault(test.fault())
				got, uses, err := s.store.RingAndUses(t.Context(), s.owner.Locator())
				if apikey.CodeOf(err) != test.code || (got.Revision == 1) != (err == nil) || (len(uses) == 1) != (err == nil) {
					t.Errorf("at revision %d, %v, %v", got.Revision, uses, err)
				}
			})
		})
	}
}
