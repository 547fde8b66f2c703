package store_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// everyKind has an owner with items of every kind; it has seven changes and three
// announcements.
func (s *scene) everyKind() {
	s.t.Helper()
	s.changes(2)
	s.bindMany(1)
	s.follow("nightly")
	ring := s.ring()
	for _, event := range announcements(ring, now()) {
		if _, err := s.store.Announce(s.t.Context(), event); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.store.Use(s.t.Context(), ring, ring.Active.ID); err != nil {
		s.t.Fatal(err)
	}
	s.record(s.run("a", time.Now()))
	if _, err := s.create(s.t.Context()); apikey.CodeOf(err) != apikey.CodeActiveKeyExists {
		s.t.Fatal(err)
	}
	s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		return ring.SetPolicy(apikey.Command{Now: time.Now()}, apikey.RotationPolicy{MaxAgeDays: 30})
	})
	s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event := ring.Suspend(apikey.Command{Now: time.Now()})
		return next, event, nil
	})
	s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event := ring.Reinstate(apikey.Command{Now: time.Now()})
		return next, event, nil
	})
}

// everyNotice is how many notices everyKind makes.
const everyNotice = 10

func TestEveryNoticeOfTheTableIsFoundOnceHoweverShortThePages(t *testing.T) {
	s := newScene(t)
	owners := []*scene{s, s.other(), s.other()}
	for _, owner := range owners {
		owner.everyKind()
	}
	walk, err := s.store.DailyWalk(t.Context())
	if err == nil {
		_, err = s.store.AdvanceWalk(t.Context(), walk)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, bytes := range []int{1, 1000, 5000, 1 << 20} {
		s.engine.SetPageBytes(bytes)
		ids := map[string]int{}
		for _, notice := range s.notices() {
			if notice.Err != nil {
				t.Error(notice.Err)
			}
			ids[notice.Event.ID]++
		}
		if len(ids) != len(owners)*everyNotice {
			t.Errorf("pages of %d bytes: %d notices", bytes, len(ids))
		}
		for id, count := range ids {
			if count != 1 {
				t.Errorf("pages of %d bytes: %s is found %d times", bytes, id, count)
			}
		}
	}
}

func TestAPageOfNoticesIsOneScan(t *testing.T) {
	s := newScene(t)
	s.changes(3)
	s.notices()
	s.wantCalls("a small table", "Scan", 1)
	s.engine.SetPageBytes(1)
	s.notices() // of a ring and three events, and one to know that there are no more
	s.wantCalls("item by item", "Scan", 5)
}

// What cannot be read is told apart, and does not hide the others.
func TestADamagedNoticeDoesNotHideTheOthers(t *testing.T) {
	s := newScene(t)
	s.changes(4)
	s.spoil("EVENT#0000000002", without("owner"))
	found := s.notices()
	readable := 0
	for _, notice := range found {
		if notice.Err == nil {
			readable++
			continue
		}
		wantDefect(t, "the damaged one", notice.Err)
		if !strings.Contains(notice.Err.Error(), "EVENT#0000000002") || !strings.Contains(notice.Err.Error(), s.owner.Locator().String()) {
			t.Errorf("%q does not name the item", notice.Err)
		}
	}
	if len(found) != 4 || readable != 3 {
		t.Errorf("%d of %d can be read", readable, len(found))
	}
}

func TestACursorThatWasNotAnsweredIsInvalid(t *testing.T) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	s := newScene(t)
	for name, cursor := range map[string]string{
		"no base 64":        "!",
		"another base 64":   base64.StdEncoding.EncodeToString([]byte("OWNER#1 RING")) + "=",
		"half a place":      encode("OWNER#1"),
		"no partition":      encode(" RING"),
		"no sort key":       encode("OWNER#1 "),
		"a separator alone": encode(" "),
	} {
		found, next, err := s.store.NoticesBetween(t.Context(), time.Now(), time.Now(), cursor)
		if apikey.CodeOf(err) != apikey.CodeInvalidRequest || len(found) != 0 || next != "" {
			t.Errorf("%s: %v, %q, %v", name, found, next, err)
		}
	}
	s.wantCalls("refused", "Scan", 0)
}

