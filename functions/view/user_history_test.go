package view_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

func historyOfUser(iamID string) functest.Request {
	return functest.Request{Method: http.MethodGet, Resource: "/v1/account/user-api-keys/{iamId}/history", IAMID: iamID, Token: "ADMINISTRATOR_TOKEN"}
}

// An administrator reads what the user reads, in the same form.
func TestHistoryOfAUserIsTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.JaneHasOffboardedSam()
	own := w.send(viewHistory.As(w.Token(functest.Sam, apikey.RoleAdministrator))).Must(http.StatusOK)
	w.send(historyOfUser(functest.Sam.IAMID)).Is(http.StatusOK, own.Body)
	w.send(historyOfUser(functest.Jane.IAMID)).Is(http.StatusOK, w.send(viewHistory).Body)
}

// What administrators and policies change is shown with who did it, and a policy
// as it was set.
func TestHistoryShowsPoliciesSuspensionsAndReinstatements(t *testing.T) {
	w := newWorld(t)
	w.JaneHasOffboardedSam()
	w.Reinstate(functest.Sam)
	page := w.history(t, nil)
	if len(page.Changes) != 2 {
		t.Errorf("Jane's own: %+v", page)
	}
	var got history
	decodeStrictly(t, w.send(historyOfUser(functest.Sam.IAMID)).Must(http.StatusOK).Body, &got)
	var lines []string
	for _, change := range got.Changes {
		lines = append(lines, string(change.Type)+" by "+string(change.Actor.Kind)+" "+change.Actor.ID)
		if policy := change.RotationPolicy; (policy != nil) != (change.Type == apikey.EventPolicyChanged) {
			t.Errorf("%s: the policy %v", change.Type, policy)
		} else if policy != nil && (*policy.MaxAgeDays != 30 || *policy.NoticeDays != 7 || *policy.DeletePhasedOutAfterDays != 60 || policy.Inherited) {
			t.Errorf("the policy was %+v", policy)
		}
		if keys := len(change.Keys); (keys == 1) != change.Type.ChangesKeys() {
			t.Errorf("%s: %d keys", change.Type, keys)
		}
	}
	if diff := cmp.Diff([]string{
		"User API Key Owner Reinstated by administrator IBMid-ADMINISTRATOR",
		"User API Key Owner Suspended by administrator " + functest.Jane.IAMID,
		"User API Key Rotation Policy Changed by user " + functest.Sam.IAMID,
		"User API Key Created by user " + functest.Sam.IAMID,
	}, lines); diff != "" {
		t.Errorf("want (-) and shown (+): %s", diff)
	}
}

func TestPagesOfAUsersHistoryMissAndRepeatNothing(t *testing.T) {
	w := newWorld(t)
	w.JaneHasOffboardedSam()
	for limit := 1; limit <= 4; limit++ {
		if got := w.revisions(t, historyOfUser(functest.Sam.IAMID), limit, func() {}); !slices.Equal(got, []int64{3, 2, 1}) {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
}

// A cursor is of one user's history: it leads into nobody else's, nor into the
// caller's own.
func TestCursorOfAUsersHistoryIsThatUsers(t *testing.T) {
	w := newWorld(t)
	w.JaneHasOffboardedSam()
	var page history
	w.send(historyOfUser(functest.Sam.IAMID).WithQuery(url.Values{"limit": {"1"}})).Must(http.StatusOK).Decode(&page)
	sams := url.Values{"cursor": {*page.NextCursor}}
	own := url.Values{"cursor": {*w.history(t, url.Values{"limit": {"1"}}).NextCursor}}
	colleague := w.Token(apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}, apikey.RoleAdministrator)
	w.Calm()
	for name, refused := range map[string]functest.Answer{
		"Sam's for Jane":         w.send(historyOfUser(functest.Jane.IAMID).WithQuery(sams)),
		"Sam's for one's own":    w.send(viewHistory.WithQuery(sams)),
		"one's own for Sam":      w.send(historyOfUser(functest.Sam.IAMID).WithQuery(own)),
		"a colleague's":          w.send(historyOfUser(functest.Sam.IAMID).As(colleague).WithQuery(sams)),
		"forged, of no revision": w.send(historyOfUser(functest.Sam.IAMID).WithQuery(url.Values{"cursor": {w.ForgedCursor(viewHistory, "history of "+functest.Sam.IAMID, "RING")}})),
	} {
		refused.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		if refused.Problem().Field != "cursor" {
			t.Errorf("%s: %s", name, refused.Body)
		}
	}
	// The form comes first, also for a user whom nobody knows.
	w.send(historyOfUser("nobody").WithQuery(url.Values{"limit": {"0"}})).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	withBody := historyOfUser(functest.Sam.IAMID)
	withBody.Body = `{"limit":1}`
	w.send(withBody).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.WantCalls()
}

func TestHistoryOfAUserWhomTheAccountDoesNotKnowIsNotFound(t *testing.T) {
	w := newWorld(t)
	w.JaneAdministersSam()
	w.Create(apikey.Owner{AccountID: "another", IAMID: "IBMid-9"})
	for _, id := range []string{"IBMid-9", "nobody", "", functest.Sam.IAMID + " ", "\x00", "%00", "\xff", "..", strings.Repeat("x", 129)} {
		w.send(historyOfUser(id)).Refused(http.StatusNotFound, apikey.CodeUserNotFound)
	}
	elsewhere := w.Token(apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}, apikey.RoleAdministrator)
	w.send(historyOfUser(functest.Sam.IAMID).As(elsewhere)).Refused(http.StatusNotFound, apikey.CodeUserNotFound)
	w.send(historyOfUser(functest.Jane.IAMID).As(elsewhere)).Refused(http.StatusNotFound, apikey.CodeUserNotFound)
}

// A history is one read after the one that tells whether the caller may; one that
// is empty takes another, which tells a user whose
// changes are forgotten from one whom nobody knows.
func TestUserWhoseChangesAreForgottenIsKnown(t *testing.T) {
	w := newWorld(t)
	w.JaneAdministersSam()
	w.Calm()
	w.send(historyOfUser(functest.Sam.IAMID)).Must(http.StatusOK)
	w.WantCalls("GetItem", "Query")
	w.Pass(401 * 24 * time.Hour)
	w.send(historyOfUser(functest.Sam.IAMID)).Is(http.StatusOK, `{"changes": [], "nextCursor": null}`)
	w.WantCalls("GetItem", "Query", "GetItem")
}
