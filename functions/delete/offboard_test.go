package delete_test

import (
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
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/lifecycle"
)

func offboard(iamID string) functest.Request {
	return functest.Request{Method: http.MethodDelete, Resource: "/v1/account/user-api-keys/{iamId}", IAMID: iamID, Token: "ADMINISTRATOR_TOKEN"}
}

func reinstate(iamID string) functest.Request {
	return functest.Request{
		Method: http.MethodPost, Resource: "/v1/account/user-api-keys/{iamId}/reinstatement", IAMID: iamID, Token: "ADMINISTRATOR_TOKEN",
	}
}

// samsWorld is one where Jane administers Sam, who has a key and a policy: his
// ring is at the revision 2, and hers too.
func samsWorld(t *testing.T) world {
	w := world{functest.New(t), t}
	w.JaneAdministersSam()
	w.Calm()
	return w
}

// wantSam checks at which revision Sam's ring is, and whether he is suspended.
func (w world) wantSam(revision int64, suspended bool) {
	w.t.Helper()
	w.Calm()
	ring := w.Ring(functest.Sam)
	if ring.Revision != revision || ring.Suspended != suspended {
		w.t.Errorf("Sam's ring is at %d, suspended: %t", ring.Revision, ring.Suspended)
	}
	if suspended && (ring.Active != nil || len(ring.PhasedOut) > 0 || ring.SecretARN != "") {
		w.t.Errorf("suspended with keys: %+v", ring)
	}
}

// wantJane checks that Jane's keys are those that she began with.
func (w world) wantJane() {
	w.t.Helper()
	if ring := w.Ring(functest.Jane); ring.Revision != 2 || ring.Active == nil || len(ring.PhasedOut) != 1 || ring.Suspended {
		w.t.Errorf("Jane's ring is %+v", ring)
	}
}

// samCreates is what comes of Sam's asking for a key with a token that is still
// valid.
func (w world) samCreates() (lifecycle.Issued, error) {
	return w.Keys.Create(w.t.Context(), apikey.ChangeRequest{
		Owner: functest.Sam, Actor: apikey.Actor{Kind: apikey.ActorUser, ID: functest.Sam.IAMID}, CorrelationID: "test",
	})
}

// All keys go and the user is suspended, in one change that names the
// administrator; the secret goes with them.
func TestOffboardingDeletesAllKeysAndSuspends(t *testing.T) {
	w := samsWorld(t)
	old := w.Ring(functest.Sam).Active.ID
	w.Rotate(functest.Sam)
	active := w.Ring(functest.Sam).Active.ID
	secrets := len(w.Secrets.Names())
	w.Calm()
	got := w.deleted(w.send(offboard(functest.Sam.IAMID)))
	if diff := cmp.Diff([]string{old.String(), active.String()}, idsOf(got.Deleted)); diff != "" || got.Revision != 4 {
		t.Errorf("answered revision %d, deleted: %s", got.Revision, diff)
	}
	w.wantSam(4, true)
	change := w.LastChange(functest.Sam)
	if change.Type != apikey.EventOwnerSuspended || change.Revision != 4 || len(change.Keys) != 2 || change.CorrelationID == "" ||
		change.Actor != (apikey.Actor{Kind: apikey.ActorAdministrator, ID: functest.Jane.IAMID}) {
		t.Errorf("announced %+v", change)
	}
	if now := len(w.Secrets.Names()); now != secrets-1 {
		t.Errorf("there were %d secrets and are %v", secrets, w.Secrets.Names())
	}
	w.wantJane()
}

func idsOf(keys []functest.Key) []string {
	var ids []string
	for _, key := range keys {
		ids = append(ids, key.ID)
	}
	return ids
}

// The answer, and the announcement, say what off-boarding stops.
func TestOffboardingStopsSchedulesAndRuns(t *testing.T) {
	w := samsWorld(t)
	key := w.Ring(functest.Sam).Active.ID
	w.Bind(functest.Sam, "follows", apikey.KeyID{})
	w.Bind(functest.Sam, "pinned", key)
	run := w.Run(functest.Sam, key, "run-1", time.Hour)
	w.Calm()
	var got struct{ Affected functest.Affected }
	w.send(offboard(functest.Sam.IAMID)).Must(http.StatusOK).Decode(&got)
	schedules, runs := got.Affected.Texts()
	if diff := cmp.Diff([]string{"follows no_active_key", "pinned key_deleted"}, schedules); diff != "" {
		t.Errorf("schedules: %s", diff)
	}
	if !slices.Equal(runs, []string{"run-1"}) {
		t.Errorf("runs: %v", runs)
	}
	if err := got.Affected.AgreesWith(w.LastChange(functest.Sam)); err != nil {
		t.Error(err)
	}
	ring := w.Ring(functest.Sam)
	if decision, _ := run.Renew(ring, w.Now(), 0); decision.Allowed || decision.Reason != jobauth.KeyDeleted {
		t.Errorf("the run's renewal: %+v", decision)
	}
	for id, s := range w.Schedules(functest.Sam) {
		if ring.StateOf(s) == apikey.ScheduleReady {
			t.Errorf("the schedule %s is ready", id)
		}
	}
}

