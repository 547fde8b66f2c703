package authorizer_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
)

// onRun applies the fault to the writes of runs only.
func onRun(fault awstest.Fault) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		isWrite := call.Operation == "UpdateItem" || call.Operation == "DeleteItem"
		if !isWrite || !bytes.Contains(call.Body, []byte(`RUN#`)) {
			return next()
		}
		return fault(call, next)
	}
}

// then has something happen after the call, before its answer arrives.
func then(what func()) awstest.Fault {
	return func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		response, err := next()
		what()
		return response, err
	}
}

// The decision began before the change had answered, so it stands; the run is on
// record under a key that is not Active any more, and its renewal tells.
func TestKeyThatGoesBetweenDecisionAndRecord(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(w world)
		renewal jobauth.Reason
	}{
		"deleted":     {deletedAll, jobauth.KeyDeleted},
		"rotated":     {func(w world) { w.Rotate(functest.Jane) }, jobauth.KeyPhasedOut},
		"off-boarded": {suspended, jobauth.KeyDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Table.Transport.SetFault(onRun(awstest.Once(awstest.Before(func() { test.change(w) }))))
			got := w.begun()
			if got.Key.ID == "" || len(w.running()) != 1 {
				t.Errorf("answered %+v, on record %v", got, w.running())
			}
			if again := w.renewed("JOB_RUNNER_TOKEN", got.Run.Ref); again.Reason != test.renewal || again.Allowed != (test.renewal == jobauth.KeyPhasedOut) {
				t.Errorf("the renewal is answered %+v", again)
			}
		})
	}
}

func TestManyRunnersOfOneRunShareIt(t *testing.T) {
	w := newWorld(t)
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		refs  = map[string]bool{}
	)
	for i := range 16 {
		group.Go(func() {
			answer, err := w.invoke(byOwner(functest.Jane).run("run-1").with("leaseSeconds", 100*(i+1)))
			var got decision
			if err != nil || json.Unmarshal(answer, &got) != nil || !got.Allowed || got.Run.LeaseExpiresAt.Before(w.Now().Add(time.Duration(i+1)*100*time.Second)) {
				t.Errorf("answered %s, %v", answer, err)
			}
			mu.Lock()
			defer mu.Unlock()
			refs[got.Run.Ref] = true
		})
	}
	group.Wait()
	runs := w.running()
	if len(refs) != 1 || len(runs) != 1 || w.records() != 1 {
		t.Fatalf("answered %v, on record %v", refs, runs)
	}
	for _, run := range runs {
		if run.LeaseExpiresAt != w.Now().Add(1600*time.Second) {
			t.Errorf("the longest lease is lost: %+v", run)
		}
	}
}

func TestRenewalThatBeginsAfterADeletionIsRefused(t *testing.T) {
	w := newWorld(t)
	ref := w.begun().Run.Ref
	// Read before the deletion, allowed after it: the renewal began first.
	w.Table.Transport.SetFault(awstest.On("BatchGetItem", awstest.Once(then(func() { w.DeleteAll(functest.Jane) }))))
	if got := w.renewed("JOB_RUNNER_TOKEN", ref); !got.Allowed {
		t.Errorf("read before the deletion: %+v", got)
	}
	if got := w.renewed("JOB_RUNNER_TOKEN", ref); got.Allowed || got.Reason != jobauth.KeyDeleted {
		t.Errorf("read after the deletion: %+v", got)
	}

	// And many at once, while a deletion is under way.
	w.Create(functest.Jane)
	ref = w.begun().Run.Ref
	var group sync.WaitGroup
	deleted := make(chan struct{})
	for range 8 {
		group.Go(func() {
			for range 20 {
				var late bool
				select {
				case <-deleted:
					late = true
				default:
				}
				answer, err := w.invoke(question{"renewRun": ref})
				var got decision
				if err != nil || json.Unmarshal(answer, &got) != nil || late && got.Allowed {
					t.Errorf("answered %s, %v; begun after the deletion: %t", answer, err, late)
				}
			}
		})
	}
	group.Go(func() {
		defer close(deleted)
		w.DeleteAll(functest.Jane)
	})
	group.Wait()
}

