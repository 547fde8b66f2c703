package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// start has a job recorded as a run.
func (u *user) start(naming map[string]any) reply {
	u.t.Helper()
	naming["runId"] = "run-1"
	return u.ask(naming)
}

func (u *user) renew(ref string) reply {
	u.t.Helper()
	return u.call("POST", "/v1/job-runs/"+ref+"/renewal", "")
}

// What is running goes on after a rotation and is stopped by a deletion, which
// the impact foretells and the deletion's answer lists.
func TestRunSurvivesARotationAndIsStoppedByADeletion(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	created := ada.create().want(t, 201)
	pinned := ada.bind("report", map[string]any{"binding": "pinned", "keyId": created.Key.ID}).want(t, 201)
	ada.bind("training", map[string]any{}).want(t, 201)
	started := runner.start(map[string]any{"scheduleRef": pinned.ScheduleRef, "leaseSeconds": 600})
	started.check(t, "the run is recorded", started.Allowed && started.Run.Ref != "" && started.Run.LeaseExpiresAt != "")
	path := "/v1/user-api-keys/" + created.Key.ID

	impact := ada.call("GET", path+"/impact", "").want(t, 200)
	impact.check(t, "to delete the Active key would hit both schedules and the run",
		slices.Equal(impact.OnDelete.scheduleIDs(), []string{"report", "training"}) && impact.OnDelete.RunCount == 1 && impact.OnDelete.Runs[0].Ref == started.Run.Ref)
	impact.check(t, "to rotate it, the pinned one", impact.OnRotate != nil && slices.Equal(impact.OnRotate.scheduleIDs(), []string{"report"}) && impact.OnRotate.RunCount == 0)
	impact.check(t, "the key was used", impact.Key.LastUsedAt != "")

	ada.rotate().want(t, 201)
	renewed := runner.renew(started.Run.Ref).want(t, 200)
	renewed.check(t, "a Phased out key lets what is running go on", renewed.Allowed && renewed.Reason == "key_phased_out" &&
		renewed.Key.ID == created.Key.ID && renewed.Run.LeaseExpiresAt > started.Run.LeaseExpiresAt)
	foretold := ada.call("GET", path+"/impact", "").want(t, 200)
	foretold.check(t, "the run still holds the key", foretold.OnDelete.RunCount == 1 && foretold.OnRotate == nil)

	deleted := ada.call("DELETE", path, "", "If-Match", foretold.header.Get("ETag")).want(t, 200)
	deleted.check(t, "the deletion hits what was foretold", slices.Equal(deleted.Affected.scheduleIDs(), foretold.OnDelete.scheduleIDs()) &&
		deleted.Affected.RunCount == 1 && deleted.Affected.Runs[0].Ref == started.Run.Ref)
	stopped := runner.renew(started.Run.Ref).want(t, 200)
	stopped.check(t, "the run must stop", !stopped.Allowed && stopped.Reason == "key_deleted")
	runner.call("DELETE", "/v1/job-runs/"+started.Run.Ref, "").want(t, 204)
	runner.renew(started.Run.Ref).refused(t, 404, "run_not_found")
	runner.call("DELETE", "/v1/job-runs/"+started.Run.Ref, "").refused(t, 404, "run_not_found")

	told := ada.history("?limit=1")
	told.check(t, "the history counts what was hit", strings.Contains(told.body, `"affectedScheduleCount":1,"affectedRunCount":1`))
}

// A run that has ended counts no more, and the same run asked for again is the
// same.
func TestEndedRunsDoNotCount(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	created := ada.create().want(t, 201)
	naming := map[string]any{"credential": created.Credential}
	started := runner.start(naming)
	again := runner.start(naming)
	again.check(t, "asked again, it is the same run", again.Run.Ref == started.Run.Ref)
	count := func() int {
		return ada.call("GET", "/v1/user-api-keys/"+created.Key.ID+"/impact", "").want(t, 200).OnDelete.RunCount
	}
	if got := count(); got != 1 {
		t.Errorf("%d runs are under way", got)
	}
	runner.call("DELETE", "/v1/job-runs/"+started.Run.Ref, "").want(t, 204)
	if got := count(); got != 0 {
		t.Errorf("%d runs are under way after the end", got)
	}
}

func TestLastUseAppears(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	created := ada.create().want(t, 201)
	view := ada.view()
	view.check(t, "a new key was never used", view.Active.LastUsedAt == "")
	runner.authorize(created.Credential)
	view = ada.view()
	view.check(t, "then it was", strings.HasSuffix(view.Active.LastUsedAt, "Z"))
	rotated := ada.rotate().want(t, 201)
	view = ada.view()
	view.check(t, "each key has its own last use", view.Active.ID == rotated.Key.ID && view.Active.LastUsedAt == "" && view.phasedOut(t)[0].LastUsedAt != "")
}