// A token that is still valid makes no key until the user is reinstated, and then
// it does; keys of before do not come back.
func TestSuspendedUserGetsNoKeyUntilReinstated(t *testing.T) {
	w := samsWorld(t)
	w.send(offboard(functest.Sam.IAMID)).Must(http.StatusOK)
	w.Calm()
	if _, err := w.samCreates(); apikey.CodeOf(err) != apikey.CodeOwnerSuspended {
		t.Errorf("Sam's create: %v", err)
	}
	w.WantSecretsCalls()
	w.wantSam(3, true)
	got := w.send(reinstate(functest.Sam.IAMID))
	got.Is(http.StatusOK, `{
		"owner": {"accountId": "0123456789abcdef0123456789abcdef", "iamId": "IBMid-5500ANOTHER", "username": "sam.roe@example.com"},
		"active": null, "phasedOutCount": 0, "overdue": false, "suspended": false,
		"rotationPolicy": {"maxAgeDays": 30, "noticeDays": 7, "deletePhasedOutAfterDays": 60, "inherited": false}
	}`)
	if got.Headers["ETag"] != `"4"` {
		t.Errorf("ETag is %s", got.Headers["ETag"])
	}
	change := w.LastChange(functest.Sam)
	if change.Type != apikey.EventOwnerReinstated || len(change.Keys) != 0 ||
		change.Actor != (apikey.Actor{Kind: apikey.ActorAdministrator, ID: functest.Jane.IAMID}) {
		t.Errorf("announced %+v", change)
	}
	if issued, err := w.samCreates(); err != nil || issued.Revision != 5 {
		t.Errorf("Sam's create: %+v, %v", issued.Key, err)
	}
}

// What is so already is answered, and is no change; the same event twice is one
// change, also when the other one was made in between.
func TestOffboardingAndReinstatementAreMadeOnce(t *testing.T) {
	w := samsWorld(t)
	w.send(reinstate(functest.Sam.IAMID)).Must(http.StatusOK)
	w.wantSam(2, false)
	away, back := offboard(functest.Sam.IAMID).Event(), reinstate(functest.Sam.IAMID).Event()
	away.RequestContext.RequestID, back.RequestContext.RequestID = "away", "back"
	w.deleted(w.Deliver(w.function(), away))
	if again := w.deleted(w.send(offboard(functest.Sam.IAMID))); len(again.Deleted) != 0 || again.Revision != 3 {
		t.Errorf("answered again %+v", again)
	}
	w.Deliver(w.function(), back).Must(http.StatusOK)
	w.wantSam(4, false)
	if again := w.deleted(w.Deliver(w.function(), away)); len(again.Deleted) != 1 || again.Revision != 3 {
		t.Errorf("the first delivery again: %+v", again)
	}
	w.wantSam(4, false)
	w.deleted(w.send(offboard(functest.Sam.IAMID)))
	w.Deliver(w.function(), back).Must(http.StatusOK)
	w.wantSam(5, true)
}

// The secret is deleted in the end: a failure changes no answer.
func TestOffboardingNeedsNoSecretsManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := samsWorld(t)
		w.Secrets.Transport.SetFault(awstest.Reset)
		if got := w.deleted(w.send(offboard(functest.Sam.IAMID))); len(got.Deleted) != 1 {
			t.Errorf("answered %+v", got)
		}
		w.wantSam(3, true)
	})
}