func TestTheNoticeOfAnItemIsOneRead(t *testing.T) {
	s := newScene(t)
	s.changes(2)
	for _, event := range announcements(s.ring(), now()) {
		if _, err := s.store.Announce(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	kinds := map[string]apikey.EventType{
		"EVENT#0000000001": apikey.EventCreated, "EVENT#0000000002": apikey.EventRotated, "DUE#": apikey.EventRotationDue,
		"FAILED#": apikey.EventRotationFailed, "REFUSED#": apikey.EventUseRefused,
	}
	for prefix, kind := range kinds {
		stored := s.stored(prefix)
		pk, sk := stored["pk"].(attributes)["S"].(string), stored["sk"].(attributes)["S"].(string)
		s.engine.Transport.TakeCalls()
		notice, found, err := s.store.NoticeOf(t.Context(), pk, sk)
		if err != nil || !found || notice.Err != nil || notice.Event.Type != kind || notice.Event.ID != stored["id"].(attributes)["S"] {
			t.Errorf("%s: %+v, %v, %v", prefix, notice, found, err)
		}
		s.wantCalls(prefix, "GetItem", 1)
	}
}

func TestWhatIsNoNoticeIsNotFoundAsOne(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	pk := "OWNER#" + s.owner.Locator().String()
	for name, c := range map[string]struct {
		pk, sk string
		found  bool
		code   apikey.Code // of the notice
		fails  apikey.Code
	}{
		"a change that was not made": {pk, "EVENT#0000000002", false, "", ""},
		"nobody's":                   {"OWNER#" + strings.Repeat("0", 32), "EVENT#0000000001", false, "", ""},
		"a ring":                     {pk, "RING", true, apikey.CodeInternal, ""},
		"nothing":                    {"", "", false, "", apikey.CodeInvalidRequest},
		"half a key":                 {pk, "", false, "", apikey.CodeInvalidRequest},
		"the other half":             {"", "RING", false, "", apikey.CodeInvalidRequest},
	} {
		notice, found, err := s.store.NoticeOf(t.Context(), c.pk, c.sk)
		if found != c.found || apikey.CodeOf(notice.Err) != c.code || apikey.CodeOf(err) != c.fails {
			t.Errorf("%s: %+v, found: %v, %v", name, notice, found, err)
		}
	}
}

func TestNoticesUnderFaults(t *testing.T) {
	for name, test := range everyFault {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.changes(1)
				s.engine.Transport.SetFault(test.fault())
				found, next, err := s.store.NoticesBetween(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "")
				if apikey.CodeOf(err) != test.code || (len(found) == 1) != (err == nil) || next != "" {
					t.Errorf("%v, %q, %v", found, next, err)
				}
				s.engine.Transport.SetFault(test.fault())
				notice, ok, err := s.store.NoticeOf(t.Context(), "OWNER#"+s.owner.Locator().String(), "EVENT#0000000001")
				if apikey.CodeOf(err) != test.code || ok != (err == nil) || (notice.Event.Revision == 1) != (err == nil) {
					t.Errorf("%+v, %v, %v", notice, ok, err)
				}
			})
		})
	}
}

func TestNoticesStopWithTheirRequest(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	ctx, cancel := context.WithCancel(t.Context())
	s.engine.Transport.SetFault(awstest.On("Scan", cancelling(cancel)))
	if _, _, err := s.store.NoticesBetween(ctx, time.Now(), time.Now(), ""); apikey.CodeOf(err) != apikey.CodeUnavailable {
		t.Errorf("answered %v", err)
	}
	s.wantCalls("the request is over", "Scan", 1)
}

// Whatever an instant's precision, its text is in the seconds that the table is
// asked for.
func TestSpansAreExactToTheNanosecond(t *testing.T) {
	second := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	instants := []time.Duration{0, 1, 100, 1000, 1e6, 10e6, 120e6, 123e6, 123456789, 999999999, 1e9, 1e9 + 1}
	s := newScene(t)
	for _, after := range instants {
		s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			event := apikey.Event{Type: apikey.EventPolicyChanged, Owner: ring.Owner, Revision: ring.Revision + 1, OccurredAt: second.Add(after)}
			ring.Revision++
			return ring, &event, nil
		})
	}
	for i, since := range instants {
		for j, until := range instants[i:] {
			found, _, err := s.store.NoticesBetween(t.Context(), second.Add(since), second.Add(until), "")
			var revisions, want []int64
			for _, notice := range found {
				revisions = append(revisions, notice.Event.Revision)
			}
			for revision := i; revision <= i+j; revision++ {
				want = append(want, int64(revision)+1)
			}
			if slices.Sort(revisions); err != nil || !slices.Equal(revisions, want) {
				t.Errorf("%v to %v: %s, %v", since, until, cmp.Diff(want, revisions), err)
			}
		}
	}
}
