package view_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/httpapi"
)

const impactPath = "/v1/user-api-keys/{keyId}/impact"

func viewImpact(id string) functest.Request {
	return functest.Request{Method: http.MethodGet, Resource: impactPath, KeyID: id, Token: viewKeys.Token}
}

// hit are the ids of what a change hits, with the schedules' states.
type hit struct {
	Schedules, Runs         []string
	ScheduleCount, RunCount int
}

// UnmarshalJSON reads affected.
func (h *hit) UnmarshalJSON(text []byte) error {
	var affected struct {
		Schedules               []struct{ ID, State string }
		Runs                    []struct{ RunID string }
		ScheduleCount, RunCount *int
	}
	if err := json.Unmarshal(text, &affected); err != nil {
		return err
	}
	if affected.Schedules == nil || affected.Runs == nil || affected.ScheduleCount == nil || affected.RunCount == nil {
		return fmt.Errorf("a part is missing: %s", text)
	}
	for _, s := range affected.Schedules {
		h.Schedules = append(h.Schedules, s.ID+" "+s.State)
	}
	for _, r := range affected.Runs {
		h.Runs = append(h.Runs, r.RunID)
	}
	h.ScheduleCount, h.RunCount = *affected.ScheduleCount, *affected.RunCount
	return nil
}

type impact struct {
	Key                functest.Key
	OnDelete, OnRotate *hit
}

func (w world) impact(t *testing.T, id apikey.KeyID) (got impact) {
	t.Helper()
	answer := w.send(viewImpact(id.String())).Must(http.StatusOK)
	answer.Decode(&got)
	if got.Key.ID != id.String() || got.OnDelete == nil || !strings.Contains(answer.Body, `"onRotate":`) {
		t.Errorf("answered %s", answer.Body)
	}
	return got
}

func none() *hit { return &hit{} }

// Of all that an owner can have, each key is told what is its own.
func TestImpactOfAKeyIsWhatHangsOnIt(t *testing.T) {
	w := newWorld(t)
	first := w.Create(functest.Jane).Key.ID
	w.Bind(functest.Jane, "pinned-1", first)
	w.Bind(functest.Jane, "follows", apikey.KeyID{})
	w.Run(functest.Jane, first, "run-1", time.Hour)
	if diff := cmp.Diff(
		impact{OnDelete: &hit{[]string{"follows ready", "pinned-1 ready"}, []string{"run-1"}, 2, 1}, OnRotate: &hit{[]string{"pinned-1 ready"}, nil, 1, 0}},
		w.impact(t, first), ignoreKey); diff != "" {
		t.Errorf("the only key: %s", diff)
	}

	second := w.Rotate(functest.Jane).Key.ID
	w.Bind(functest.Jane, "pinned-2", second)
	w.Bind(functest.Jane, "also-pinned-2", second)
	w.Pass(time.Minute)
	w.Run(functest.Jane, second, "run-3", time.Hour)
	w.Pass(-30 * time.Second)
	w.Run(functest.Jane, second, "run-2", time.Hour)
	w.Run(functest.Jane, second, "brief", 10*time.Second)
	w.EndRun(w.Run(functest.Jane, second, "ended", time.Hour))
	third := w.Rotate(functest.Jane).Key.ID
	colleague := apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}
	theirs := w.Create(colleague).Key.ID
	w.Bind(colleague, "theirs", theirs)
	w.Run(colleague, theirs, "theirs", time.Hour)

	w.Pass(10 * time.Second) // the brief lease has run out
	for _, test := range []struct {
		name string
		id   apikey.KeyID
		want impact
	}{
		{"a Phased out key", first, impact{OnDelete: &hit{[]string{"pinned-1 key_phased_out"}, []string{"run-1"}, 1, 1}}},
		{"another one", second, impact{OnDelete: &hit{
			[]string{"also-pinned-2 key_phased_out", "pinned-2 key_phased_out"}, []string{"run-2", "run-3"}, 2, 2,
		}}},
		{"the Active key", third, impact{OnDelete: &hit{[]string{"follows ready"}, nil, 1, 0}, OnRotate: none()}},
	} {
		if diff := cmp.Diff(test.want, w.impact(t, test.id), ignoreKey); diff != "" {
			t.Errorf("%s: want (-) and shown (+): %s", test.name, diff)
		}
	}
}

