package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// wantDefect wants an error of what cannot be read: a defect of ours, which is no
// outage to wait for, and no answer to guess.
func wantDefect(t *testing.T, what string, err error) {
	t.Helper()
	if apikey.CodeOf(err) != apikey.CodeInternal {
		t.Errorf("%s: %v", what, err)
	}
}

func TestADamagedScheduleIsNoSchedule(t *testing.T) {
	for name, spoil := range map[string]func(attributes){
		"without an id":              without("id"),
		"with another's id":          with("id", "S", "s001"),
		"without a binding":          without("binding"),
		"with an unknown binding":    with("binding", "S", "sometimes"),
		"with an empty binding":      with("binding", "S", ""),
		"pinned to nothing":          without("keyId"),
		"pinned to what is no id":    with("keyId", "S", "key-1"),
		"pinned to a number":         with("keyId", "N", "1"),
		"without a revision":         without("revision"),
		"with a text for a revision": with("revision", "S", "1"),
		"with half a revision":       with("revision", "N", "1.5"),
		"without a time":             without("boundAt"),
		"with what is no time":       with("boundAt", "S", "yesterday"),
		"with a number for a job":    with("jobId", "N", "1"),
		"described by a list":        with("description", "L", []any{}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.changes(1)
			s.bindMany(1)
			s.spoil("SCHEDULE#s000", spoil)
			page, more, err := s.store.Schedules(t.Context(), s.owner.Locator(), "", 10)
			if wantDefect(t, "a page", err); len(page) != 0 || more {
				t.Errorf("listed as %+v, more: %v", page, more)
			}
			all, err := s.store.AllSchedules(t.Context(), s.owner.Locator())
			if wantDefect(t, "all", err); len(all) != 0 {
				t.Errorf("listed as %+v", all)
			}
			fact, err := s.store.Fact(t.Context(), s.needs("s000"))
			if wantDefect(t, "the fact", err); fact.Schedule != nil {
				t.Errorf("the fact is %+v", fact.Schedule)
			}
			// What does not need it is decided all the same.
			_, errs := s.store.Facts(t.Context(), []jobauth.Needs{s.needs("s000"), s.needsRing(), s.needs("absent")})
			if wantDefect(t, "the facts", errs[0]); errs[1] != nil || errs[2] != nil {
				t.Errorf("the others: %v, %v", errs[1], errs[2])
			}
		})
	}
}

func TestADamagedRingDecidesNothing(t *testing.T) {
	stranger := newScene(t).owner
	for name, spoil := range map[string]func(attributes){
		"another account's":                      with("accountId", "S", "account-2"),
		"another user's":                         with("iamId", "S", stranger.IAMID),
		"without revision":                       without("revision"),
		"without secret":                         without("secretArn"),
		"without keys":                           without("active"),
		"with a text for the count of schedules": with("scheduleCount", "S", "1"),
		"with a text for the count of a key's": func(item attributes) {
			with("pinnedCount", "S", "1")(item["active"].(attributes)["M"].(attributes))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.changes(1)
			s.bindMany(1)
			other := s.other()
			other.changes(1)
			s.record(s.run("a", time.Now()))
			s.spoil("RING", spoil)
			_, errs := s.store.Facts(t.Context(), []jobauth.Needs{s.needsRing(), s.needs("s000"), other.needsRing()})
			wantDefect(t, "the ring", errs[0])
			wantDefect(t, "its schedule", errs[1])
			if errs[2] != nil {
				t.Errorf("another owner's ring: %v", errs[2])
			}
			_, err := s.store.Fact(t.Context(), s.needsRing())
			wantDefect(t, "the ring alone", err)
			_, _, err = s.store.RunAndRing(t.Context(), s.run("a", time.Now()).Ref())
			wantDefect(t, "a run's ring", err)
			_, _, err = s.store.RingAndUses(t.Context(), s.owner.Locator())
			wantDefect(t, "the ring with its uses", err)
		})
	}
}