// The run comes to another key, and its old one is deleted, between the reads of its
// renewal: at no time was it a run of a deleted key.
func TestRenewalDuringAHandOverIsAllowed(t *testing.T) {
	w := newWorld(t)
	begun := w.begun()
	old, err := apikey.ParseUUID(begun.Key.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.Table.SetPause(func() {
		w.Table.SetPause(nil)
		w.Rotate(functest.Jane)
		w.begun()
		w.DeleteOne(functest.Jane, old)
	})
	got := w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref)
	if !got.Allowed || got.Reason != jobauth.KeyActive || got.Key.ID == begun.Key.ID {
		t.Errorf("answered %+v", got)
	}
}

func TestRunThatEndsDuringItsRenewalHasEnded(t *testing.T) {
	w := newWorld(t)
	ref := w.begun().Run.Ref
	w.Table.Transport.SetFault(awstest.On("BatchGetItem", awstest.Once(then(func() {
		w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", ref, "").Must(http.StatusNoContent)
	}))))
	w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", ref, "").Refused(http.StatusNotFound, apikey.CodeRunNotFound)
	if w.records() != 0 {
		t.Error("the renewal put it on record again")
	}
}

// A lease that another renewal made longer meanwhile is not shortened.
func TestRenewalNeverShortensALease(t *testing.T) {
	w := newWorld(t)
	ref := w.begun().Run.Ref
	long := w.encode(question{"leaseSeconds": 86400})
	w.Table.Transport.SetFault(onRun(awstest.Once(awstest.Before(func() {
		w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", ref, long).Must(http.StatusOK)
	}))))
	want := w.Now().Add(24 * time.Hour)
	if got := w.renewed("JOB_RUNNER_TOKEN", ref); got.Run.LeaseExpiresAt != want || w.running()[ref].LeaseExpiresAt != want {
		t.Errorf("answered %+v, on record %v", got, w.running())
	}
}

// Nobody learns of a run that is not their business, nor whether there is one.
func TestRunsThatAreNoneOfTheCallersAreToldTheSame(t *testing.T) {
	w := newWorld(t)
	ref := w.begun().Run.Ref
	ended := w.invoked(byOwner(functest.Jane).run("run-2")).Run.Ref
	w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", ended, "").Must(http.StatusNoContent)
	foreign := w.elsewhere()
	without := func(body string) string {
		body, _, _ = strings.Cut(body, `"requestId"`)
		return body
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		want := w.sendRun(method, "JOB_RUNNER_TOKEN", apikey.NewRunRef(functest.Jane.Locator(), "job-1", "never").String(), "")
		want.Refused(http.StatusNotFound, apikey.CodeRunNotFound)
		for name, test := range map[string]struct{ token, ref string }{
			"ended": {"JOB_RUNNER_TOKEN", ended}, "foreign": {foreign, ref}, "foreign, ended": {foreign, ended},
			"no reference": {"JOB_RUNNER_TOKEN", "run-1"}, "mistyped": {"JOB_RUNNER_TOKEN", ref[:20] + "x" + ref[21:]}, "longer": {"JOB_RUNNER_TOKEN", ref + "x"},
			"a schedule's": {"JOB_RUNNER_TOKEN", apikey.ScheduleRef{Locator: functest.Jane.Locator(), ID: "x"}.String()}, "empty": {"JOB_RUNNER_TOKEN", ""},
		} {
			got := w.sendRun(method, test.token, test.ref, "")
			if got.Status != want.Status || without(got.Body) != without(want.Body) {
				t.Errorf("%s %s: answered %s, and of a run that never was %s", method, name, got.Body, want.Body)
			}
			asked := question{"renewRun": test.ref}
			if method == http.MethodDelete {
				asked = question{"endRun": test.ref}
			}
			if test.token == foreign {
				asked["callerAccountId"] = "another"
			}
			answer, err := w.invoke(asked)
			if message := w.refusedInvocation(apikey.CodeRunNotFound, answer, err); message != want.Problem().Detail {
				t.Errorf("%s, directly: %q", name, message)
			}
		}
	}
	if len(w.running()) != 1 {
		t.Error("somebody ended Jane's run")
	}
}

