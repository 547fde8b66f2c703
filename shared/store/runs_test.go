package store_test

import (
	"context"
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
)

func TestARunIsRecordedInOneWriteUnlessItsLeaseStays(t *testing.T) {
	now := time.Now()
	s := newSceneAt(t, func() time.Time { return now })
	run := func(lease time.Duration) jobauth.Run {
		run := s.run("a", now)
		run.LeaseExpiresAt = run.StartedAt.Add(lease)
		return run
	}
	for _, c := range []struct {
		name   string
		after  time.Duration
		run    func() jobauth.Run
		writes int
	}{
		{"new", 0, func() jobauth.Run { return run(time.Hour) }, 1},
		{"the same again", 0, func() jobauth.Run { return run(time.Hour) }, 1},
		{"for longer", 0, func() jobauth.Run { return run(2 * time.Hour) }, 1},
		{"for less", 0, func() jobauth.Run { return run(time.Hour) }, 2},
		{"later, for longer", time.Hour, func() jobauth.Run { return run(2 * time.Hour) }, 1},
		{"its lease has run out", 4 * time.Hour, func() jobauth.Run { return run(time.Second) }, 1},
		{"it is off the record", jobauth.RecordPeriod + time.Hour, func() jobauth.Run { return run(time.Hour) }, 2},
	} {
		now = now.Add(c.after)
		if _, err := s.store.RecordRun(t.Context(), c.run()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		s.wantCalls(c.name, "UpdateItem", c.writes)
	}
}

func TestCallsOfRuns(t *testing.T) {
	s := newScene(t)
	created, err := s.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run, gone := s.run("a", time.Now()), s.run("gone", time.Now())
	run.KeyID = created.Ring.Active.ID
	s.record(run)
	s.record(gone)
	for _, c := range []struct {
		name, operation string
		calls           int
		do              func() error
	}{
		{"a run and its ring", "BatchGetItem", 1, func() error { _, _, err := s.store.RunAndRing(t.Context(), run.Ref()); return err }},
		{"an unknown run", "BatchGetItem", 1, func() error {
			_, _, err := s.store.RunAndRing(t.Context(), s.run("unknown", time.Now()).Ref())
			return err
		}},
		// Once more, to know that the ring is not older than the run.
		{"a run whose key is gone", "BatchGetItem", 2, func() error { _, _, err := s.store.RunAndRing(t.Context(), gone.Ref()); return err }},
		{"an extension", "UpdateItem", 1, func() error { _, err := s.store.ExtendRun(t.Context(), run); return err }},
		{"an extension that is none", "UpdateItem", 1, func() error {
			shorter := run
			shorter.LeaseExpiresAt = run.LeaseExpiresAt.Add(-time.Minute)
			_, err := s.store.ExtendRun(t.Context(), shorter)
			return err
		}},
		{"the running ones", "Query", 1, func() error {
			return s.store.Running(t.Context(), s.owner.Locator(), func(jobauth.Run) {})
		}},
		{"an end", "DeleteItem", 1, func() error { return s.store.EndRun(t.Context(), run.Ref(), s.owner.AccountID) }},
	} {
		s.engine.Transport.TakeCalls()
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		s.wantCalls(c.name, c.operation, c.calls)
	}
}

// runOperation does something with a run that is on record for an hour.
type runOperation struct {
	name string
	do   func(*scene, jobauth.Run) error
	// What is on record if the call never took effect, and if it did: its lease
	// in hours; 0 is nothing.
	before, after int
}

var runOperations = []runOperation{
	{"record", func(s *scene, run jobauth.Run) error {
		run.StartedAt, run.LeaseExpiresAt = run.StartedAt.Add(time.Minute), run.StartedAt.Add(2*time.Hour)
		_, err := s.store.RecordRun(s.t.Context(), run)
		return err
	}, 1, 2},
	{"record for less", func(s *scene, run jobauth.Run) error {
		run.StartedAt, run.LeaseExpiresAt = run.StartedAt.Add(time.Minute), run.StartedAt.Add(time.Minute)
		_, err := s.store.RecordRun(s.t.Context(), run)
		return err
	}, 1, 1},
	{"extend", func(s *scene, run jobauth.Run) error {
		run.LeaseExpiresAt = run.StartedAt.Add(2 * time.Hour)
		_, err := s.store.ExtendRun(s.t.Context(), run)
		return err
	}, 1, 2},
	{"end", func(s *scene, run jobauth.Run) error {
		return s.store.EndRun(s.t.Context(), run.Ref(), run.Owner.AccountID)
	}, 1, 0},
	{"read with its ring", func(s *scene, run jobauth.Run) error {
		found, _, err := s.store.RunAndRing(s.t.Context(), run.Ref())
		if (found != nil) != (err == nil) {
			s.t.Errorf("read %+v, %v", found, err)
		}
		return err
	}, 1, 1},
	{"read the running ones", func(s *scene, _ jobauth.Run) error {
		runs, err := s.running()
		if (len(runs) == 1) != (err == nil) {
			s.t.Errorf("read %v, %v", runs, err)
		}
		return err
	}, 1, 1},
}

func TestRunsUnderFaults(t *testing.T) {
	for _, operation := range runOperations {
		for name, test := range everyFault {
			t.Run(operation.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t)
					run := s.record(s.run("a", time.Now()))
					s.engine.Transport.SetFault(test.fault())
					err := operation.do(s, run)
					s.engine.Transport.SetFault(nil)
					if apikey.CodeOf(err) != test.code {
						t.Errorf("answered %v", err)
					}
					want := operation.after
					if err != nil && name != "loses all answers" {
						want = operation.before
					}
					s.wantLease(run, want)
				})
			})
		}
	}
}

