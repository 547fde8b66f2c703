package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// rings makes rings under the default, each with one key; their indexes have
// caught up.
func (s *scene) rings(count int) (scenes []*scene) {
	s.t.Helper()
	for range count {
		other := s.other()
		other.changes(1)
		scenes = append(scenes, other)
	}
	s.engine.CatchUp()
	return scenes
}

// due finds all rings under the default, and how many were in each page.
func (s *scene) due() (found []store.FoundRing, pages []int) {
	s.t.Helper()
	err := s.store.DueRings(s.t.Context(), store.DueByDefault, time.Now().Add(time.Hour), func(page []store.FoundRing) error {
		found, pages = append(found, page...), append(pages, len(page))
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found, pages
}

func (s *scene) account(after string, limit int) ([]store.FoundRing, bool) {
	s.t.Helper()
	found, more, err := s.store.AccountRings(s.t.Context(), s.owner.AccountID, after, limit)
	if err != nil {
		s.t.Fatal(err)
	}
	return found, more
}

// A sweep sees one page at a time, whatever there is: a query and its rings, a
// hundred a call, without their uses, which it has no need of.
func TestDueRingsAreReadAHundredAtATime(t *testing.T) {
	s := newScene(t)
	s.rings(250)
	s.engine.Transport.TakeCalls()
	found, pages := s.due()
	if len(found) != 250 || !slices.Equal(pages, []int{100, 100, 50}) {
		t.Errorf("%d in pages of %v", len(found), pages)
	}
	want := []string{"Query", "BatchGetItem", "Query", "BatchGetItem", "Query", "BatchGetItem"}
	if diff := cmp.Diff(want, s.engine.Transport.TakeCalls()); diff != "" {
		t.Error(diff)
	}
}

// However early DynamoDB ends a page of an index, none is missed and none comes
// twice.
func TestDueRingsAreFoundOnceHoweverShortThePages(t *testing.T) {
	s := newScene(t)
	scenes := s.rings(7)
	for _, bytes := range []int{1, 300, 1 << 20} {
		s.engine.SetPageBytes(bytes)
		found, _ := s.due()
		seen := map[apikey.Locator]bool{}
		for _, f := range found {
			seen[f.Locator] = true
		}
		if len(found) != len(scenes) || len(seen) != len(scenes) {
			t.Errorf("pages of %d bytes: %d found, %d different", bytes, len(found), len(seen))
		}
	}
}

func TestDueRingsEndWhenTheirTakerHasEnough(t *testing.T) {
	s := newScene(t)
	s.rings(3)
	s.engine.SetPageBytes(1)
	s.engine.Transport.TakeCalls()
	enough := errors.New("enough")
	err := s.store.DueRings(t.Context(), store.DueByDefault, time.Now().Add(time.Hour), func([]store.FoundRing) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("answered %v", err)
	}
	if diff := cmp.Diff([]string{"Query", "BatchGetItem"}, s.engine.Transport.TakeCalls()); diff != "" {
		t.Error(diff)
	}
}

// Whatever an index still has, the ring is as it is now.
func TestRingsThatAnIndexLedToAreAsTheyAre(t *testing.T) {
	s := newScene(t)
	rings := s.rings(3)
	rotated, emptied := rings[0], rings[1]
	rotated.rotate()
	emptied.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event := ring.DeleteAll(apikey.Command{Now: time.Now()})
		return next, event, nil
	})
	found, _ := s.due() // by the index as it was
	revisions := map[apikey.Locator]int64{}
	for _, f := range found {
		if f.Err != nil {
			t.Error(f.Err)
		}
		revisions[f.Locator] = f.Ring.Revision
	}
	want := map[apikey.Locator]int64{rotated.owner.Locator(): 2, emptied.owner.Locator(): 2, rings[2].owner.Locator(): 1}
	if diff := cmp.Diff(want, revisions); diff != "" {
		t.Error(diff)
	}
}

func TestAPageOfAnAccountIsOneQueryAndItsRings(t *testing.T) {
	s := newScene(t)
	s.rings(60)
	for limit, reads := range map[int]int{1: 1, 50: 1, 51: 2, 100: 2} {
		s.engine.Transport.TakeCalls()
		found, more := s.account("", limit)
		if len(found) != min(limit, 60) || more != (limit < 60) {
			t.Errorf("%d asked for: %d, more: %v", limit, len(found), more)
		}
		want := append([]string{"Query"}, slices.Repeat([]string{"BatchGetItem"}, reads)...)
		if diff := cmp.Diff(want, s.engine.Transport.TakeCalls()); diff != "" {
			t.Errorf("%d asked for: %s", limit, diff)
		}
	}
	s.owner.AccountID = "account-2"
	s.engine.Transport.TakeCalls()
	if found, more := s.account("", 50); len(found) != 0 || more {
		t.Errorf("an account without users: %d, more: %v", len(found), more)
	}
	s.wantCalls("an account without users", "Query", 1)
}

