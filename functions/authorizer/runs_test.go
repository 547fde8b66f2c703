package authorizer_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// run is a question with a run in it.
func (q question) run(id string) question { return q.with("runId", id) }

// begun records a run of Jane's by asking for it.
func (w world) begun() decision {
	w.t.Helper()
	got := w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane).run("run-1"))
	if !got.Allowed || got.Run.Ref == "" {
		w.t.Fatalf("answered %+v", got)
	}
	return got
}

func (w world) renewed(token, ref string) decision {
	w.t.Helper()
	var got decision
	w.sendRun(http.MethodPost, token, ref, "").Must(http.StatusOK).Decode(&got)
	return got
}

// running are Jane's runs that count now, by reference.
func (w world) running() map[string]jobauth.Run {
	w.t.Helper()
	runs := map[string]jobauth.Run{}
	err := w.Keys.Rings.Running(w.t.Context(), functest.Jane.Locator(), func(run jobauth.Run) { runs[run.Ref().String()] = run })
	if err != nil {
		w.t.Fatal(err)
	}
	return runs
}

// records is how many runs are on record, counting or not.
func (w world) records() (count int) {
	for _, item := range w.Table.Items() {
		if strings.Contains(item, `{"S":"RUN#`) {
			count++
		}
	}
	return count
}

func TestRunIsRecordedOnlyWhenAllowedAndAskedFor(t *testing.T) {
	for shapeName, shape := range shapes {
		if shape.isAuthorizer {
			continue
		}
		for way, cases := range reasonCases {
			for name, c := range cases {
				t.Run(shapeName+"/"+string(way)+"/"+name, func(t *testing.T) {
					w, q, account := c.begin(t)
					if got := shape.ask(w, q, account); got.Run.Ref != "" || w.records() != 0 {
						t.Errorf("not asked for, and recorded: %+v", got)
					}
					got, allowed := shape.ask(w, q.run("run-1"), account), c.want == jobauth.KeyActive
					if got.Allowed != allowed || (got.Run.Ref != "") != allowed || (w.records() == 1) != allowed {
						t.Errorf("allowed %v, %d on record: %+v", allowed, w.records(), got)
					}
				})
			}
		}
	}
}

func TestRecordedRunIsWhatWasAsked(t *testing.T) {
	w := newWorld(t)
	q := byCredential(functest.SecondCredential).run("run-1").with("leaseSeconds", 90)
	got := w.asked("JOB_RUNNER_TOKEN", q.with("jobType", "runtime_service").with("service", "feature-store"))
	want := jobauth.Run{
		Owner: functest.Jane, KeyID: w.Ring(functest.Jane).Active.ID, JobID: "job-1", RunID: "run-1",
		JobType: jobauth.RuntimeService, Service: "feature-store", StartedAt: w.Now(), LeaseExpiresAt: w.Now().Add(90 * time.Second),
	}
	if diff := cmp.Diff(map[string]jobauth.Run{got.Run.Ref: want}, w.running()); diff != "" {
		t.Errorf("want (-) and recorded (+): %s", diff)
	}
	if got.Run.LeaseExpiresAt != want.LeaseExpiresAt {
		t.Errorf("the lease is answered as %v", got.Run.LeaseExpiresAt)
	}
}

// Another run, or another job's, is another one.
func TestJobAndRunTogetherAreTheRun(t *testing.T) {
	w := newWorld(t)
	refs := map[string]bool{}
	for _, ids := range [][2]string{{"a", "b"}, {"a", "c"}, {"c", "b"}, {"a", "bb"}, {"ab", "b"}} {
		refs[w.invoked(byOwner(functest.Jane).with("jobId", ids[0]).run(ids[1])).Run.Ref] = true
	}
	if len(refs) != 5 || len(w.running()) != 5 {
		t.Errorf("the runs are %v", w.running())
	}
}