func TestUserWhomTheAccountDoesNotKnowIsNotFound(t *testing.T) {
	w := samsWorld(t)
	elsewhere := apikey.Owner{AccountID: "another", IAMID: "IBMid-9"}
	w.Create(elsewhere)
	for _, request := range []func(string) functest.Request{offboard, reinstate} {
		for _, id := range []string{
			"IBMid-9", "nobody", "", " ", functest.Sam.IAMID + " ", strings.ToLower(functest.Sam.IAMID), functest.Sam.IAMID + "/history",
			functest.Sam.IAMID + "," + functest.Jane.IAMID, "*", "..", "%", "%zz", "%00", "\x00", "\u202e", "\xff", "%ff",
			strings.Repeat("x", 129), strings.Repeat("%41", 129), functest.Sam.Locator().String(), functest.FirstCredential,
		} {
			w.send(request(id)).Refused(http.StatusNotFound, apikey.CodeUserNotFound)
		}
		// Who administers another account finds nobody of this one.
		for _, id := range []string{functest.Sam.IAMID, functest.Jane.IAMID} {
			w.send(request(id).As(w.Token(elsewhere, apikey.RoleAdministrator))).Refused(http.StatusNotFound, apikey.CodeUserNotFound)
		}
	}
	w.wantSam(2, false)
	w.wantJane()
	if ring := w.Ring(elsewhere); ring.Revision != 1 || ring.Suspended {
		t.Errorf("the other account's user: %+v", ring)
	}
}

// An IAM id may have characters that a path has percent-encoded only; gateways
// differ in whether they undo that.
func TestUserIsFoundWhetherOrNotTheGatewayDecodesThePath(t *testing.T) {
	w := samsWorld(t)
	for i, test := range []struct{ id, inPath string }{
		{"auth0|5500", "auth0|5500"}, {"auth0|5501", "auth0%7C5501"},
		{"ann@example.com", "ann@example.com"}, {"ben@example.com", "ben%40example.com"},
		{"a+b c", "a+b c"}, {"a+b d", "a+b%20d"}, {"100%", "100%"}, {"Zoë", "Zo%C3%AB"},
	} {
		w.Create(apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: test.id})
		if got := w.deleted(w.send(offboard(test.inPath))); len(got.Deleted) != 1 {
			t.Errorf("%d: %s, in the path %s: %+v", i, test.id, test.inPath, got)
		}
	}
}

func TestOnlyKeyManagersAdminister(t *testing.T) {
	w := samsWorld(t)
	w.ForKeyManagersOnly(w.function(), offboard(functest.Sam.IAMID), reinstate(functest.Sam.IAMID), offboard("nobody"))
	accountOwner := w.Token(functest.Jane, apikey.RoleAccountOwner)
	w.send(offboard(functest.Sam.IAMID).As(accountOwner)).Must(http.StatusOK)
	w.send(reinstate(functest.Sam.IAMID).As(accountOwner)).Must(http.StatusOK)
}

// A token outlives the off-boarding of its bearer, who must not undo that, nor do
// the same to the others.
func TestSuspendedAdministratorAdministersNobody(t *testing.T) {
	w := samsWorld(t)
	sam := w.Token(functest.Sam, apikey.RoleAdministrator)
	w.send(offboard(functest.Sam.IAMID)).Must(http.StatusOK)
	for _, request := range []functest.Request{
		reinstate(functest.Sam.IAMID), offboard(functest.Jane.IAMID), reinstate(functest.Jane.IAMID), offboard(functest.Sam.IAMID),
	} {
		w.send(request.As(sam)).Refused(http.StatusForbidden, apikey.CodeOwnerSuspended)
	}
	w.wantSam(3, true)
	w.wantJane()
	w.send(reinstate(functest.Sam.IAMID)).Must(http.StatusOK)
	w.send(offboard(functest.Jane.IAMID).As(sam)).Must(http.StatusOK)
	w.send(reinstate(functest.Jane.IAMID)).Refused(http.StatusForbidden, apikey.CodeOwnerSuspended)
	w.send(reinstate(functest.Jane.IAMID).As(sam)).Must(http.StatusOK)
}

// Two administrators who off-board each other are not both out, whichever of them
// comes second, and however late.
func TestOfTwoWhoOffBoardEachOtherOneStays(t *testing.T) {
	for _, operation := range []string{"GetItem", "TransactGetItems", "Query", "TransactWriteItems"} {
		t.Run("before "+operation, func(t *testing.T) {
			w := samsWorld(t)
			w.meanwhile(operation, func() { w.send(offboard(functest.Sam.IAMID)).Must(http.StatusOK) })
			w.send(offboard(functest.Jane.IAMID).As(w.Token(functest.Sam, apikey.RoleAdministrator))).Refused(http.StatusForbidden, apikey.CodeOwnerSuspended)
			w.wantSam(3, true)
			w.wantJane()
		})
	}
}