// DynamoDB may end a page before it has what was asked for.
func TestAccountRingsReadsOnAfterAPageThatEndedEarly(t *testing.T) {
	s := newScene(t)
	s.rings(6)
	for _, bytes := range []int{1, 300, 1 << 20} {
		s.engine.SetPageBytes(bytes)
		for limit := 1; limit <= 7; limit++ {
			seen := map[string]bool{}
			for after, more := "", true; more; {
				var found []store.FoundRing
				found, more = s.account(after, limit)
				if more && len(found) != limit {
					t.Fatalf("pages of %d bytes: %d of %d, and more", bytes, len(found), limit)
				}
				for _, f := range found {
					seen[f.IAMID] = true
					after = f.IAMID
				}
			}
			if len(seen) != 6 {
				t.Errorf("pages of %d bytes, %d asked for: %d found", bytes, limit, len(seen))
			}
		}
	}
}

// A ring that nobody can read fails by itself: those beside it are found, and it
// is named.
func TestADamagedRingDoesNotHideTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		sk     string
		spoil  func(attributes)
		naming string
	}{
		"without a revision":      {"RING", without("revision"), "RING"},
		"another owner's":         {"RING", with("username", "N", "1"), "RING"},
		"without its secret":      {"RING", without("secretArn"), "RING"},
		"its policy is a text":    {"RING", with("policy", "S", "yearly"), "RING"},
		"its policy is empty":     {"RING", with("policy", "M", attributes{}), "RING"},
		"its policy is half":      {"RING", with("policy", "M", attributes{"maxAgeDays": attributes{"N": "1"}, "noticeDays": attributes{"N": "1.5"}}), "RING"},
		"suspended is a text":     {"RING", with("suspended", "S", "no"), "RING"},
		"a key's use is no time":  {"USE", nil, "USE"},
		"without when it is full": {"RING", without("allowanceFullAt"), "RING"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			rings := s.rings(3)
			bad := rings[1]
			if c.spoil == nil {
				ring := bad.ring()
				if err := s.store.Use(t.Context(), ring, ring.Active.ID); err != nil {
					t.Fatal(err)
				}
				c.spoil = with(ring.Active.ID.String(), "S", "yesterday")
			}
			bad.spoil(c.sk, c.spoil)
			due, _ := s.due()
			account, _ := s.account("", 10)
			if c.sk == "USE" {
				// The clock does not go by uses, and so nothing about them stops it.
				if i := slices.IndexFunc(due, func(f store.FoundRing) bool { return f.Err != nil }); i != -1 {
					t.Errorf("due: %v", due[i].Err)
				}
			} else {
				bad.wantOneDamaged("due", c.naming, due)
			}
			bad.wantOneDamaged("the account's", c.naming, account)
			for _, f := range account {
				if f.Locator == bad.owner.Locator() && f.IAMID != bad.owner.IAMID {
					t.Errorf("the damaged ring of the account is %q", f.IAMID)
				}
			}
		})
	}
}

// wantOneDamaged wants three rings, of which the scene's has an error that names
// the item, and the others none.
func (s *scene) wantOneDamaged(what, naming string, found []store.FoundRing) {
	s.t.Helper()
	if len(found) != 3 {
		s.t.Fatalf("%s: %d found", what, len(found))
	}
	for _, f := range found {
		switch {
		case f.Locator != s.owner.Locator():
			if f.Err != nil || f.Ring.Revision != 1 {
				s.t.Errorf("%s: one beside it: %v", what, f.Err)
			}
		case f.Err == nil:
			s.t.Errorf("%s: the damaged one is %+v", what, f.Ring)
		default:
			wantDefect(s.t, what, f.Err)
			if !strings.Contains(f.Err.Error(), naming) || !strings.Contains(f.Err.Error(), f.Locator.String()) || f.Ring.Revision != 0 {
				s.t.Errorf("%s: %q does not name the item, or a ring came with it: %+v", what, f.Err, f.Ring)
			}
		}
	}
}