// wantLease wants one whole run on record, for so many hours since its start; 0
// is none.
func (s *scene) wantLease(run jobauth.Run, hours int) {
	s.t.Helper()
	found, _, err := s.store.RunAndRing(s.t.Context(), run.Ref())
	if err != nil || (found == nil) != (hours == 0) {
		s.t.Fatalf("on record: %+v, %v", found, err)
	}
	run.LeaseExpiresAt = run.StartedAt.Add(time.Duration(hours) * time.Hour)
	if found != nil && *found != run {
		s.t.Errorf("on record (-want +got): %s", cmp.Diff(run, *found))
	}
}

// The answer was lost, and so was the run: it was ended, once. A run that is
// there and none of the account's is not.
func TestAnEndWhoseAnswerWasLostIsAnEnd(t *testing.T) {
	throttled := awstest.Refuse(400, "ThrottlingException")
	for name, c := range map[string]struct {
		runID, accountID string
		first            awstest.Fault
		want             apikey.Code
		onRecord         bool
	}{
		"own":                              {"a", "account-1", awstest.LoseAnswer, "", false},
		"own, never arrived":               {"a", "account-1", awstest.Reset, "", false},
		"own, throttled first":             {"a", "account-1", throttled, "", false},
		"for the platform":                 {"a", "", awstest.LoseAnswer, "", false},
		"another account's":                {"a", "account-2", awstest.LoseAnswer, apikey.CodeRunNotFound, true},
		"another account's, never arrived": {"a", "account-2", awstest.Reset, apikey.CodeRunNotFound, true},
		"another account's, throttled":     {"a", "account-2", throttled, apikey.CodeRunNotFound, true},
		"unknown, throttled first":         {"unknown", "account-1", throttled, apikey.CodeRunNotFound, true},
		"off the record, answer lost":      {"old", "account-1", awstest.LoseAnswer, apikey.CodeRunNotFound, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.record(s.run("a", time.Now()))
				s.record(s.run("old", time.Now().Add(-jobauth.RecordPeriod-time.Hour)))
				s.engine.Transport.SetFault(awstest.Once(c.first))
				err := s.store.EndRun(t.Context(), s.run(c.runID, time.Now()).Ref(), c.accountID)
				if apikey.CodeOf(err) != c.want {
					t.Errorf("answered %v", err)
				}
				s.wantCalls(name, "DeleteItem", 2)
				found, _, err := s.store.RunAndRing(t.Context(), s.run("a", time.Now()).Ref())
				if err != nil || (found != nil) != c.onRecord {
					t.Errorf("on record: %+v, %v", found, err)
				}
			})
		})
	}
}

