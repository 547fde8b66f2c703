package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store/storetest"
)

func (s *scene) needsRing() jobauth.Needs { return jobauth.Needs{Ring: s.owner.Locator()} }

func (s *scene) needs(scheduleID string) jobauth.Needs {
	return jobauth.Needs{Ring: s.owner.Locator(), ScheduleID: scheduleID}
}

// needsMany are the needs of s000, s001 and so on.
func (s *scene) needsMany(count int) (needs []jobauth.Needs) {
	for n := range count {
		needs = append(needs, s.needs(fmt.Sprintf("s%03d", n)))
	}
	return needs
}

// countKeys counts how often each item is asked for.
func (s *scene) countKeys(counts map[string]int) {
	s.engine.Transport.SetFault(awstest.On("BatchGetItem", func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		for _, key := range keysOf(s.t, call.Body) {
			counts[key]++
		}
		return next()
	}))
}

// keysOf are the sort keys that a batch asks for, each after its partition.
func keysOf(t *testing.T, body []byte) (keys []string) {
	var request struct {
		RequestItems map[string]struct {
			Keys []map[string]map[string]string
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		t.Error(err)
	}
	for _, key := range request.RequestItems[storetest.Table].Keys {
		keys = append(keys, key["pk"]["S"]+" "+key["sk"]["S"])
	}
	return keys
}

func TestEachNeededItemIsReadOnceInAsFewCallsAsTheLimitAllows(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(3)
	other := s.other()
	other.changes(1)
	repeated := func(needs []jobauth.Needs, times int) (all []jobauth.Needs) {
		for range times {
			all = append(all, needs...)
		}
		return all
	}
	for name, c := range map[string]struct {
		needs []jobauth.Needs
		items int
		calls int
	}{
		"nothing":                    {nil, 0, 0},
		"a ring":                     {[]jobauth.Needs{s.needsRing()}, 1, 1},
		"a schedule":                 {s.needsMany(1), 2, 1},
		"a ring a hundred times":     {repeated([]jobauth.Needs{s.needsRing()}, 100), 1, 1},
		"a schedule a hundred times": {repeated(s.needsMany(1), 100), 2, 1},
		"two owners' rings":          {repeated([]jobauth.Needs{s.needsRing(), other.needsRing()}, 50), 2, 1},
		"two owners' schedules":      {append(s.needsMany(40), other.needsMany(40)...), 82, 1},
		"a hundred items":            {s.needsMany(99), 100, 1},
		"a hundred and one":          {s.needsMany(100), 101, 2},
		"two hundred":                {s.needsMany(199), 200, 2},
		"two hundred and one":        {s.needsMany(200), 201, 3},
	} {
		t.Run(name, func(t *testing.T) {
			counts := map[string]int{}
			s.countKeys(counts)
			facts, errs := s.store.Facts(t.Context(), c.needs)
			s.wantCalls(name, "BatchGetItem", c.calls)
			if len(facts) != len(c.needs) || len(errs) != len(c.needs) || len(counts) != c.items {
				t.Errorf("%d needs: %d facts, %d errors, of %d items", len(c.needs), len(facts), len(errs), len(counts))
			}
			for key, count := range counts {
				if count != 1 {
					t.Errorf("%s was read %d times", key, count)
				}
			}
		})
	}
}

func TestAFactIsOneCall(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(1)
	for _, c := range []struct {
		needs     jobauth.Needs
		operation string
	}{{s.needsRing(), "GetItem"}, {s.needs("s000"), "BatchGetItem"}, {s.needs("absent"), "BatchGetItem"}, {s.other().needs("absent"), "BatchGetItem"}} {
		if _, err := s.store.Fact(t.Context(), c.needs); err != nil {
			t.Error(err)
		}
		s.wantCalls(c.needs.ScheduleID, c.operation, 1)
	}
}

// What DynamoDB leaves unprocessed is asked for again, and nothing else is.
func TestUnprocessedKeysAreAskedForAgain(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(9)
	needs := append(s.needsMany(9), s.needs("absent"), s.needsRing(), s.other().needsRing())
	want, errs := s.store.Facts(t.Context(), needs) // of 12 items
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s.wantCalls("at once", "BatchGetItem", 1)
	for _, c := range []struct{ size, calls int }{{12, 1}, {11, 2}, {6, 2}, {5, 3}, {1, 12}} {
		s.engine.SetBatchSize(c.size)
		synctest.Test(t, func(t *testing.T) {
			facts, again := s.store.Facts(t.Context(), needs)
			if diff := cmp.Diff(want, facts); diff != "" || errors.Join(again...) != nil {
				t.Errorf("%d at a time, %v (-want +got): %s", c.size, errors.Join(again...), diff)
			}
		})
		s.wantCalls(fmt.Sprint(c.size, " at a time"), "BatchGetItem", c.calls)
	}
}

// unprocessed answers a batch with nothing.
func unprocessed(call awstest.Call, _ func() (*http.Response, error)) (*http.Response, error) {
	var request struct{ RequestItems any }
	if err := json.Unmarshal(call.Body, &request); err != nil {
		return nil, err
	}
	return awstest.Answer(http.StatusOK, attributes{"Responses": attributes{}, "UnprocessedKeys": request.RequestItems}), nil
}

// However long it takes: only the end of the request ends the reading, and what
// was read by then is decided by.
func TestWhatStaysUnprocessedIsUnavailableAndNothingElseIs(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(5)
	needs := append([]jobauth.Needs{s.needsRing()}, s.needsMany(5)...)
	for _, limit := range []time.Duration{0, time.Second, time.Minute, 5 * time.Minute} {
		s.engine.SetBatchSize(3)
		s.engine.Transport.SetFault(nil)
		synctest.Test(t, func(t *testing.T) {
			s.engine.Transport.SetFault(awstest.From(2, unprocessed)) // the first has the ring, s000 and s001
			ctx, cancel := context.WithTimeout(t.Context(), limit+time.Millisecond)
			defer cancel()
			began := time.Now()
			facts, errs := s.store.Facts(ctx, needs)
			if took := time.Since(began); took != limit+time.Millisecond {
				t.Errorf("took %v of %v", took, limit)
			}
			if errors.Join(errs[:3]...) != nil || facts[0].Ring.Revision != 6 || facts[1].Schedule == nil || facts[2].Schedule == nil {
				t.Errorf("what was read: %+v, %v", facts[:3], errs[:3])
			}
			for i, err := range errs[3:] {
				if apikey.CodeOf(err) != apikey.CodeUnavailable || facts[3+i].Schedule != nil {
					t.Errorf("what was not: %+v, %v", facts[3+i], err)
				}
			}
		})
		// The pauses are long enough not to make things worse, and at most 0.4 s.
		calls := len(s.engine.Transport.TakeCalls())
		if calls > 10+int(limit/(100*time.Millisecond)) || calls < 1+int(limit/(400*time.Millisecond)) {
			t.Errorf("%d calls in %v", calls, limit)
		}
	}
}

// Of more than one call, the one that fails takes none with it but its own.
func TestACallThatFailsTakesOnlyItsOwnFactsWithIt(t *testing.T) {
	s := newScene(t)
	other := s.other()
	s.changes(1)
	s.bindMany(4)
	other.changes(1)
	needs := append(s.needsMany(110), other.needsRing(), other.needs("absent"), s.needsRing())
	for name, c := range map[string]struct {
		calls string // those that fail have this
		lost  func(i int) bool
	}{
		"the second":             {"SCHEDULE#s105", func(i int) bool { return i >= 99 && i < 112 }},
		"the first, of the ring": {"SCHEDULE#s003", func(i int) bool { return i < 110 || i == 112 }},
		"both":                   {"SCHEDULE", func(int) bool { return true }},
		"neither":                {"SCHEDULE#none", func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s.engine.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
					if strings.Contains(string(call.Body), c.calls) {
						return awstest.Reset(call, next)
					}
					return next()
				})
				facts, errs := s.store.Facts(t.Context(), needs)
				for i, err := range errs {
					if lost := c.lost(i); lost != (apikey.CodeOf(err) == apikey.CodeUnavailable) || !lost && (err != nil || facts[i].Ring.Revision == 0) {
						t.Errorf("needs %d: revision %d, %v", i, facts[i].Ring.Revision, err)
					}
				}
			})
		})
	}
}