// Nor does what somebody else put where the indexes have it.
func TestWhatIsNoRingDoesNotHideTheRings(t *testing.T) {
	for name, pk := range map[string]string{
		"not an owner's":          "SOMETHING",
		"no locator":              "OWNER#ada",
		"a locator by itself":     strings.Repeat("0", 32),
		"an owner's, and no ring": "OWNER#" + strings.Repeat("0", 32),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			ring := s.rings(1)[0]
			s.send("PutItem", encoded(t, attributes{"TableName": storetest.Table, "Item": attributes{
				"pk": attributes{"S": pk}, "sk": attributes{"S": "THING"}, "due": attributes{"S": "DEFAULT"}, "dueAt": attributes{"N": "1"},
				"accountOfRing": attributes{"S": "account-1"}, "iamId": attributes{"S": "A"},
			}}))
			s.engine.CatchUp()
			due, _ := s.due()
			account, more := s.account("", 2)
			for what, found := range map[string][]store.FoundRing{"due": due, "the account's": account} {
				if len(found) != 2 || more || found[1].Locator != ring.owner.Locator() || found[1].Err != nil || found[1].Ring.Revision != 1 {
					t.Fatalf("%s: %+v", what, found)
				}
				if name == "an owner's, and no ring" {
					if found[0].Err != nil || found[0].Ring.Revision != 0 {
						t.Errorf("%s: %+v", what, found[0])
					}
					continue
				}
				if wantDefect(t, what, found[0].Err); found[0].Err != nil && !strings.Contains(found[0].Err.Error(), pk) {
					t.Errorf("%s: %q does not name the item", what, found[0].Err)
				}
			}
		})
	}
}

// A ring that moved in the index while it was read may be in a page twice, and
// DynamoDB refuses to read an item twice in a batch.
func TestARingThatIsInAnIndexTwiceIsFoundOnce(t *testing.T) {
	s := newScene(t)
	s.rings(2)
	s.engine.Transport.SetFault(awstest.On("Query", twice(t)))
	if found, _ := s.due(); len(found) != 2 || found[0].Err != nil || found[1].Err != nil {
		t.Errorf("found %+v", found)
	}
	if found, more := s.account("", 10); len(found) != 2 || more {
		t.Errorf("the account's: %+v", found)
	}
}

// indexOperations are the ways to find rings; they say how many were found whole.
var indexOperations = map[string]func(context.Context, *scene) (int, error){
	"due": func(ctx context.Context, s *scene) (count int, err error) {
		err = s.store.DueRings(ctx, store.DueByDefault, time.Now().Add(time.Hour), func(page []store.FoundRing) error {
			count += len(page)
			return nil
		})
		return count, err
	},
	"an account": func(ctx context.Context, s *scene) (int, error) {
		found, _, err := s.store.AccountRings(ctx, s.owner.AccountID, "", 10)
		return len(found), err
	},
}

func TestIndexesUnderFaults(t *testing.T) {
	for operation, find := range indexOperations {
		for name, test := range everyFault {
			for _, call := range []string{"Query", "BatchGetItem"} {
				t.Run(fmt.Sprint(operation, "/", call, "/", name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newScene(t)
						s.rings(3)
						s.engine.Transport.SetFault(awstest.On(call, test.fault()))
						count, err := find(t.Context(), s)
						if apikey.CodeOf(err) != test.code || (count == 3) != (test.code == "") || count != 0 && test.code != "" {
							t.Errorf("%d found, %v", count, err)
						}
					})
				})
			}
		}
	}
}

// Keys that a batch leaves unprocessed are asked for again.
func TestRingsThatABatchLeftAreReadToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.rings(5)
		s.engine.SetBatchSize(3)
		found, _ := s.due()
		for _, f := range found {
			if f.Err != nil || f.Ring.Revision != 1 {
				t.Errorf("%+v", f)
			}
		}
		if len(found) != 5 {
			t.Errorf("%d found", len(found))
		}
	})
}

// Only rings are in the indexes, and of these only those that somebody may look
// for.
func TestOnlyRingsThatSomebodyLooksForAreInTheIndexes(t *testing.T) {
	s := newScene(t)
	s.changes(2)
	s.bindMany(1)
	ring := s.ring()
	if err := s.store.Use(t.Context(), ring, ring.Active.ID); err != nil {
		t.Fatal(err)
	}
	s.record(s.run("a", time.Now()))
	for _, event := range []apikey.Event{
		ring.RotationDue(apikey.Command{Now: time.Now()}, time.Now()),
		ring.RotationFailed(apikey.Command{Now: time.Now()}, apikey.CodeConflict),
		ring.UseRefused(apikey.Command{Now: time.Now()}, ring.PhasedOut[0].ID, "key_phased_out", apikey.Job{}),
	} {
		if announced, err := s.store.Announce(t.Context(), event); err != nil || !announced {
			t.Fatal(announced, err)
		}
	}
	walk, err := s.store.DailyWalk(t.Context())
	if err == nil {
		_, err = s.store.AdvanceWalk(t.Context(), walk)
	}
	if err != nil {
		t.Fatal(err)
	}
	indexed := 0
	for _, text := range s.engine.Items() {
		var it attributes
		if err := json.Unmarshal([]byte(text), &it); err != nil {
			t.Fatal(err)
		}
		if it["accountOfRing"] != nil || it["due"] != nil || it["dueAt"] != nil {
			indexed++
		}
	}
	if indexed != 1 {
		t.Errorf("%d items of %d are in an index", indexed, len(s.engine.Items()))
	}
}