func TestAnEndIsSentAFewTimesAndNotAfterItsRequest(t *testing.T) {
	s := newScene(t)
	run := s.record(s.run("a", time.Now()))
	synctest.Test(t, func(t *testing.T) {
		s.engine.Transport.SetFault(awstest.Reset)
		if err := s.store.EndRun(t.Context(), run.Ref(), ""); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("answered %v", err)
		}
		s.wantCalls("down", "DeleteItem", 3)
		s.engine.Transport.SetFault(awstest.Refuse(400, "AccessDeniedException"))
		if err := s.store.EndRun(t.Context(), run.Ref(), ""); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("answered %v", err)
		}
		s.wantCalls("access denied", "DeleteItem", 1)
		ctx, cancel := context.WithCancel(t.Context())
		s.engine.Transport.SetFault(func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
			cancel()
			return nil, ctx.Err()
		})
		if err := s.store.EndRun(ctx, run.Ref(), ""); apikey.CodeOf(err) != apikey.CodeUnavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("answered %v", err)
		}
		s.wantCalls("given up", "DeleteItem", 1)
	})
}

// A batch is no snapshot. A ring without the run's key may be older than the run,
// or the run older than the ring; whether the key is gone is shown by neither.
func TestARunAndARingOfTwoTimesAreReadAgain(t *testing.T) {
	for _, old := range []string{" RING", "RUN#"} {
		t.Run("old "+old, func(t *testing.T) {
			s := newScene(t)
			created, err := s.create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			run := s.run("a", time.Now())
			run.KeyID = created.Ring.Active.ID
			s.record(run)
			if old == "RUN#" {
				old += run.Ref().Name.String()
			}
			happened := false
			fault := s.torn(old, func() {
				if happened {
					return
				}
				happened = true
				// Rotated, asked for again under the new key, and the old key deleted.
				run.KeyID = s.rotate()
				s.record(run)
				s.deleteKey(created.Ring.Active.ID)
			})
			s.engine.Transport.SetFault(fault)
			found, ring, err := s.store.RunAndRing(t.Context(), run.Ref())
			if err != nil || found == nil || found.KeyID != run.KeyID || ring.Active == nil || ring.Active.ID != run.KeyID {
				t.Errorf("run %+v, ring %+v, %v", found, ring.Active, err)
			}
		})
	}
}

func TestARunAndARingThatKeepChangingAreUnavailable(t *testing.T) {
	s := newScene(t)
	run := s.record(s.run("a", time.Now()))
	reads := 0
	s.engine.Transport.SetFault(awstest.On("BatchGetItem", func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		reads++
		run.KeyID[15] = byte(reads)
		s.record(run)
		return next()
	}))
	if found, _, err := s.store.RunAndRing(t.Context(), run.Ref()); apikey.CodeOf(err) != apikey.CodeUnavailable || found != nil || reads > 10 {
		t.Errorf("after %d reads: %+v, %v", reads, found, err)
	}
}

// Between the two writes of a run that asks for less, the run can end: then it is
// new. And it can go on changing: then that is told.
func TestARunThatChangesBetweenTwoWritesIsRecordedAfresh(t *testing.T) {
	now := time.Now()
	s := newSceneAt(t, func() time.Time { return now })
	longer := s.record(s.run("a", now))
	shorter := longer
	shorter.StartedAt, shorter.LeaseExpiresAt = now.UTC().Add(time.Minute).Truncate(time.Millisecond), now.UTC().Add(2*time.Minute).Truncate(time.Millisecond)
	between := func(happens func()) awstest.Fault {
		writes := 0
		return awstest.On("UpdateItem", func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if writes++; strings.Contains(string(call.Body), ":recorded") {
				happens()
			}
			if writes > 30 {
				t.Fatal("it does not end")
			}
			return next()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s.engine.Transport.SetFault(between(func() {
			if err := s.store.EndRun(context.Background(), longer.Ref(), ""); err != nil {
				t.Error(err)
			}
		}))
		recorded, err := s.store.RecordRun(t.Context(), shorter)
		if diff := cmp.Diff(shorter, recorded); diff != "" || err != nil {
			t.Errorf("ended meanwhile: %v (-want +got): %s", err, diff)
		}
		lease := now.Add(time.Hour).UnixMilli()
		s.spoil("RUN#", with("leaseExpiresAt", "N", fmt.Sprint(lease)))
		s.engine.Transport.SetFault(between(func() {
			lease++
			s.spoil("RUN#", with("leaseExpiresAt", "N", fmt.Sprint(lease)))
		}))
		if _, err := s.store.RecordRun(t.Context(), shorter); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("kept changing: %v", err)
		}
	})
}
