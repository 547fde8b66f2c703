package jobauth_test

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

var (
	ada  = apikey.Owner{AccountID: "acme", IAMID: "IBMid-1", Username: "ada@example.com"}
	noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
)

// The callers that a decision tells apart.
var (
	ownAccount   = jobauth.Caller{AccountID: "acme"}
	otherAccount = jobauth.Caller{AccountID: "evil"}
	platform     = jobauth.Caller{Platform: true}
	zeroCaller   = jobauth.Caller{}
)

// request is a good one, but for the way to name the key.
func request() jobauth.Request {
	return jobauth.Request{JobID: "job-1", JobType: jobauth.ModelTraining, Trigger: jobauth.AdHoc}
}

func byCredential(text string) jobauth.Request {
	r := request()
	r.Credential = &text
	return r
}

func bySchedule(ref string) jobauth.Request {
	r := request()
	r.ScheduleRef = &ref
	return r
}

func byOwner(accountID, iamID string) jobauth.Request {
	r := request()
	r.Owner = &jobauth.OwnerRef{AccountID: accountID, IAMID: iamID}
	return r
}

func keyID(n int) apikey.KeyID { return apikey.KeyID{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)} }

// credential is that of ada's n-th key with the secret number so many: n for
// the right one.
func credential(t rapid.TB, n, secret int) apikey.Credential {
	t.Helper()
	random := bytes.Repeat([]byte{byte(secret >> 8), byte(secret)}, 16)
	c, err := apikey.NewCredential(ada.Locator(), keyID(n), bytes.NewReader(random))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func material(t rapid.TB, n int) apikey.Material {
	return apikey.Material{KeyID: keyID(n), Digest: credential(t, n, n).Digest(), SecretARN: "arn:secret", VersionID: keyID(n).String()}
}

func at(now time.Time) apikey.Command {
	return apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorUser, ID: ada.IAMID}, Now: now}
}

// ringOfThree has the keys 1 (deleted), 2 (Phased out) and 3 (Active).
func ringOfThree(t testing.TB) apikey.Ring {
	t.Helper()
	ring, _, err := apikey.Ring{Owner: ada}.Create(at(noon), material(t, 1))
	for n := 2; n <= 3 && err == nil; n++ {
		ring, _, err = ring.Rotate(at(noon.Add(time.Duration(n)*time.Minute)), material(t, n))
	}
	if err == nil {
		ring, _, err = ring.DeleteOne(at(noon.Add(time.Hour)), keyID(1))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// refOf is the reference to ada's schedule.
func refOf(scheduleID string) string {
	return apikey.ScheduleRef{Locator: ada.Locator(), ID: scheduleID}.String()
}

// following and pinnedTo are ada's schedule "nightly", bound to the Active key and
// to her n-th.
func following() *apikey.Schedule {
	return &apikey.Schedule{ID: "nightly", Binding: apikey.FollowActive, JobID: "job-9", BoundAt: noon, Revision: 1}
}

func pinnedTo(n int) *apikey.Schedule {
	return &apikey.Schedule{ID: "nightly", Binding: apikey.Pinned, KeyID: keyID(n), BoundAt: noon, Revision: 1}
}

// decide asks, and answers from the ring only if one is needed.
func decide(t rapid.TB, r jobauth.Request, caller jobauth.Caller, ring apikey.Ring) jobauth.Decision {
	t.Helper()
	decision, _ := decideFrom(t, r, caller, jobauth.Facts{Ring: ring})
	return decision
}

// decideFrom asks, and answers from those of the facts that are needed.
func decideFrom(t rapid.TB, r jobauth.Request, caller jobauth.Caller, facts jobauth.Facts) (jobauth.Decision, *jobauth.Run) {
	t.Helper()
	question, err := r.Prepare(caller)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	needs, needed := question.Needs()
	if needed && needs.Ring != ada.Locator() {
		t.Fatalf("asked for the ring %v, want ada's", needs.Ring)
	}
	if !needed {
		facts.Ring = apikey.Ring{}
	}
	if needs.ScheduleID == "" {
		facts.Schedule = nil
	}
	return question.Decide(facts, noon)
}
