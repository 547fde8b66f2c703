package store_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

func TestAPageOfSchedulesIsOneQuery(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(6)
	for limit := 1; limit <= 7; limit++ {
		if _, _, err := s.store.Schedules(t.Context(), s.owner.Locator(), "", limit); err != nil {
			t.Fatal(err)
		}
		s.wantCalls(fmt.Sprint("a page of ", limit), "Query", 1)
	}
	if _, err := s.store.AllSchedules(t.Context(), s.owner.Locator()); err != nil {
		t.Fatal(err)
	}
	s.wantCalls("all", "Query", 1)
}

// A thousand is as many as there are: nobody has to ask whether there are more.
func TestAThousandSchedulesAreAsManyQueriesAsTheyFillPages(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(1000)
	for _, c := range []struct{ bytes, queries int }{{1 << 20, 1}, {100_000, 2}} {
		s.engine.SetPageBytes(c.bytes)
		all, err := s.store.AllSchedules(t.Context(), s.owner.Locator())
		if err != nil || len(all) != 1000 {
			t.Errorf("%d schedules, %v", len(all), err)
		}
		s.wantCalls(fmt.Sprint("pages of ", c.bytes), "Query", c.queries)
	}
}

// DynamoDB ends a page early when it has read 1 MB. What it was asked for is
// still to come.
func TestSchedulesAndRunsAreReadOnAfterAPageThatEndedEarly(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	s.bindMany(6)
	for n := range 6 {
		s.record(s.run(fmt.Sprint("run-", n), time.Now()))
	}
	for _, bytes := range []int{1, 300, 700, 1 << 20} {
		s.engine.SetPageBytes(bytes)
		for limit, more := range map[int]bool{1: true, 4: true, 5: true, 6: false, 9: false} {
			page, isMore, err := s.store.Schedules(t.Context(), s.owner.Locator(), "", limit)
			if err != nil || len(page) != min(limit, 6) || isMore != more {
				t.Errorf("pages of %d bytes, %d asked for: %d, more: %v, %v", bytes, limit, len(page), isMore, err)
			}
		}
		if all, err := s.store.AllSchedules(t.Context(), s.owner.Locator()); err != nil || len(all) != 6 {
			t.Errorf("pages of %d bytes, all: %d, %v", bytes, len(all), err)
		}
		if runs, err := s.running(); err != nil || len(runs) != 6 {
			t.Errorf("pages of %d bytes: %d runs, %v", bytes, len(runs), err)
		}
	}
}

// More than a query reads at a time, and never so many that a deletion of a leaked
// key takes long.
func TestTenThousandRunsAreRead(t *testing.T) {
	s := newScene(t)
	recorded := 0
	for _, c := range []struct{ runs, read, queries int }{{1001, 1001, 3}, {10_001, 10_000, 20}} {
		for ; recorded < c.runs; recorded++ {
			s.record(s.run(fmt.Sprint("run-", recorded), time.Now()))
		}
		runs, err := s.running()
		slices.Sort(runs)
		if distinct := slices.Compact(runs); err != nil || len(distinct) != c.read {
			t.Errorf("of %d runs %d are read, %v", c.runs, len(distinct), err)
		}
		s.wantCalls(fmt.Sprint(c.runs, " runs"), "Query", c.queries)
	}
}

func (s *scene) running() (runIDs []string, err error) {
	now := time.Now()
	err = s.store.Running(s.t.Context(), s.owner.Locator(), func(run jobauth.Run) {
		if !run.IsRunning(now) {
			s.t.Errorf("%s is not running", run.RunID)
		}
		runIDs = append(runIDs, run.RunID)
	})
	return runIDs, err
}