// Each request of a batch is decided by itself.
func TestBatchDecidesEachByItself(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	old := ada.create().want(t, 201)
	follows := ada.bind("training", map[string]any{}).want(t, 201)
	active := ada.rotate().want(t, 201)
	requests := []string{
		jobRequest(map[string]any{"scheduleRef": follows.ScheduleRef, "runId": "run-1"}),
		jobRequest(map[string]any{"credential": old.Credential}),
		`{"jobId":"job-1","jobType":"cron","trigger":"ad_hoc","credential":"x"}`,
		jobRequest(map[string]any{"owner": map[string]string{"accountId": ada.owner.AccountID, "iamId": ada.owner.IAMID}}),
		jobRequest(map[string]any{"owner": map[string]string{"accountId": "account-2", "iamId": ada.owner.IAMID}}),
		jobRequest(map[string]any{"credential": "cpdk_"}),
		jobRequest(map[string]any{"scheduleRef": "cpds_"}),
	}
	r := runner.call("POST", "/v1/job-authorizations/batch", `{"requests":[`+strings.Join(requests, ",")+`]}`).want(t, 200)
	var reasons []string
	for _, d := range r.Decisions {
		reasons = append(reasons, d.Reason)
	}
	r.check(t, "each has its own reason, in order", slices.Equal(reasons, []string{
		"key_active", "key_phased_out", "invalid_request", "key_active", "no_active_key", "credential_malformed", "schedule_unknown",
	}))
	r.check(t, "what is allowed names the key and the run", r.Decisions[0].Allowed && r.Decisions[0].Key.ID == active.Key.ID && r.Decisions[0].Run.Ref != "" &&
		r.Decisions[3].Allowed && r.Decisions[3].Run.Ref == "")
	r.check(t, "what is malformed says where", strings.HasPrefix(r.Decisions[2].Detail, "jobType ") && r.Decisions[1].Detail == "")
	single := runner.ask(map[string]any{"scheduleRef": follows.ScheduleRef, "runId": "run-1"})
	single.check(t, "the run is the same one as by itself", single.Run.Ref == r.Decisions[0].Run.Ref)

	answer, failed := invoke(t, `{"requests":[`+requests[1]+`]}`)
	if failed || len(answer.Decisions) != 1 || answer.Decisions[0].Reason != "key_phased_out" {
		t.Errorf("invoked directly: %s", answer.body)
	}
	for _, body := range []string{`{}`, `{"requests":[]}`, `{"requests":{}}`, `{"requests":[` + strings.Repeat(requests[5]+",", 100) + requests[5] + `]}`} {
		runner.call("POST", "/v1/job-authorizations/batch", body).refused(t, 400, "invalid_request")
	}
	runner.call("POST", "/v1/job-authorizations/batch", strings.Repeat(" ", 256<<10-1)+"{}").refused(t, 413, "payload_too_large")
}

// Who is of another account learns nothing: their answer is that to a reference
// which names nothing.
func TestForeignReferencesAnswerAsForgedOnes(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	ada.create().want(t, 201)
	bound := ada.bind("training", map[string]any{}).want(t, 201)
	started := runner.start(map[string]any{"scheduleRef": bound.ScheduleRef})
	elsewhere := newAccount(t)
	stranger := elsewhere.user("runner", "JobRunner")
	nowhere := apikey.Owner{AccountID: elsewhere.id, IAMID: "nobody"}.Locator()

	known := stranger.askSchedule(bound.ScheduleRef)
	for _, ref := range []string{apikey.ScheduleRef{Locator: nowhere, ID: "training"}.String(), bound.ScheduleRef[:40], "", "cpds_" + bound.ScheduleRef} {
		if forged := stranger.askSchedule(ref); forged.body != known.body || forged.Reason != "schedule_unknown" {
			t.Errorf("the reference %q: %s, and a foreign one %s", ref, forged.body, known.body)
		}
	}
	for _, ref := range []string{started.Run.Ref, apikey.NewRunRef(nowhere, "job-1", "run-1").String(), started.Run.Ref[:40], "x"} {
		for _, r := range []reply{stranger.renew(ref), stranger.call("DELETE", "/v1/job-runs/"+ref, "")} {
			r.refused(t, 404, "run_not_found")
			var problem struct{ Detail string }
			if err := json.Unmarshal([]byte(r.body), &problem); err != nil || problem.Detail != apikey.RunNotFound().Detail {
				t.Errorf("the reference %q: %s", ref, r.body)
			}
		}
	}
	runner.renew(started.Run.Ref).want(t, 200)
	bob := newUser(t, "Administrator")
	bob.call("GET", "/v1/schedules/training", "").refused(t, 404, "schedule_not_found")
	bob.call("DELETE", "/v1/schedules/training", "").refused(t, 404, "schedule_not_found")
	bob.call("GET", "/v1/user-api-keys/"+ada.view().Active.ID+"/impact", "").refused(t, 404, "key_not_found")
}