var ignoreKey = cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Key" }, cmp.Ignore())

func TestImpactOfAKeyWithoutAnythingIsNothing(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	ring := w.Ring(functest.Jane)
	if diff := cmp.Diff(impact{OnDelete: none(), OnRotate: none()}, w.impact(t, ring.Active.ID), ignoreKey); diff != "" {
		t.Errorf("Active: %s", diff)
	}
	if diff := cmp.Diff(impact{OnDelete: none()}, w.impact(t, ring.PhasedOut[0].ID), ignoreKey); diff != "" {
		t.Errorf("Phased out: %s", diff)
	}
}

// The key is shown as in the view, its last use included.
func TestImpactShowsTheKey(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	ring := w.Ring(functest.Jane)
	w.Use(functest.Jane, ring.Active.ID)
	var view keys
	w.send(viewKeys).Must(http.StatusOK).Decode(&view)
	if got := w.impact(t, ring.Active.ID); got.Key != *view.Active || got.Key.LastUsedAt.IsZero() {
		t.Errorf("viewed as %+v, shown as %+v", *view.Active, got.Key)
	}
	if got := w.impact(t, ring.PhasedOut[0].ID); got.Key != view.PhasedOut[0] {
		t.Errorf("viewed as %+v, shown as %+v", view.PhasedOut[0], got.Key)
	}
	if tag := w.send(viewImpact(ring.Active.ID.String())).Headers["ETag"]; tag != `"2"` {
		t.Errorf("ETag is %s", tag)
	}
}

// A key is Phased out and then its run renewed: it still hangs on the key.
func TestRunCountsWhileItsLeaseLasts(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	id := w.Ring(functest.Jane).Active.ID
	w.Run(functest.Jane, id, "run-1", time.Hour)
	w.Rotate(functest.Jane)
	w.Pass(time.Hour - time.Millisecond)
	if got := w.impact(t, id); got.OnDelete.RunCount != 1 {
		t.Errorf("before the lease has run out: %+v", got.OnDelete)
	}
	w.Pass(time.Millisecond)
	if got := w.impact(t, id); got.OnDelete.RunCount != 0 || len(got.OnDelete.Runs) != 0 {
		t.Errorf("when it has run out: %+v", got.OnDelete)
	}
}

func TestImpactNamesTheFirstHundredAndCountsAll(t *testing.T) {
	w := newWorld(t)
	id := w.Create(functest.Jane).Key.ID
	var schedules, runs []string
	for i := range 130 {
		schedules = append(schedules, fmt.Sprintf("nightly-%03d", i))
		runs = append(runs, fmt.Sprintf("run-%03d", 129-i))
	}
	w.BindMany(functest.Jane, schedules, id)
	for _, run := range slices.Backward(runs) {
		w.Run(functest.Jane, id, run, time.Hour)
		w.Pass(-time.Second) // each has run for longer than the one before
	}
	w.Pass(2 * time.Minute)
	got := w.impact(t, id)
	for i := range schedules {
		schedules[i] += " ready"
	}
	if diff := cmp.Diff(&hit{schedules[:100], runs[:100], 130, 130}, got.OnDelete); diff != "" {
		t.Errorf("onDelete: %s", diff)
	}
	if diff := cmp.Diff(&hit{schedules[:100], nil, 130, 0}, got.OnRotate); diff != "" {
		t.Errorf("onRotate: %s", diff)
	}
}

// Schedules are read once for both answers, and only where the ring says that there
// are any to find; runs always, for a ring knows nothing of them.
func TestCallsOfAnImpact(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	ring := w.Ring(functest.Jane)
	calls := func(id apikey.KeyID, want ...string) {
		t.Helper()
		w.Calm()
		w.impact(t, id)
		w.WantCalls(want...)
	}
	calls(ring.Active.ID, "BatchGetItem", "Query")       // Active, no schedules
	calls(ring.PhasedOut[0].ID, "BatchGetItem", "Query") // Phased out, no schedules
	w.Bind(functest.Jane, "follows", apikey.KeyID{})
	w.Bind(functest.Jane, "pinned", ring.Active.ID)
	calls(ring.Active.ID, "BatchGetItem", "Query", "Query") // Active, followed and pinned
	calls(ring.PhasedOut[0].ID, "BatchGetItem", "Query")    // Phased out, none of its own
	w.Rotate(functest.Jane)
	calls(ring.Active.ID, "BatchGetItem", "Query", "Query") // Phased out, pinned
}