// A schedule that is newer than the ring that was read with it shows that the
// ring is older: only those two are read again.
func TestAScheduleNewerThanItsRingIsReadAgain(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(1)
	other := s.other()
	other.changes(1)
	needs := []jobauth.Needs{other.needsRing(), s.needs("s000"), s.needs("nightly"), other.needs("absent")}
	var batches [][]string
	bound := false
	s.engine.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if call.Operation == "BatchGetItem" {
			batches = append(batches, keysOf(t, call.Body))
		}
		if bound {
			return next()
		}
		return s.torn(" RING", func() {
			bound = true
			s.follow("nightly")
		})(call, next)
	})
	facts, errs := s.store.Facts(t.Context(), needs)
	for i, err := range errs {
		if err != nil {
			t.Fatalf("needs %d: %v", i, err)
		}
	}
	if facts[1].Ring.Revision != 2 || facts[2].Ring.Revision != 3 || facts[2].Schedule == nil || facts[2].Schedule.Revision != 3 {
		t.Errorf("the rings are at %d and %d, the schedule is %+v", facts[1].Ring.Revision, facts[2].Ring.Revision, facts[2].Schedule)
	}
	partition := "OWNER#" + s.owner.Locator().String()
	if diff := cmp.Diff([]string{partition + " RING", partition + " SCHEDULE#nightly"}, batches[1]); diff != "" || len(batches) != 2 || len(batches[0]) != 5 {
		t.Errorf("%d batches, the first of %d; the second (-want +got): %s", len(batches), len(batches[0]), diff)
	}
}

