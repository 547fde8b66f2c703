package jobauth_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// runOf is the run "run-1" of "job-1", recorded at noon for an hour under ada's
// n-th key.
func runOf(n int) jobauth.Run {
	return jobauth.Run{
		Owner: ada, KeyID: keyID(n), JobID: "job-1", RunID: "run-1", JobType: jobauth.ModelTraining,
		StartedAt: noon, LeaseExpiresAt: noon.Add(time.Hour),
	}
}

func TestARunIsRecordedWhenItIsAllowedAndAskedFor(t *testing.T) {
	ring := ringOfThree(t)
	for _, c := range []struct {
		name    string
		request jobauth.Request
		facts   jobauth.Facts
		allowed bool
	}{
		{"Active key's credential", byCredential(credential(t, 3, 3).Reveal()), jobauth.Facts{Ring: ring}, true},
		{"owner with an Active key", byOwner("acme", "IBMid-1"), jobauth.Facts{Ring: ring}, true},
		{"schedule that follows", bySchedule(refOf("nightly")), jobauth.Facts{Ring: ring, Schedule: following()}, true},
		{"schedule pinned to the Active key", bySchedule(refOf("nightly")), jobauth.Facts{Ring: ring, Schedule: pinnedTo(3)}, true},
		{"Phased out key's credential", byCredential(credential(t, 2, 2).Reveal()), jobauth.Facts{Ring: ring}, false},
		{"deleted key's credential", byCredential(credential(t, 1, 1).Reveal()), jobauth.Facts{Ring: ring}, false},
		{"wrong secret", byCredential(credential(t, 3, 900).Reveal()), jobauth.Facts{Ring: ring}, false},
		{"malformed credential", byCredential("cpdk_x"), jobauth.Facts{}, false},
		{"owner without a ring", byOwner("acme", "IBMid-1"), jobauth.Facts{}, false},
		{"foreign owner", byOwner("evil", "IBMid-1"), jobauth.Facts{}, false},
		{"schedule pinned to the Phased out key", bySchedule(refOf("nightly")), jobauth.Facts{Ring: ring, Schedule: pinnedTo(2)}, false},
		{"schedule pinned to the deleted key", bySchedule(refOf("nightly")), jobauth.Facts{Ring: ring, Schedule: pinnedTo(1)}, false},
		{"schedule that is not bound", bySchedule(refOf("nightly")), jobauth.Facts{Ring: ring}, false},
		{"malformed reference", bySchedule("cpds_x"), jobauth.Facts{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			decision, run := decideFrom(t, c.request, ownAccount, c.facts)
			if run != nil || decision.Run != nil {
				t.Errorf("not asked for, recorded as %+v, answered as %+v", run, decision.Run)
			}
			c.request.RunID = new("run-1")
			decision, run = decideFrom(t, c.request, ownAccount, c.facts)
			if decision.Allowed != c.allowed {
				t.Fatalf("allowed %t: %s", decision.Allowed, decision.Reason)
			}
			var wantRun *jobauth.Run
			var wantLease *jobauth.RunLease
			if c.allowed {
				wantRun = new(runOf(3))
				wantLease = &jobauth.RunLease{Ref: apikey.NewRunRef(ada.Locator(), "job-1", "run-1"), ExpiresAt: noon.Add(time.Hour)}
			}
			if diff := cmp.Diff(wantRun, run); diff != "" {
				t.Errorf("run (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantLease, decision.Run); diff != "" {
				t.Errorf("lease (-want +got):\n%s", diff)
			}
		})
	}
}

// The run is of the job that is asked about: what a schedule says of its job is
// for people.
func TestARunIsTheJobsThatAsks(t *testing.T) {
	r := bySchedule(refOf("nightly"))
	r.JobID, r.RunID, r.JobType, r.Service, r.LeaseSeconds = "job-7", new("run-7"), jobauth.RuntimeService, "watsonx", new(int64(90))
	_, run := decideFrom(t, r, platform, jobauth.Facts{Ring: ringOfThree(t), Schedule: following()})
	want := &jobauth.Run{
		Owner: ada, KeyID: keyID(3), JobID: "job-7", RunID: "run-7", JobType: jobauth.RuntimeService, Service: "watsonx",
		StartedAt: noon, LeaseExpiresAt: noon.Add(90 * time.Second),
	}
	if diff := cmp.Diff(want, run); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestARenewedRunKeepsItsKeyWhileThatExists(t *testing.T) {
	ring := ringOfThree(t)
	empty, _ := ring.DeleteAll(at(noon))
	// Eleven keys later, nothing tells that key 1 ever was.
	forgetful := ring
	forgetful.Deleted = nil
	allowed := func(n int, reason jobauth.Reason, name string) jobauth.Decision {
		return jobauth.Decision{
			Allowed: true, Reason: reason, KeyID: keyID(n), KeyName: name, Owner: &ada,
			Secret: &jobauth.SecretRef{ARN: "arn:secret", VersionID: keyID(n).String()},
			Run:    &jobauth.RunLease{Ref: apikey.NewRunRef(ada.Locator(), "job-1", "run-1"), ExpiresAt: noon.Add(2 * time.Hour)},
		}
	}
	deleted := func(n int) jobauth.Decision {
		return jobauth.Decision{Reason: "key_deleted", KeyID: keyID(n), Owner: &ada}
	}
	for _, c := range []struct {
		name string
		run  jobauth.Run
		ring apikey.Ring
		want jobauth.Decision
	}{
		{"Active key", runOf(3), ring, allowed(3, "key_active", ring.Active.Name)},
		{"Phased out key", runOf(2), ring, allowed(2, "key_phased_out", ring.PhasedOut[0].Name)},
		{"deleted key, remembered", runOf(1), ring, deleted(1)},
		{"deleted key, forgotten", runOf(1), forgetful, deleted(1)},
		{"all keys deleted, remembered", runOf(3), empty, deleted(3)},
		{"no ring", runOf(3), apikey.Ring{}, deleted(3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			decision, run := c.run.Renew(c.ring, noon.Add(time.Hour), time.Hour)
			if diff := cmp.Diff(c.want, decision); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			want := c.run
			if c.want.Allowed {
				want.LeaseExpiresAt = noon.Add(2 * time.Hour)
			}
			if diff := cmp.Diff(want, run); diff != "" {
				t.Errorf("run (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARenewalNeverShortensALease(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration // of the run's start, an hour before its lease runs out
		lease time.Duration
		want  time.Duration
	}{
		{"at once, for as long", 0, time.Hour, time.Hour},
		{"at once, for less", 0, time.Second, time.Hour},
		{"at once, for more", 0, 24 * time.Hour, 24 * time.Hour},
		{"later, for less", 30 * time.Minute, 29 * time.Minute, time.Hour},
		{"later, to the same instant", 30 * time.Minute, 30 * time.Minute, time.Hour},
		{"later, for a millisecond more", 30 * time.Minute, 30*time.Minute + time.Millisecond, time.Hour + time.Millisecond},
		{"when it has run out", 3 * time.Hour, time.Minute, 3*time.Hour + time.Minute},
		{"by a clock that was set back", -2 * time.Hour, time.Hour, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			decision, run := runOf(3).Renew(ringOfThree(t), noon.Add(c.after), c.lease)
			if want := noon.Add(c.want); !run.LeaseExpiresAt.Equal(want) || !decision.Run.ExpiresAt.Equal(want) || !run.StartedAt.Equal(noon) {
				t.Errorf("to %v, answered as %v, started at %v; want %v", run.LeaseExpiresAt, decision.Run.ExpiresAt, run.StartedAt, want)
			}
		})
	}
}

// What a restore phased out lets its runs go on, and its secret is named no more:
// neither as a secret without a name, nor as a version of the next key's.
func TestARunWhoseKeyARestorePhasedOutGoesOnWithoutItsSecret(t *testing.T) {
	restored, _, err := ringOfThree(t).Restore(at(noon), apikey.RestoreStep{PhaseOut: true, Reason: apikey.ReasonNotCurrent})
	if err != nil {
		t.Fatal(err)
	}
	next := material(t, 4)
	next.SecretARN = "arn:another"
	created, _, err := restored.Create(at(noon.Add(time.Minute)), next)
	if err != nil {
		t.Fatal(err)
	}
	for name, ring := range map[string]apikey.Ring{"without a key": restored, "with the next key": created} {
		for _, n := range []int{2, 3} {
			decision, _ := runOf(n).Renew(ring, noon, time.Hour)
			if !decision.Allowed || decision.Reason != jobauth.KeyPhasedOut || decision.Secret != nil {
				t.Errorf("%s, key %d: %+v, secret %+v", name, n, decision, decision.Secret)
			}
		}
	}
	decision, _ := runOf(4).Renew(created, noon, time.Hour)
	if decision.Secret == nil || decision.Secret.ARN != "arn:another" {
		t.Errorf("the next key's secret is %+v", decision.Secret)
	}
}

func TestRunsGoOnRecordInMillisecondsOfUTC(t *testing.T) {
	now := time.Date(2026, 11, 3, 14, 0, 0, 123_999_999, time.FixedZone("+02:00", 2*60*60))
	want := noon.Add(123 * time.Millisecond)
	r := byOwner("acme", "IBMid-1")
	r.RunID = new("run-1")
	question, err := r.Prepare(ownAccount)
	if err != nil {
		t.Fatal(err)
	}
	decision, run := question.Decide(jobauth.Facts{Ring: ringOfThree(t)}, now)
	_, renewed := run.Renew(ringOfThree(t), now.Add(time.Hour), time.Hour)
	for name, c := range map[string]struct{ got, want time.Time }{
		"started": {run.StartedAt, want}, "lease": {run.LeaseExpiresAt, want.Add(time.Hour)},
		"answered": {decision.Run.ExpiresAt, want.Add(time.Hour)}, "renewed": {renewed.LeaseExpiresAt, want.Add(2 * time.Hour)},
	} {
		if !c.got.Equal(c.want) || c.got.Location() != time.UTC {
			t.Errorf("%s at %v, want %v", name, c.got, c.want)
		}
	}
}

func TestARunCountsUntilItsLeaseRunsOutAndIsOnRecordADayLonger(t *testing.T) {
	expires := runOf(3).LeaseExpiresAt
	for _, c := range []struct {
		name              string
		now               time.Time
		running, onRecord bool
	}{
		{"at its start", noon, true, true},
		{"before its start, by another clock", noon.Add(-time.Hour), true, true},
		{"just before its lease runs out", expires.Add(-time.Nanosecond), true, true},
		{"as its lease runs out", expires, false, true},
		{"after its lease ran out", expires.Add(time.Nanosecond), false, true},
		{"just before a day has passed", expires.Add(24*time.Hour - time.Nanosecond), false, true},
		{"as a day has passed", expires.Add(24 * time.Hour), false, false},
		{"later", expires.Add(240 * time.Hour), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if run := runOf(3); run.IsRunning(c.now) != c.running || run.IsOnRecord(c.now) != c.onRecord {
				t.Errorf("running: %t, on record: %t", run.IsRunning(c.now), run.IsOnRecord(c.now))
			}
		})
	}
}

func TestARunIsTheBusinessOfItsAccountAndOfThePlatform(t *testing.T) {
	nobodys := runOf(3)
	nobodys.Owner = apikey.Owner{}
	for _, c := range []struct {
		name   string
		run    jobauth.Run
		caller jobauth.Caller
		want   bool
	}{
		{"own account", runOf(3), ownAccount, true},
		{"other account", runOf(3), otherAccount, false},
		{"platform", runOf(3), platform, true},
		{"platform of another account", runOf(3), jobauth.Caller{AccountID: "evil", Platform: true}, true},
		{"zero caller", runOf(3), zeroCaller, false},
		{"zero caller, run of no account", nobodys, zeroCaller, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.run.MayBeSeenBy(c.caller); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// The same job and run of the same owner is the same run, whatever else is
// different; any other is another.
func TestARunIsItsOwnersJobAndRun(t *testing.T) {
	same := runOf(2)
	same.Owner.Username, same.JobType, same.Service = "other", jobauth.RuntimeService, "watsonx"
	same.StartedAt, same.LeaseExpiresAt = noon.Add(time.Hour), noon.Add(24*time.Hour)
	if same.Ref() != runOf(3).Ref() {
		t.Error("the same run has another reference")
	}
	text := rapid.StringOfN(rapid.RuneFrom([]rune{'a', '-', '#', '1'}), 1, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		one, other := runOf(3), runOf(3)
		one.JobID, one.RunID = text.Draw(t, "job"), text.Draw(t, "run")
		other.JobID, other.RunID = text.Draw(t, "other job"), text.Draw(t, "other run")
		if sameRun := one.JobID == other.JobID && one.RunID == other.RunID; (one.Ref() == other.Ref()) != sameRun {
			t.Errorf("%q of %q and %q of %q", one.RunID, one.JobID, other.RunID, other.JobID)
		}
		other = one
		other.Owner.AccountID = "evil"
		if one.Ref() == other.Ref() {
			t.Error("two accounts have one run")
		}
	})
}