// What is not the caller's is answered like what does not exist; what cannot be an
// id, without a call.
func TestImpactOfNoKeyOfTheCallersIsNotFound(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	ring := w.Ring(functest.Jane)
	colleague := apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}
	theirs := w.Create(colleague).Key.ID.String()
	deleted := ring.PhasedOut[0].ID.String()
	w.DeleteOne(functest.Jane, ring.PhasedOut[0].ID)
	missing := w.send(viewImpact("019df20e-8148-7e03-9b61-000000000000"))
	missing.Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
	for name, request := range map[string]functest.Request{
		"a colleague's":   viewImpact(theirs),
		"a deleted one's": viewImpact(deleted),
		"by a colleague":  viewImpact(ring.Active.ID.String()).As(w.Token(colleague, apikey.RoleAdministrator)),
		"from another account": viewImpact(ring.Active.ID.String()).
			As(w.Token(apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}, apikey.RoleAdministrator)),
	} {
		want, got := missing.Problem(), w.send(request).Problem()
		got.RequestID = want.RequestID
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: a missing key (-) and this (+): %s", name, diff)
		}
	}
	w.Calm()
	for _, id := range []string{
		"", "rotation", "history", strings.ToUpper(theirs), theirs + " ", "../" + theirs, "..", "%2e%2e", functest.SecondCredential,
		"019df20e-8148-4e03-9b61-000000000000", strings.Repeat("0", 10_000),
	} {
		w.send(viewImpact(id)).Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
	}
	w.WantCalls()
}

func TestOnlyKeyManagersSeeAnImpact(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	request := viewImpact(w.Ring(functest.Jane).Active.ID.String())
	w.ForKeyManagersOnly(w.function(), request)
	withBody, withQuery := request, request
	withBody.Body, withQuery.Query = `{"onDelete":true}`, map[string][]string{"limit": {"1"}}
	w.send(withBody).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.send(withQuery).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	request.Method = http.MethodDelete
	w.send(request).Refused(http.StatusMethodNotAllowed, httpapi.CodeMethodNotAllowed)
	w.WantCalls()
}

// Half an impact would look like a small one.
func TestImpactIsWholeOrUnavailable(t *testing.T) {
	for call := 1; call <= 3; call++ {
		for name, fault := range map[string]awstest.Fault{
			"down":      awstest.Reset,
			"throttled": awstest.Refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
			"denied":    awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
		} {
			t.Run(fmt.Sprintf("%s at call %d", name, call), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.JaneHasSchedules()
					id := w.Ring(functest.Jane).Active.ID.String()
					w.Table.Transport.SetFault(awstest.From(call, fault))
					w.send(viewImpact(id)).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				})
			})
		}
	}
}

// An impact whose If-Match holds at the deletion told the truth of schedules: one
// bound while it was read made the revision another.
func TestChangeWhileAnImpactIsReadIsSeenByItsETag(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	id := w.Ring(functest.Jane).Active.ID
	w.Bind(functest.Jane, "pinned-1", id)
	w.Table.Transport.SetFault(awstest.On("Query", awstest.Once(awstest.Before(func() { w.Bind(functest.Jane, "pinned-2", id) }))))
	answer := w.send(viewImpact(id.String())).Must(http.StatusOK)
	var got impact
	answer.Decode(&got)
	if ring := w.Ring(functest.Jane); got.OnRotate.ScheduleCount != 2 || answer.Headers["ETag"] == httpapi.ETag(ring.Revision) {
		t.Errorf("%d schedules at ETag %s, the ring is at revision %d", got.OnRotate.ScheduleCount, answer.Headers["ETag"], ring.Revision)
	}
}