func TestReadsOfSchedulesUnderFaults(t *testing.T) {
	for name, test := range everyFault {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.changes(1)
				s.bindMany(3)
				s.engine.SetPageBytes(1)
				s.engine.Transport.SetFault(test.fault())
				page, more, err := s.store.Schedules(t.Context(), s.owner.Locator(), "", 2)
				if apikey.CodeOf(err) != test.code || err == nil && (len(page) != 2 || !more) || err != nil && (len(page) > 0 || more) {
					t.Errorf("a page of %d, more: %v, %v", len(page), more, err)
				}
				s.engine.Transport.SetFault(test.fault())
				all, err := s.store.AllSchedules(t.Context(), s.owner.Locator())
				if apikey.CodeOf(err) != test.code || err == nil && len(all) != 3 || err != nil && len(all) > 0 {
					t.Errorf("all are %d, %v", len(all), err)
				}
			})
		})
	}
}

// Half a listing would be taken for a whole one.
func TestAListingThatBreaksOffIsNoListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.changes(1)
		s.bindMany(3)
		s.engine.SetPageBytes(1)
		s.engine.Transport.SetFault(awstest.From(2, awstest.Reset))
		page, more, err := s.store.Schedules(t.Context(), s.owner.Locator(), "", 3)
		if apikey.CodeOf(err) != apikey.CodeUnavailable || len(page) > 0 || more {
			t.Errorf("a page of %d, more: %v, %v", len(page), more, err)
		}
		s.engine.Transport.SetFault(awstest.From(2, awstest.Reset))
		if all, err := s.store.AllSchedules(t.Context(), s.owner.Locator()); apikey.CodeOf(err) != apikey.CodeUnavailable || len(all) > 0 {
			t.Errorf("all are %d, %v", len(all), err)
		}
	})
}

// A change of schedules is one transaction, however many it binds, and as safe
// as any other under faults: whole or not at all.
func TestRebindingUnderFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault awstest.Fault
		code  apikey.Code
		bound bool
		sends int
	}{
		"nothing happens":    {func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) { return next() }, "", true, 1},
		"loses one answer":   {awstest.Once(awstest.LoseAnswer), "", true, 2},
		"loses all answers":  {awstest.LoseAnswer, "", true, 3},
		"never arrives":      {awstest.Reset, apikey.CodeUnavailable, false, 3},
		"throttled":          {awstest.Refuse(400, "ProvisionedThroughputExceededException"), apikey.CodeUnavailable, false, 8},
		"conflicts once":     {awstest.Once(cancelTransaction("TransactionConflict")), "", true, 2},
		"conflicts always":   {cancelTransaction("TransactionConflict"), apikey.CodeConflict, false, 8},
		"is refused, always": {awstest.Refuse(400, "AccessDeniedException"), apikey.CodeUnavailable, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.changes(1)
				s.bindMany(97)
				active := s.rotate()
				before, beforeErr := s.store.AllSchedules(t.Context(), s.owner.Locator())
				s.engine.Transport.SetFault(awstest.On("TransactWriteItems", c.fault))
				if sends, err := s.rebind(before); apikey.CodeOf(err) != c.code || sends != c.sends {
					t.Errorf("sent %d times, want %d; answered %v", sends, c.sends, err)
				}
				s.engine.Transport.SetFault(nil)
				after, afterErr := s.store.AllSchedules(t.Context(), s.owner.Locator())
				pinned := s.ring().ByRotation(after).Count
				if ring := s.ring(); ring.Active.ID != active || pinned != ring.Active.PinnedCount || c.bound != (pinned == 97) || c.bound != (ring.Revision == 100) {
					t.Errorf("%d are pinned to the new key; at revision %d it counts %d", pinned, ring.Revision, ring.Active.PinnedCount)
				}
				if diff := cmp.Diff(before, after); c.bound == (diff == "") || beforeErr != nil || afterErr != nil {
					t.Errorf("%v, %v, and the schedules are (-before +after): %s", beforeErr, afterErr, diff)
				}
			})
		})
	}
}

// rebind pins schedules to the Active key, and counts how often the transaction is
// sent.
func (s *scene) rebind(schedules []apikey.Schedule) (sends int, err error) {
	s.engine.Transport.TakeCalls()
	_, err = s.store.Update(s.t.Context(), s.owner, store.Idempotency{}, func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, _, err := ring.Rebind(apikey.Command{Now: time.Now()}, schedules)
		return next, event, err
	})
	return awstest.Count(s.engine.Transport.TakeCalls(), "TransactWriteItems"), err
}