func TestWhoMayRenewAndEndRuns(t *testing.T) {
	w := newWorld(t)
	ref := w.begun().Run.Ref
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		w.sendRun(method, "", ref, "").Refused(http.StatusUnauthorized, apikey.CodeUnauthenticated)
		w.sendRun(method, "ADMINISTRATOR_TOKEN", ref, "").Refused(http.StatusForbidden, apikey.CodeRoleRequired)
		// Of no account: no token says so, and it must not mean every account.
		w.sendRun(method, w.Token(apikey.Owner{IAMID: "x"}, apikey.RoleJobRunner), ref, "").Refused(http.StatusNotFound, apikey.CodeRunNotFound)
	}
	for _, token := range []string{"JOB_RUNNER_TOKEN", w.platform(), w.Token(functest.Jane, apikey.RoleJobRunner, apikey.RoleAdministrator)} {
		ref := w.begun().Run.Ref
		if got := w.renewed(token, ref); !got.Allowed {
			t.Errorf("%s: %+v", token, got)
		}
		w.sendRun(http.MethodDelete, token, ref, "").Must(http.StatusNoContent)
		w.sendRun(http.MethodDelete, token, ref, "").Refused(http.StatusNotFound, apikey.CodeRunNotFound)
	}
}

func TestCostOfARun(t *testing.T) {
	w := newWorld(t)
	w.invoked(byOwner(functest.Jane)) // the key's use is noted
	w.Calm()
	q := byOwner(functest.Jane).run("run-1")
	ref := w.invoked(q).Run.Ref
	w.WantCalls("GetItem", "UpdateItem")
	w.invoked(q)
	w.WantCalls("GetItem", "UpdateItem")
	w.invoked(q.with("leaseSeconds", 60)) // on record with a longer lease
	w.WantCalls("GetItem", "UpdateItem", "UpdateItem")
	w.renewed("JOB_RUNNER_TOKEN", ref)
	w.WantCalls("BatchGetItem", "UpdateItem")
	w.Rotate(functest.Jane)
	w.Calm()
	w.renewed("JOB_RUNNER_TOKEN", ref)
	w.WantCalls("BatchGetItem", "UpdateItem")
	w.DeleteAll(functest.Jane)
	w.Calm()
	w.renewed("JOB_RUNNER_TOKEN", ref) // that the key is gone is made sure of
	w.WantCalls("BatchGetItem", "BatchGetItem")
	w.sendRun(http.MethodDelete, w.elsewhere(), ref, "")
	w.WantCalls("DeleteItem")
	w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", ref, "")
	w.WantCalls("DeleteItem")
	w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", "cpdr_x", "")
	w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", "cpdr_x", "")
	w.WantCalls()
}

// A run that cannot be recorded has no decision: it would not count when its key
// is to be deleted.
func TestNothingIsAllowedThatCannotBeRecorded(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"down": awstest.Reset, "answers lost": awstest.LoseAnswer, "access denied": awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
		"throttled": awstest.Refuse(http.StatusBadRequest, "ThrottlingException"), "answers no JSON": answering("<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				ref := w.begun().Run.Ref
				w.Table.Transport.SetFault(onRun(fault))
				q := byOwner(functest.Jane).run("run-2")
				w.ask("JOB_RUNNER_TOKEN", q).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", ref, "").Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				for _, asked := range []question{q, {"renewRun": ref}} {
					answer, err := w.invoke(asked)
					w.refusedInvocation(apikey.CodeUnavailable, answer, err)
				}
				if name != "answers lost" { // then it was ended, and the second attempt tells
					w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", ref, "").Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				}
			})
		})
	}
}

func TestLostAnswerChangesNothingOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Table.Transport.SetFault(onRun(awstest.Once(awstest.LoseAnswer)))
		begun := w.begun()
		if diff := cmp.Diff(begun.Run.LeaseExpiresAt, w.running()[begun.Run.Ref].LeaseExpiresAt); diff != "" {
			t.Errorf("answered (-) and on record (+): %s", diff)
		}
		w.Pass(time.Minute)
		w.Table.Transport.SetFault(onRun(awstest.Once(awstest.LoseAnswer)))
		if got := w.renewed("JOB_RUNNER_TOKEN", begun.Run.Ref); got.Run.LeaseExpiresAt != w.Now().Add(time.Hour) {
			t.Errorf("renewed: %+v", got)
		}
		w.Table.Transport.SetFault(onRun(awstest.Once(awstest.LoseAnswer)))
		w.sendRun(http.MethodDelete, "JOB_RUNNER_TOKEN", begun.Run.Ref, "").Must(http.StatusNoContent)
	})
}