// Who is off-boarded while they ask for their own reinstatement stays so.
func TestNobodyUndoesTheirOwnOffBoarding(t *testing.T) {
	for _, operation := range []string{"GetItem", "TransactGetItems"} {
		w := samsWorld(t)
		w.meanwhile(operation, func() { w.send(offboard(functest.Sam.IAMID)).Must(http.StatusOK) })
		w.send(reinstate(functest.Sam.IAMID).As(w.Token(functest.Sam, apikey.RoleAdministrator)))
		if !w.Ring(functest.Sam).Suspended {
			t.Errorf("%s: reinstated by himself", operation)
		}
	}
}

// An administrator may leave, and then needs another one.
func TestAdministratorOffBoardsThemselves(t *testing.T) {
	w := samsWorld(t)
	sam := w.Token(functest.Sam, apikey.RoleAdministrator)
	if got := w.deleted(w.send(offboard(functest.Sam.IAMID).As(sam))); len(got.Deleted) != 1 {
		t.Errorf("answered %+v", got)
	}
	w.send(reinstate(functest.Sam.IAMID).As(sam)).Refused(http.StatusForbidden, apikey.CodeOwnerSuspended)
	w.wantSam(3, true)
	w.send(reinstate(functest.Sam.IAMID)).Must(http.StatusOK)
}

// meanwhile has something done before the first call of that operation.
func (w world) meanwhile(operation string, do func()) {
	w.Table.Transport.SetFault(awstest.On(operation, awstest.Once(awstest.Before(do))))
}

func TestMalformedAdministrationChangesNothing(t *testing.T) {
	w := samsWorld(t)
	for _, request := range []functest.Request{offboard(functest.Sam.IAMID), reinstate(functest.Sam.IAMID)} {
		for _, body := range []string{`{"iamId":"IBMid-1"}`, `{"reason":"left"}`, `[]`, `null`, `{`, `{} {}`} {
			bad := request
			bad.Body = body
			w.send(bad).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		}
		w.send(request.With("If-Match", `2`)).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		w.send(request.With("If-Match", `"1"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
		w.send(request.With("If-Match", `W/"2"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
		event := request.Event()
		event.QueryStringParameters = map[string]string{"keyId": "x"}
		w.Deliver(w.function(), event).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		event = request.Event()
		event.PathParameters = nil
		w.Deliver(w.function(), event).Refused(http.StatusNotFound, apikey.CodeUserNotFound)
	}
	w.wantSam(2, false)
	w.wantJane()
	w.send(offboard(functest.Sam.IAMID).With("If-Match", `"2"`)).Must(http.StatusOK)
	w.send(reinstate(functest.Sam.IAMID).With("If-Match", `"2", "3"`)).Must(http.StatusOK)
}

// Neither the caller's ring, which tells whether the caller may, nor the user's is
// guessed.
func TestAdministrationIsUnavailableWhileTheStoreIs(t *testing.T) {
	for _, operation := range []string{"GetItem", "TransactGetItems", "TransactWriteItems"} {
		t.Run(operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := samsWorld(t)
				w.Table.Transport.SetFault(awstest.On(operation, awstest.Reset))
				w.send(offboard(functest.Sam.IAMID)).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				w.wantSam(2, false)
				w.Suspend(functest.Sam)
				w.Table.Transport.SetFault(awstest.On(operation, awstest.Reset))
				w.send(reinstate(functest.Sam.IAMID)).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				w.wantSam(3, true)
			})
		})
	}
}

func TestAdministrationTellsNothingOfCredentialsAndWhereTheyAre(t *testing.T) {
	w := samsWorld(t)
	digest := w.Ring(functest.Sam).Active.Digest
	for _, request := range []functest.Request{reinstate(functest.Sam.IAMID), offboard(functest.Sam.IAMID), reinstate(functest.Sam.IAMID)} {
		got := strings.ToLower(w.send(request).Must(http.StatusOK).Body)
		for _, kept := range []string{"cpdk_", "arn:", "digest", "version", functest.Sam.Locator().String(), fmt.Sprintf("%x", digest)} {
			if strings.Contains(got, kept) {
				t.Errorf("%s holds %s: %s", request.Resource, kept, got)
			}
		}
	}
	if strings.Contains(w.Logged(), "cpdk_") {
		t.Error("a credential is in the log")
	}
}
