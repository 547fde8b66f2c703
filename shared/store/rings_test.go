package store_test

import (
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// A walk through all rings looks at each once, and one that cannot be read does not
// hide the others.
func TestEveryRingIsFoundOnceHoweverShortThePages(t *testing.T) {
	s := newScene(t)
	damaged := s.other()
	owners := []*scene{s, s.other(), damaged}
	for _, owner := range owners {
		owner.everyKind()
	}
	damaged.spoil("RING", without("revision"))
	for _, bytes := range []int{1, 1000, 5000, 1 << 20} {
		s.engine.SetPageBytes(bytes)
		found := map[apikey.Locator]int{}
		for cursor, first := "", true; first || cursor != ""; first = false {
			page, next, err := s.store.Rings(t.Context(), cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, ring := range page {
				found[ring.Locator]++
				if isDamaged := ring.Locator == damaged.owner.Locator(); isDamaged != (ring.Err != nil) || !isDamaged && ring.Ring.Revision == 0 {
					t.Errorf("%s: %+v", ring.Locator, ring)
				}
			}
			cursor = next
		}
		for _, owner := range owners {
			if count := found[owner.owner.Locator()]; count != 1 || len(found) != len(owners) {
				t.Errorf("pages of %d bytes: found %d times, among %d", bytes, count, len(found))
			}
		}
	}
}

func TestAWalkThroughRingsGoesOnOnlyWhereOneWasLeft(t *testing.T) {
	for _, cursor := range []string{"?", "eA", "AAAA"} {
		if _, _, err := newScene(t).store.Rings(t.Context(), cursor); apikey.CodeOf(err) != apikey.CodeInvalidRequest {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}
