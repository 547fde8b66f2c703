package storetest

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// extend renews a run for so long from now on.
func (h *harness) extend(run jobauth.Run, lease time.Duration) *jobauth.Run {
	h.t.Helper()
	run.LeaseExpiresAt = h.now().Add(lease)
	extended, err := h.store.ExtendRun(h.t.Context(), run)
	if err != nil {
		h.t.Fatal(err)
	}
	return extended
}

func (h *harness) end(ref apikey.RunRef, accountID string) apikey.Code {
	return apikey.CodeOf(h.store.EndRun(h.t.Context(), ref, accountID))
}

func extensionsNeverShorten(t *testing.T, h *harness) {
	run := h.record(h.run("a", time.Hour))
	for _, c := range []struct {
		after, lease time.Duration
		want         time.Duration // since the start
	}{
		{0, time.Second, time.Hour},
		{0, time.Hour, time.Hour},
		{0, time.Hour + time.Millisecond, time.Hour + time.Millisecond},
		{30 * time.Minute, time.Minute, time.Hour + time.Millisecond},
		{90 * time.Minute, time.Minute, 91 * time.Minute}, // its lease had run out
		{90 * time.Minute, 24 * time.Hour, 90*time.Minute + 24*time.Hour},
		{91 * time.Minute, time.Second, 90*time.Minute + 24*time.Hour},
	} {
		h.clock.Store(run.StartedAt.Add(c.after).UnixMilli())
		want := run
		want.LeaseExpiresAt = run.StartedAt.Add(c.want)
		if diff := gocmp.Diff(&want, h.extend(run, c.lease)); diff != "" {
			t.Errorf("after %v for %v (-want +got): %s", c.after, c.lease, diff)
		}
		h.wantOnRecord("extended", run.Ref(), &want)
	}
}

// A renewal was decided by what was on record. When another decision has the run
// under another key meanwhile, that stays.
func extensionsChangeNothingButTheLease(t *testing.T, h *harness) {
	run := h.record(h.run("a", time.Hour))
	h.clock.Add(time.Minute.Milliseconds())
	again := h.run("a", time.Minute)
	again.KeyID = apikey.KeyID{6: 0x70, 8: 0x80, 15: 2}
	want := h.record(again)
	run.Owner.Username, run.Service, run.StartedAt = "other", "other", h.now()
	want.LeaseExpiresAt = h.now().Add(2 * time.Hour)
	if diff := gocmp.Diff(&want, h.extend(run, 2*time.Hour)); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
	h.wantOnRecord("extended", run.Ref(), &want)
}

func endedRunIsNotExtended(t *testing.T, h *harness) {
	run := h.run("a", time.Hour)
	if extended := h.extend(run, time.Hour); extended != nil {
		t.Errorf("never recorded, extended to %+v", extended)
	}
	h.record(run)
	if code := h.end(run.Ref(), ""); code != "" {
		t.Fatal(code)
	}
	if extended := h.extend(run, 2*time.Hour); extended != nil {
		t.Errorf("ended, extended to %+v", extended)
	}
	h.wantOnRecord("ended", run.Ref(), nil)
	h.wantRunning("ended")
}

func forgottenRunIsNotExtended(t *testing.T, h *harness) {
	h.clock.Store(h.clock.Load()/1000*1000 + 700)
	for _, lease := range []time.Duration{time.Second, time.Hour} { // a shorter and a longer one
		run := h.record(h.run("a", time.Hour))
		h.clock.Store(run.LeaseExpiresAt.Add(jobauth.RecordPeriod - time.Millisecond).UnixMilli())
		h.wantOnRecord("a millisecond before", run.Ref(), &run)
		h.clock.Add(1)
		h.wantOnRecord("off the record", run.Ref(), nil)
		if extended := h.extend(run, lease); extended != nil {
			t.Errorf("off the record, extended to %+v", extended)
		}
		// As long as the item is there, a lease that is on record decides.
		longer := run
		longer.LeaseExpiresAt = run.LeaseExpiresAt.Add(-time.Minute)
		if extended, err := h.store.ExtendRun(t.Context(), longer); extended != nil || err != nil {
			t.Errorf("off the record, extended to %+v, %v", extended, err)
		}
		h.wantOnRecord("not extended", run.Ref(), nil)
	}
}