func TestADamagedRunIsNoRun(t *testing.T) {
	owner := func(name, value string) func(attributes) {
		return func(item attributes) { with(name, "S", value)(item["owner"].(attributes)["M"].(attributes)) }
	}
	for name, spoil := range map[string]func(attributes){
		"without an owner":         without("owner"),
		"another account's":        owner("accountId", "account-2"),
		"another user's":           owner("iamId", "IBMid-2"),
		"owner is a text":          with("owner", "S", "ada"),
		"without a key":            without("keyId"),
		"its key is none":          with("keyId", "S", "key-1"),
		"without a job":            without("jobId"),
		"another job's":            with("jobId", "S", "job-2"),
		"without an id":            without("runId"),
		"another run's":            with("runId", "S", "b"),
		"without a job type":       without("jobType"),
		"without a service":        without("service"),
		"without a start":          without("startedAt"),
		"its start is no time":     with("startedAt", "S", "yesterday"),
		"without a lease":          without("leaseExpiresAt"),
		"its lease is a text":      with("leaseExpiresAt", "S", "2026-11-03T12:00:00Z"),
		"its lease is half a time": with("leaseExpiresAt", "N", "99999999999999.5"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			run := s.record(s.run("a", time.Now()))
			s.spoil("RUN#", spoil)
			found, _, err := s.store.RunAndRing(t.Context(), run.Ref())
			if wantDefect(t, "read", err); found != nil {
				t.Errorf("read as %+v", found)
			}
			count := 0
			err = s.store.Running(t.Context(), s.owner.Locator(), func(jobauth.Run) { count++ })
			if wantDefect(t, "running", err); count != 0 {
				t.Errorf("running: %d", count)
			}
		})
	}
}

// A lease that cannot be read is neither longer nor shorter than another.
func TestADamagedLeaseIsNotWrittenOver(t *testing.T) {
	for name, spoil := range map[string]func(attributes){
		"none":    without("leaseExpiresAt"),
		"no time": with("leaseExpiresAt", "S", "2026-11-03T12:00:00Z"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			run := s.record(s.run("a", time.Now()))
			s.spoil("RUN#", spoil)
			before := s.engine.Items()
			run.LeaseExpiresAt = run.LeaseExpiresAt.Add(time.Hour)
			_, err := s.store.RecordRun(t.Context(), run)
			wantDefect(t, "recorded", err)
			extended, err := s.store.ExtendRun(t.Context(), run)
			if wantDefect(t, "extended", err); extended != nil {
				t.Errorf("extended to %+v", extended)
			}
			if err := s.store.EndRun(t.Context(), run.Ref(), ""); apikey.CodeOf(err) != apikey.CodeRunNotFound {
				t.Errorf("ended: %v", err)
			}
			if after := s.engine.Items(); len(after) != 1 || after[0] != before[0] {
				t.Errorf("the item was %s and is %s", before, after)
			}
		})
	}
}

func TestADamagedUseIsNoUse(t *testing.T) {
	for name, value := range map[string][2]string{"a text": {"S", "yesterday"}, "half a time": {"N", "1.5"}} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.changes(2)
			ring := s.ring()
			for _, id := range []apikey.KeyID{ring.Active.ID, ring.PhasedOut[0].ID} {
				if err := s.store.Use(t.Context(), ring, id); err != nil {
					t.Fatal(err)
				}
			}
			s.spoil("USE", with(ring.PhasedOut[0].ID.String(), value[0], value[1]))
			got, uses, err := s.store.RingAndUses(t.Context(), s.owner.Locator())
			if wantDefect(t, "uses", err); got.Revision != 0 || len(uses) != 0 {
				t.Errorf("at revision %d: %v", got.Revision, uses)
			}
			// Of a key that is no more it matters to nobody.
			s.deleteKey(ring.PhasedOut[0].ID)
			if _, uses, err := s.store.RingAndUses(t.Context(), s.owner.Locator()); err != nil || len(uses) != 1 {
				t.Errorf("its key is deleted: %v, %v", uses, err)
			}
		})
	}
}

// Rings and events that were written before there were schedules and runs have
// no counts of them. Nor has one without any, so that they are alike.
func TestWhatWasWrittenBeforeThereWereSchedulesIsReadable(t *testing.T) {
	s := newScene(t)
	if _, err := s.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.rotate()
	for _, item := range s.engine.Items() {
		for _, name := range []string{"scheduleCount", "pinnedCount", "affected", "schedules"} {
			if strings.Contains(item, name) {
				t.Errorf("%s is in %s", name, item)
			}
		}
	}
	if again, err := s.create(t.Context()); err != nil || !again.Replayed {
		t.Errorf("the record: %v", err)
	}
	if ring := s.ring(); ring.Revision != 2 || ring.ScheduleCount != 0 || ring.Active.PinnedCount != 0 {
		t.Errorf("the ring: %+v", ring)
	}
	if changes, _, err := s.store.History(t.Context(), s.owner.Locator(), 10, 10); err != nil || len(changes) != 2 {
		t.Errorf("%d changes, %v", len(changes), err)
	}
}