// That an older schedule was read with a newer ring tells nothing: it is what it
// was, and the ring decides.
func TestAScheduleOlderThanItsRingIsUsed(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(1)
	s.engine.Transport.SetFault(s.torn("SCHEDULE#s000", func() { s.follow("nightly") }))
	fact, err := s.store.Fact(t.Context(), s.needs("s000"))
	if err != nil || fact.Ring.Revision != 3 || fact.Schedule.Revision != 2 {
		t.Errorf("%v: %+v at revision %d", err, fact.Schedule, fact.Ring.Revision)
	}
}

func TestRingAndScheduleThatKeepChangingAreUnavailable(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	n := 0
	s.engine.Transport.SetFault(s.torn(" RING", func() {
		n++
		s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			follows := apikey.Schedule{ID: "nightly", Binding: apikey.FollowActive, Description: fmt.Sprint(n)}
			next, event, _, err := ring.Bind(apikey.Command{Now: time.Now()}, &apikey.Schedule{ID: "nightly"}, follows)
			return next, event, err
		})
	}))
	facts, errs := s.store.Facts(t.Context(), []jobauth.Needs{s.needs("nightly"), s.needsRing()})
	if apikey.CodeOf(errs[0]) != apikey.CodeUnavailable || errs[1] != nil || facts[1].Ring.Revision == 0 {
		t.Errorf("the schedule: %v; the ring alone, at %d: %v", errs[0], facts[1].Ring.Revision, errs[1])
	}
	if n > 10 {
		t.Errorf("read %d times", n)
	}
}

func TestFactsUnderFaults(t *testing.T) {
	for name, test := range everyFault {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.changes(1)
				s.bindMany(1)
				for _, needs := range []jobauth.Needs{s.needsRing(), s.needs("s000")} {
					s.engine.Transport.SetFault(test.fault())
					fact, err := s.store.Fact(t.Context(), needs)
					if apikey.CodeOf(err) != test.code || err == nil && fact.Ring.Revision != 2 {
						t.Errorf("answered %+v, %v", fact, err)
					}
				}
			})
		})
	}
}
