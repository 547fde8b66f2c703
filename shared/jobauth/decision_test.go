package jobauth_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/sourcetest"
)

// TestEveryReasonForEveryCaller compares whole decisions: what is unknown or not
// the caller's business is left out.
func TestEveryReasonForEveryCaller(t *testing.T) {
	ring := ringOfThree(t)
	empty, _ := ring.DeleteAll(at(noon))
	right := func(n int) jobauth.Request { return byCredential(credential(t, n, n).Reveal()) }
	wrong := func(n int) jobauth.Request { return byCredential(credential(t, n, 900).Reveal()) }

	active := jobauth.Decision{
		Allowed: true, Reason: "key_active", KeyID: keyID(3), KeyName: ring.Active.Name, Owner: &ada,
		Secret: &jobauth.SecretRef{ARN: "arn:secret", VersionID: keyID(3).String()},
	}
	phasedOut := jobauth.Decision{Reason: "key_phased_out", KeyID: keyID(2), KeyName: ring.PhasedOut[0].Name, Owner: &ada}
	deleted := func(n int) jobauth.Decision {
		return jobauth.Decision{Reason: "key_deleted", KeyID: keyID(n), Owner: &ada}
	}
	unknown := jobauth.Decision{Reason: "key_unknown"}
	malformed := jobauth.Decision{Reason: "credential_malformed"}
	noActive := jobauth.Decision{Reason: "no_active_key"}
	noSchedule := jobauth.Decision{Reason: "schedule_unknown"}
	pinnedToPhasedOut := jobauth.Decision{Reason: "schedule_key_phased_out", KeyID: keyID(2), KeyName: ring.PhasedOut[0].Name, Owner: &ada}
	pinnedToDeleted := func(n int) jobauth.Decision {
		return jobauth.Decision{Reason: "schedule_key_deleted", KeyID: keyID(n), Owner: &ada}
	}
	followsNothing := jobauth.Decision{Reason: "no_active_key", Owner: &ada}
	nightly := bySchedule(refOf("nightly"))
	typo := bySchedule(refOf("nightly")[:40] + "x")
	weekly := bySchedule(refOf("weekly"))

	seen := map[jobauth.Reason]bool{}
	for _, c := range []struct {
		name    string
		request jobauth.Request
		ring    apikey.Ring
		// What its own account's runner and the platform's are told, and what
		// everybody else is.
		insiders, outsiders jobauth.Decision
		schedule            *apikey.Schedule
	}{
		{"Active key's credential", right(3), ring, active, unknown, nil},
		{"Phased out key's credential", right(2), ring, phasedOut, unknown, nil},
		{"deleted key's credential", right(1), ring, deleted(1), unknown, nil},
		{"Active key's credential after all were deleted", right(3), empty, deleted(3), unknown, nil},
		{"Phased out key's credential after all were deleted", right(2), empty, deleted(2), unknown, nil},
		{"credential of a key that never was", right(7), ring, unknown, unknown, nil},
		{"wrong secret of the Active key", wrong(3), ring, unknown, unknown, nil},
		{"wrong secret of the Phased out key", wrong(2), ring, unknown, unknown, nil},
		{"wrong secret of the deleted key", wrong(1), ring, unknown, unknown, nil},
		{"secret of another key of the ring", byCredential(credential(t, 2, 3).Reveal()), ring, unknown, unknown, nil},
		{"credential of an owner without a ring", right(3), apikey.Ring{}, unknown, unknown, nil},
		{"malformed credential", byCredential("cpdk_x"), ring, malformed, malformed, nil},
		{"empty credential", byCredential(""), ring, malformed, malformed, nil},
		{"mistyped credential", byCredential(credential(t, 3, 3).Reveal() + " "), ring, malformed, malformed, nil},
		{"owner with an Active key", byOwner("acme", "IBMid-1"), ring, active, noActive, nil},
		{"owner whose keys were deleted", byOwner("acme", "IBMid-1"), empty, noActive, noActive, nil},
		{"owner without a ring", byOwner("acme", "IBMid-1"), apikey.Ring{}, noActive, noActive, nil},
		{"schedule that follows", nightly, ring, active, noSchedule, following()},
		{"schedule pinned to the Active key", nightly, ring, active, noSchedule, pinnedTo(3)},
		{"schedule pinned to the Phased out key", nightly, ring, pinnedToPhasedOut, noSchedule, pinnedTo(2)},
		{"schedule pinned to the deleted key", nightly, ring, pinnedToDeleted(1), noSchedule, pinnedTo(1)},
		{"schedule pinned to a forgotten key", nightly, ring, pinnedToDeleted(900), noSchedule, pinnedTo(900)},
		{"schedule that follows, all keys deleted", nightly, empty, followsNothing, noSchedule, following()},
		{"schedule pinned to what was Active, all keys deleted", nightly, empty, pinnedToDeleted(3), noSchedule, pinnedTo(3)},
		{"schedule that is not bound", nightly, ring, noSchedule, noSchedule, nil},
		{"schedule that is not bound, all keys deleted", nightly, empty, noSchedule, noSchedule, nil},
		{"schedule of an owner without a ring", nightly, apikey.Ring{}, noSchedule, noSchedule, nil},
		{"mistyped reference", typo, ring, noSchedule, noSchedule, following()},
		{"reference to another schedule", weekly, ring, noSchedule, noSchedule, nil},
		{"empty reference", bySchedule(""), ring, noSchedule, noSchedule, following()},
		{"a credential for a reference", bySchedule(credential(t, 3, 3).Reveal()), ring, noSchedule, noSchedule, following()},
		{"a schedule's id for a reference", bySchedule("nightly"), ring, noSchedule, noSchedule, following()},
	} {
		for _, caller := range []struct {
			name   string
			caller jobauth.Caller
			want   jobauth.Decision
		}{
			{"own account", ownAccount, c.insiders},
			{"other account", otherAccount, c.outsiders},
			{"platform", platform, c.insiders},
			{"platform of another account", jobauth.Caller{AccountID: "evil", Platform: true}, c.insiders},
			{"zero caller", zeroCaller, c.outsiders},
		} {
			t.Run(c.name+"/"+caller.name, func(t *testing.T) {
				got, run := decideFrom(t, c.request, caller.caller, jobauth.Facts{Ring: c.ring, Schedule: c.schedule})
				if diff := cmp.Diff(caller.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if got.Allowed != (got.Reason == jobauth.KeyActive) {
					t.Errorf("allowed %t for the reason %s", got.Allowed, got.Reason)
				}
				if run != nil {
					t.Errorf("a run that was not asked for: %+v", run)
				}
				seen[got.Reason] = true
			})
		}
	}
	for _, reason := range jobauth.Reasons {
		if !seen[reason] {
			t.Errorf("no case has the reason %s", reason)
		}
	}
}

// What an outsider is told must not tell whether the key exists.
func TestAForeignKeyAndAWrongSecretAreToldTheSame(t *testing.T) {
	ring := ringOfThree(t)
	for n := 1; n <= 3; n++ {
		foreign := decide(t, byCredential(credential(t, n, n).Reveal()), otherAccount, ring)
		forged := decide(t, byCredential(credential(t, n, 900).Reveal()), ownAccount, ring)
		nobodys := decide(t, byCredential(credential(t, 7, 7).Reveal()), ownAccount, ring)
		if diff := cmp.Diff(forged, foreign); diff != "" {
			t.Errorf("key %d (-wrong secret +foreign):\n%s", n, diff)
		}
		if diff := cmp.Diff(nobodys, forged); diff != "" {
			t.Errorf("key %d (-no such key +wrong secret):\n%s", n, diff)
		}
	}
}

func TestAForeignOwnerAndOneWithoutKeysAreToldTheSame(t *testing.T) {
	ring := ringOfThree(t)
	empty, _ := ring.DeleteAll(at(noon))
	foreign := decide(t, byOwner("acme", "IBMid-1"), otherAccount, ring)
	if diff := cmp.Diff(decide(t, byOwner("acme", "IBMid-1"), ownAccount, empty), foreign); diff != "" {
		t.Errorf("-without keys +foreign:\n%s", diff)
	}
}

// A runner cannot tell whether a reference was made up, mistyped or is another
// account's, nor whether that account has keys.
func TestAForeignAForgedAndAMalformedScheduleAreToldTheSame(t *testing.T) {
	ring := ringOfThree(t)
	empty, _ := ring.DeleteAll(at(noon))
	want, _ := decideFrom(t, bySchedule("cpds_x"), ownAccount, jobauth.Facts{})
	for name, c := range map[string]struct {
		caller jobauth.Caller
		facts  jobauth.Facts
	}{
		"foreign, may run":         {otherAccount, jobauth.Facts{Ring: ring, Schedule: following()}},
		"foreign, key Phased out":  {otherAccount, jobauth.Facts{Ring: ring, Schedule: pinnedTo(2)}},
		"foreign, key deleted":     {otherAccount, jobauth.Facts{Ring: ring, Schedule: pinnedTo(1)}},
		"foreign, no Active key":   {otherAccount, jobauth.Facts{Ring: empty, Schedule: following()}},
		"foreign, not bound":       {otherAccount, jobauth.Facts{Ring: ring}},
		"foreign, no ring":         {otherAccount, jobauth.Facts{}},
		"forged":                   {ownAccount, jobauth.Facts{Ring: ring}},
		"forged, no ring":          {ownAccount, jobauth.Facts{}},
		"forged, for the platform": {platform, jobauth.Facts{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := bySchedule(refOf("nightly"))
			r.RunID = new("run-1")
			got, run := decideFrom(t, r, c.caller, c.facts)
			if diff := cmp.Diff(want, got); diff != "" || run != nil {
				t.Errorf("run %+v (-malformed +got):\n%s", run, diff)
			}
		})
	}
}

// A ring of no account does not come about; it must not be everybody's.
func TestTheZeroCallerHasNoBusinessWithARingOfNoAccount(t *testing.T) {
	ring := ringOfThree(t)
	ring.Owner = apikey.Owner{}
	for reason, r := range map[jobauth.Reason]jobauth.Request{
		"key_unknown":      byCredential(credential(t, 3, 3).Reveal()),
		"schedule_unknown": bySchedule(refOf("nightly")),
	} {
		got, _ := decideFrom(t, r, zeroCaller, jobauth.Facts{Ring: ring, Schedule: following()})
		if diff := cmp.Diff(jobauth.Decision{Reason: reason}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestNothingIsReadForWhatFormAndCallerDecide(t *testing.T) {
	good, ref := credential(t, 3, 3).Reveal(), refOf("nightly")
	ring := &jobauth.Needs{Ring: ada.Locator()}
	ringAndSchedule := &jobauth.Needs{Ring: ada.Locator(), ScheduleID: "nightly"}
	for _, c := range []struct {
		name    string
		request jobauth.Request
		caller  jobauth.Caller
		want    *jobauth.Needs // nil: nothing
	}{
		{"malformed credential", byCredential("cpdk_x"), platform, nil},
		{"empty credential", byCredential(""), ownAccount, nil},
		{"cut off credential", byCredential(good[:len(good)-1]), ownAccount, nil},
		{"foreign owner", byOwner("acme", "IBMid-1"), otherAccount, nil},
		{"owner, zero caller", byOwner("acme", "IBMid-1"), zeroCaller, nil},
		{"malformed reference", bySchedule("cpds_x"), platform, nil},
		{"empty reference", bySchedule(""), ownAccount, nil},
		{"cut off reference", bySchedule(ref[:len(ref)-1]), ownAccount, nil},
		{"reference of a run", bySchedule(apikey.NewRunRef(ada.Locator(), "job-1", "run-1").String()), platform, nil},
		{"good credential", byCredential(good), ownAccount, ring},
		{"good credential of whom only the ring tells", byCredential(good), otherAccount, ring},
		{"own owner", byOwner("acme", "IBMid-1"), ownAccount, ring},
		{"platform's owner", byOwner("acme", "IBMid-1"), platform, ring},
		{"good reference", bySchedule(ref), ownAccount, ringAndSchedule},
		{"good reference, for the platform", bySchedule(ref), platform, ringAndSchedule},
		{"good reference of whom only the ring tells", bySchedule(ref), otherAccount, ringAndSchedule},
		{
			"reference to another owner's schedule",
			bySchedule(apikey.ScheduleRef{Locator: apikey.Locator{15: 1}, ID: "-"}.String()), ownAccount,
			&jobauth.Needs{Ring: apikey.Locator{15: 1}, ScheduleID: "-"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.request.RunID = new("run-1") // nothing is read for a run
			question, err := c.request.Prepare(c.caller)
			if err != nil {
				t.Fatal(err)
			}
			want := jobauth.Needs{}
			if c.want != nil {
				want = *c.want
			}
			if needs, needed := question.Needs(); needed != (c.want != nil) || needs != want {
				t.Errorf("needs %+v: %t, want %+v", needs, needed, want)
			}
		})
	}
}

// A caller that names an owner of its own account gets that owner's ring, not
// one whose parts only join to the same text.
func TestAnOwnersRingIsFoundByBothItsParts(t *testing.T) {
	for _, owner := range []apikey.Owner{{AccountID: "acme", IAMID: "IBMid-1"}, {AccountID: "acmeI", IAMID: "BMid-1"}} {
		question, err := byOwner(owner.AccountID, owner.IAMID).Prepare(platform)
		if err != nil {
			t.Fatal(err)
		}
		if needs, _ := question.Needs(); needs.Ring != owner.Locator() {
			t.Errorf("%+v is looked for at %v", owner, needs.Ring)
		}
	}
}

func TestEveryKindOfJobMayRunWithAnActiveKey(t *testing.T) {
	ring := ringOfThree(t)
	for _, jobType := range jobauth.JobTypes {
		for _, trigger := range jobauth.Triggers {
			t.Run(fmt.Sprintf("%s/%s", jobType, trigger), func(t *testing.T) {
				for _, r := range []jobauth.Request{
					byOwner("acme", "IBMid-1"), byCredential(credential(t, 3, 3).Reveal()), bySchedule(refOf("nightly")),
				} {
					r.JobType, r.Trigger = jobType, trigger
					if jobType == jobauth.RuntimeService {
						r.Service = "watsonx"
					}
					if decision, _ := decideFrom(t, r, ownAccount, jobauth.Facts{Ring: ring, Schedule: following()}); !decision.Allowed {
						t.Errorf("refused: %s", decision.Reason)
					}
				}
			})
		}
	}
}

// Tables over these lists are complete only if the lists are.
func TestListsNameEveryValue(t *testing.T) {
	sourcetest.ListsAll(t, jobauth.Reasons, "decision.go")
	sourcetest.ListsAll(t, jobauth.JobTypes, "request.go")
	sourcetest.ListsAll(t, jobauth.Triggers, "request.go")
}