func TestSameRunAskedAgainIsTheSameRun(t *testing.T) {
	w := newWorld(t)
	q := byOwner(functest.Jane).run("run-1")
	first := w.invoked(q.with("leaseSeconds", 600))
	startedAt := w.Now()
	for _, step := range []struct {
		after        time.Duration
		leaseSeconds int
		// lease is what it is then, from the start on.
		lease time.Duration
	}{
		{time.Minute, 600, 11 * time.Minute},
		{time.Minute, 60, 11 * time.Minute}, // never shortened
		{time.Minute, 86400, 24*time.Hour + 3*time.Minute},
		{23 * time.Hour, 3600, 24*time.Hour + 3*time.Minute},
		{24 * time.Hour, 1, 47*time.Hour + 3*time.Minute + time.Second}, // run out, and still on record
	} {
		w.Pass(step.after)
		if step.leaseSeconds == 86400 {
			w.Rotate(functest.Jane)
		}
		got := w.asked("JOB_RUNNER_TOKEN", q.with("leaseSeconds", step.leaseSeconds))
		if want := startedAt.Add(step.lease); got.Run.Ref != first.Run.Ref || got.Run.LeaseExpiresAt != want {
			t.Errorf("after %v: %+v, want a lease until %v", w.Now().Sub(startedAt), got.Run, want)
		}
		run := w.running()[first.Run.Ref]
		if run.StartedAt != startedAt || run.LeaseExpiresAt != got.Run.LeaseExpiresAt || run.KeyID.String() != got.Key.ID {
			t.Errorf("after %v: on record is %+v, decided was %+v", w.Now().Sub(startedAt), run, got)
		}
	}
	if w.records() != 1 {
		t.Errorf("%d are on record", w.records())
	}
}

// A rotation does not stop what is running, a deletion does.
func TestRenewalFollowsTheKey(t *testing.T) {
	w := newWorld(t)
	begun := w.begun()
	w.Pass(30 * time.Minute)
	want := begun
	want.Run.LeaseExpiresAt = w.Now().Add(time.Hour)
	if diff := cmp.Diff(want, w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref)); diff != "" {
		t.Errorf("Active: want (-) and answered (+): %s", diff)
	}

	w.Rotate(functest.Jane)
	w.Pass(30 * time.Minute)
	want.Reason, want.Run.LeaseExpiresAt = jobauth.KeyPhasedOut, w.Now().Add(time.Hour)
	if diff := cmp.Diff(want, w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref)); diff != "" {
		t.Errorf("Phased out: want (-) and answered (+): %s", diff)
	}

	onRecord := w.running()
	id, err := apikey.ParseUUID(begun.Key.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.DeleteOne(functest.Jane, id)
	w.Pass(time.Minute)
	refused := decision{Reason: jobauth.KeyDeleted, Owner: functest.Jane}
	refused.Key.ID = begun.Key.ID
	for range 2 {
		if diff := cmp.Diff(refused, w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref)); diff != "" {
			t.Errorf("deleted: want (-) and answered (+): %s", diff)
		}
	}
	if diff := cmp.Diff(onRecord, w.running()); diff != "" {
		t.Errorf("a refused renewal changed the record: %s", diff)
	}

	// The job may begin again under the key that is Active now.
	again := w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane).run("run-1"))
	if again.Run.Ref != begun.Run.Ref || again.Key.ID == begun.Key.ID {
		t.Errorf("asked again: %+v", again)
	}
	if got := w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref); !got.Allowed || got.Key.ID != again.Key.ID {
		t.Errorf("renewed under the new key: %+v", got)
	}
}

func TestDirectInvocationRenewsAndEndsLikeHTTP(t *testing.T) {
	w := newWorld(t)
	begun := w.begun()
	w.Pass(time.Minute)
	var direct decision
	w.decode(&direct)(w.invoke(question{"renewRun": begun.Run.Ref, "leaseSeconds": 7200, "callerAccountId": functest.Jane.AccountID}))
	if want := w.Now().Add(2 * time.Hour); !direct.Allowed || direct.Run.LeaseExpiresAt != want {
		t.Errorf("answered %+v, want a lease until %v", direct, want)
	}
	if diff := cmp.Diff(direct, w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref)); diff != "" {
		t.Errorf("directly (-) and over HTTP (+): %s", diff)
	}
	answer, err := w.invoke(question{"endRun": begun.Run.Ref})
	if err != nil || string(answer) != "{}" {
		t.Errorf("answered %s, %v", answer, err)
	}
	answer, err = w.invoke(question{"endRun": begun.Run.Ref})
	w.refusedInvocation(apikey.CodeRunNotFound, answer, err)
	answer, err = w.invoke(question{"renewRun": begun.Run.Ref})
	w.refusedInvocation(apikey.CodeRunNotFound, answer, err)
}