// A run's end and its renewal meet: either comes last, and both know it.
func endAndExtensionAtOnce(t *testing.T, h *harness) {
	for range 10 {
		run := h.record(h.run("a", time.Hour))
		codes := inParallel(2, func(i int) apikey.Code {
			if i == 0 {
				return h.end(run.Ref(), run.Owner.AccountID)
			}
			_, err := h.store.ExtendRun(t.Context(), run)
			return apikey.CodeOf(err)
		})
		if codes[0] != "" || codes[1] != "" {
			t.Fatalf("end and extension: %q", codes)
		}
		h.wantOnRecord("ended", run.Ref(), nil)
	}
}

func runsAreEndedByTheirAccount(t *testing.T, h *harness) {
	const account, notFound = "account-1", apikey.CodeRunNotFound // NewOwner's
	for _, c := range []struct {
		name      string
		accountID string
		after     time.Duration
		want      apikey.Code
	}{
		{"own account", account, 0, ""},
		{"platform", "", 0, ""},
		{"another account", "account-2", 0, notFound},
		{"an account that begins the same", "account-", 0, notFound},
		{"its lease has run out", account, 2 * time.Hour, ""},
		{"platform, its lease has run out", "", 2 * time.Hour, ""},
		{"a millisecond before it is off the record", account, time.Hour + jobauth.RecordPeriod - time.Millisecond, ""},
		{"off the record", account, time.Hour + jobauth.RecordPeriod, notFound},
		{"platform, off the record", "", time.Hour + jobauth.RecordPeriod, notFound},
	} {
		h.owner = NewOwner(t)
		h.clock.Store(h.clock.Load()/1000*1000 + 700)
		run, stays := h.record(h.run("a", time.Hour)), h.record(h.run("b", 300*time.Hour))
		h.clock.Add(c.after.Milliseconds())
		if got := h.end(run.Ref(), c.accountID); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		gone := c.want == "" || !run.IsOnRecord(h.now())
		if gone {
			h.wantOnRecord(c.name, run.Ref(), nil)
		} else {
			h.wantOnRecord(c.name, run.Ref(), &run)
		}
		if gone || c.accountID == "" {
			if got := h.end(run.Ref(), c.accountID); got != notFound {
				t.Errorf("%s, again: %q", c.name, got)
			}
		}
		h.wantOnRecord(c.name+", the other run", stays.Ref(), &stays)
	}
	if got := h.end(h.run("never", time.Hour).Ref(), account); got != notFound {
		t.Errorf("never recorded: %q", got)
	}
	if got := h.end(apikey.NewRunRef(NewOwner(t).Locator(), "job-1", "a"), ""); got != notFound {
		t.Errorf("of nobody: %q", got)
	}
}

// An ended run that is asked for again is a new one.
func endedRunIsANewRun(t *testing.T, h *harness) {
	first := h.record(h.run("a", time.Hour))
	h.clock.Add(time.Minute.Milliseconds())
	if code := h.end(first.Ref(), first.Owner.AccountID); code != "" {
		t.Fatal(code)
	}
	again := h.run("a", time.Second)
	if diff := gocmp.Diff(again, h.record(again)); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
	h.wantRunning("asked for again", again)
}

func runsOfTwoOwners(t *testing.T, h *harness) {
	first := h.record(h.run("a", time.Hour))
	firstOwner := h.owner
	h.owner = NewOwner(t)
	h.wantRunning("another owner")
	second := h.record(h.run("a", 2*time.Hour))
	if first.Ref() == second.Ref() {
		t.Fatal("two owners' runs have one reference")
	}
	if code := h.end(second.Ref(), ""); code != "" {
		t.Error(code)
	}
	h.owner = firstOwner
	h.wantRunning("the other's has ended", first)
}