func TestLeaseEndsAtItsInstant(t *testing.T) {
	w := newWorld(t)
	begun := w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane).run("run-1").with("leaseSeconds", 60))
	w.Pass(time.Minute - time.Millisecond)
	if len(w.running()) != 1 {
		t.Error("the lease is over a millisecond early")
	}
	w.Pass(time.Millisecond)
	if len(w.running()) != 0 {
		t.Error("the lease goes on")
	}
	// It may still be renewed, and counts again.
	w.Pass(jobauth.RecordPeriod - time.Millisecond)
	if got := w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref); !got.Allowed || len(w.running()) != 1 {
		t.Errorf("renewed at the last moment: %+v", got)
	}
	w.Pass(time.Hour + jobauth.RecordPeriod)
	w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", begun.Run.Ref, "").Refused(http.StatusNotFound, apikey.CodeRunNotFound)
	w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", begun.Run.Ref, "").Refused(http.StatusNotFound, apikey.CodeRunNotFound)
	again := w.begun()
	if run := w.running()[again.Run.Ref]; run.StartedAt != w.Now() {
		t.Errorf("off the record, it should begin anew: %+v", run)
	}
}

// What ends between two seconds ends for all who ask at the same instant.
func TestRunGoesOffTheRecordForAllAtOnce(t *testing.T) {
	w := newWorld(t)
	w.Pass(700 * time.Millisecond)
	q := byOwner(functest.Jane).run("run-1").with("leaseSeconds", 60)
	begun := w.asked("JOB_RUNNER_TOKEN", q)
	startedAt := w.Now()
	w.Pass(time.Minute + jobauth.RecordPeriod - time.Millisecond)
	again := w.asked("JOB_RUNNER_TOKEN", q)
	if run := w.running()[begun.Run.Ref]; run.StartedAt != startedAt || again.Run.LeaseExpiresAt != w.Now().Add(time.Minute) {
		t.Errorf("a millisecond before: answered %+v, on record %+v", again.Run, run)
	}
	w.Pass(time.Minute + jobauth.RecordPeriod - time.Millisecond)
	w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", begun.Run.Ref, "").Must(http.StatusNoContent)
}

func TestLeaseIsBounded(t *testing.T) {
	w := newWorld(t)
	ref := w.begun().Run.Ref
	w.Calm()
	q := byOwner(functest.Jane).run("run-1")
	for _, lease := range []any{0, -1, 86401, 1e12, 1.5, "60", true, []int{60}, map[string]int{}} {
		w.ask("JOB_RUNNER_TOKEN", q.with("leaseSeconds", lease)).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		body := w.encode(question{"leaseSeconds": lease})
		got := w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", ref, body)
		got.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		if field := got.Problem().Field; field != "leaseSeconds" {
			t.Errorf("%v: the field is %q", lease, field)
		}
		for _, asked := range []question{q.with("leaseSeconds", lease), {"renewRun": ref, "leaseSeconds": lease}} {
			answer, err := w.invoke(asked)
			w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
		}
	}
	w.ask("JOB_RUNNER_TOKEN", byOwner(functest.Jane).with("leaseSeconds", 60)).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.WantCalls()
	for _, lease := range []int{1, 86400} {
		w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", ref, w.encode(question{"leaseSeconds": lease})).Must(http.StatusOK)
	}
}

func TestRequestAboutARunSaysNothingElse(t *testing.T) {
	w := newWorld(t)
	ref := w.begun().Run.Ref
	w.Calm()
	for method, bodies := range map[string][]string{
		http.MethodPost:   {`{"lease":60}`, `{"leaseSeconds":60,"leaseSeconds":60}`, `[]`, `null`, `{"callerAccountId":"a"}`},
		http.MethodDelete: {`{"leaseSeconds":60}`, `[]`, `{"runRef":"x"}`},
	} {
		for _, body := range bodies {
			w.sendRun(method, "JOB_RUNNER_TOKEN", ref, body).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		}
	}
	for _, more := range []question{
		{"jobId": "job-1"}, {"runId": "run-1"}, {"endRun": ref}, {"owner": map[string]string{"accountId": "a", "iamId": "b"}}, {"credential": ""}, {"trigger": "ad_hoc"},
	} {
		for _, asked := range []question{{"renewRun": ref}, {"endRun": ref}} {
			maps.Copy(asked, more)
			if len(asked) == 1 {
				continue // endRun beside itself
			}
			answer, err := w.invoke(asked)
			w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
		}
	}
	answer, err := w.invoke(question{"endRun": ref, "leaseSeconds": 60})
	w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
	w.WantCalls()
	w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", ref, `{}`).Must(http.StatusOK)
	w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", ref, `{}`).Must(http.StatusNoContent)
}
