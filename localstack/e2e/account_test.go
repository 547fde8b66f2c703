package e2e

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/userapikey/service/localstack/deployed"
	"github.com/userapikey/service/shared/store/storetest"
)

// account is one that no other test knows.
type account struct {
	t  *testing.T
	id string
}

func newAccount(t *testing.T) account {
	t.Helper()
	return account{t, "account-of-" + storetest.NewOwner(t).IAMID}
}

// user is somebody of the account with roles.
func (a account) user(iamID string, roles ...string) *user {
	a.t.Helper()
	u := &user{t: a.t, token: token(a.t, deployed.Claims(a.id, iamID, iamID+" of "+a.id, roles...))}
	u.owner.AccountID, u.owner.IAMID = a.id, iamID
	return u
}

// listed is a page of an account's users.
type listed struct {
	reply
	Users []struct {
		Owner          struct{ AccountID, IAMID, Username string }
		Active         *key
		PhasedOutCount int
		RotationPolicy struct{ Inherited bool }
		Overdue        bool
		Suspended      bool
	}
}

func (u *user) users(query string) listed {
	u.t.Helper()
	page := listed{reply: u.call("GET", "/v1/account/user-api-keys"+query, "").want(u.t, 200)}
	if err := json.Unmarshal([]byte(page.body), &page); err != nil {
		u.t.Fatalf("%s: %v", page.body, err)
	}
	return page
}

func (l listed) ids() (ids []string) {
	for _, u := range l.Users {
		ids = append(ids, u.Owner.IAMID)
	}
	return ids
}

func (u *user) offboard(iamID string, headers ...string) reply {
	u.t.Helper()
	return u.call("DELETE", "/v1/account/user-api-keys/"+url.PathEscape(iamID), "", headers...)
}

func (u *user) reinstate(iamID string) reply {
	u.t.Helper()
	return u.call("POST", "/v1/account/user-api-keys/"+url.PathEscape(iamID)+"/reinstatement", "")
}

func (u *user) historyOf(iamID, query string) history {
	u.t.Helper()
	return u.historyAt("/v1/account/user-api-keys/" + url.PathEscape(iamID) + "/history" + query)
}

func TestUsersOfAnAccountAreListedInPages(t *testing.T) {
	a := newAccount(t)
	root := a.user("IBMid-root", "AccountOwner")
	none := root.users("")
	none.check(t, "at first nobody holds a key", none.body == `{"users":[],"nextCursor":null}`)
	var want []string
	for _, id := range []string{"IBMid-1", "IBMid-2", "IBMid-3", "IBMid-4", "IBMid-5"} {
		a.user(id, "Administrator").create().want(t, 201)
		want = append(want, id)
	}
	a.user("IBMid-2", "Administrator").rotate().want(t, 201)
	gone := a.user("IBMid-6", "Administrator")
	gone.create().want(t, 201)
	gone.deleteAll().want(t, 200)
	newAccount(t).user("IBMid-0", "Administrator").create().want(t, 201)

	page := root.users("?limit=2")
	ids := page.ids()
	for page.NextCursor != nil {
		page = root.users("?limit=2&cursor=" + *page.NextCursor)
		ids = append(ids, page.ids()...)
	}
	page.check(t, "each who holds a key is listed once, in order", slices.Equal(ids, want))
	all := root.users("")
	second := all.Users[1]
	all.check(t, "with their keys", second.Active != nil && second.PhasedOutCount == 1 && second.RotationPolicy.Inherited &&
		!second.Overdue && !second.Suspended && second.Owner.Username == "IBMid-2 of "+a.id)
	all.check(t, "and without what is secret", !strings.Contains(all.body, "cpdk_") && !strings.Contains(all.body, "arn:"))

	cursor := *root.users("?limit=2").NextCursor
	a.user("IBMid-1", "Administrator").call("GET", "/v1/account/user-api-keys?cursor="+cursor, "").refused(t, 400, "invalid_request")
	a.user("IBMid-1", "JobRunner").call("GET", "/v1/account/user-api-keys", "").refused(t, 403, "role_required")
}

// Off-boarding as one script: what the user's jobs meet, what a token that is
// still valid can do, and how it ends.
func TestOffboarding(t *testing.T) {
	a := newAccount(t)
	root, ada, runner := a.user("IBMid-root", "AccountOwner"), a.user("IBMid-ada", "Administrator"), a.user("runner", "JobRunner")
	root.offboard("IBMid-ada").refused(t, 404, "user_not_found")
	first := ada.create().want(t, 201)
	created := ada.rotate().want(t, 201)
	bound := ada.bind("nightly-training", map[string]any{}).want(t, 201)
	started := runner.start(map[string]any{"credential": created.Credential})
	secret := checkSecret(t, ada, runner)

	ada.offboard("IBMid-root").refused(t, 404, "user_not_found") // who never had a key
	newAccount(t).user("IBMid-root", "Administrator").offboard("IBMid-ada").refused(t, 404, "user_not_found")
	runner.offboard("IBMid-ada").refused(t, 403, "role_required")
	root.offboard("IBMid-ada", "If-Match", `"1"`).refused(t, 412, "revision_mismatch")

	away := root.offboard("IBMid-ada", "If-Match", `"3"`).want(t, 200)
	away.check(t, "all keys are deleted, and what that stops is told", len(away.Deleted) == 2 && away.Revision == 4 &&
		slices.Equal(away.Affected.scheduleIDs(), []string{"nightly-training"}) && away.Affected.RunCount == 1)
	for _, credential := range []string{first.Credential, created.Credential} {
		decision := runner.authorize(credential)
		decision.check(t, "no key authorizes any more", !decision.Allowed && decision.Reason == "key_deleted")
	}
	decision := runner.askSchedule(bound.ScheduleRef)
	decision.check(t, "jobs of schedules are refused", !decision.Allowed && decision.Reason == "no_active_key")
	stopped := runner.renew(started.Run.Ref).want(t, 200)
	stopped.check(t, "what is running stops at its next renewal", !stopped.Allowed && stopped.Reason == "key_deleted")
	ada.create().refused(t, 403, "owner_suspended")
	ada.rotate().refused(t, 409, "no_active_key")
	ada.reinstate("IBMid-ada").refused(t, 403, "owner_suspended")
	ada.offboard("IBMid-ada").refused(t, 403, "owner_suspended")
	view := ada.view()
	view.check(t, "the user is told", strings.Contains(view.body, `"suspended":true`) && view.Active == nil)
	list := root.users("")
	list.check(t, "the list shows them", slices.Equal(list.ids(), []string{"IBMid-ada"}) && list.Users[0].Suspended && list.Users[0].Active == nil)
	again := root.offboard("IBMid-ada").want(t, 200)
	again.check(t, "off-boarding again changes nothing", len(again.Deleted) == 0 && again.Revision == 4)
	if exists(t, secret) {
		t.Error("the secret of the deleted keys is there")
	}

	back := root.reinstate("IBMid-ada").want(t, 200)
	back.check(t, "the suspension ends", strings.Contains(back.body, `"suspended":false`) && back.header.Get("ETag") == `"5"`)
	ada.create().want(t, 201)
	decision = runner.askSchedule(bound.ScheduleRef)
	decision.check(t, "jobs of the schedule run under the new key", decision.Allowed)

	told := root.historyOf("IBMid-ada", "?limit=3")
	told.check(t, "the history tells who did it", slices.Equal(told.revisions(), []int64{6, 5, 4}) &&
		told.Changes[1].Type == "User API Key Owner Reinstated" && told.Changes[2].Type == "User API Key Owner Suspended" &&
		told.Changes[2].Actor.Kind == "administrator" && told.Changes[2].Actor.ID == "IBMid-root")
	rest := root.historyOf("IBMid-ada", "?cursor="+*told.NextCursor)
	rest.check(t, "and all that came before", slices.Equal(rest.revisions(), []int64{3, 2, 1}) && rest.NextCursor == nil)
	own := ada.history("")
	own.check(t, "as the user's own does", own.body == root.historyOf("IBMid-ada", "").body)
	root.call("GET", "/v1/account/user-api-keys/IBMid-nobody/history", "").refused(t, 404, "user_not_found")
}

// Ten off-boardings at once are one, after which the user, an administrator too,
// does the same to nobody.
func TestUserIsOffboardedOnce(t *testing.T) {
	a := newAccount(t)
	ada, bob := a.user("IBMid-ada", "Administrator"), a.user("IBMid-bob", "Administrator")
	ada.create().want(t, 201)
	bob.create().want(t, 201)
	replies := atOnce(10, func() reply { return ada.offboard("IBMid-bob") })
	if counts := statuses(replies); counts[200]+counts[409] != 10 || counts[200] == 0 {
		t.Errorf("statuses: %v", counts)
	}
	bob.offboard("IBMid-ada").refused(t, 403, "owner_suspended")
	bob.reinstate("IBMid-bob").refused(t, 403, "owner_suspended")
	if told := ada.historyOf("IBMid-bob", ""); !slices.Equal(told.revisions(), []int64{2, 1}) {
		t.Errorf("off-boarded more than once: %s", told.body)
	}
}

// Two administrators who off-board each other at once: one is out, and sees and
// does nothing more; the other stays.
func TestOfTwoAdministratorsWhoOffboardEachOtherOneStays(t *testing.T) {
	for range 5 {
		a := newAccount(t)
		users := []*user{a.user("IBMid-ada", "Administrator"), a.user("IBMid-bob", "Administrator")}
		for _, u := range users {
			u.create().want(t, 201)
		}
		done := make([]reply, len(users))
		var both sync.WaitGroup
		for i, u := range users {
			both.Go(func() { done[i] = u.offboard(users[1-i].owner.IAMID) })
		}
		both.Wait()
		stays, out := 0, 1
		if done[0].status != 200 {
			stays, out = out, stays
		}
		done[stays].want(t, 200)
		done[out].refused(t, 403, "owner_suspended")
		users[out].call("GET", "/v1/account/user-api-keys", "").refused(t, 403, "owner_suspended")
		users[out].call("GET", "/v1/account/user-api-keys/"+users[stays].owner.IAMID+"/history", "").refused(t, 403, "owner_suspended")
		told := users[stays].historyOf(users[stays].owner.IAMID, "")
		told.check(t, "nothing befell the other", slices.Equal(told.revisions(), []int64{1}))
	}
}

// IAM ids of other issuers, which a path has percent-encoded.
func TestUsersWhoseIDsAPathMustEncode(t *testing.T) {
	a := newAccount(t)
	root := a.user("IBMid-root", "AccountOwner")
	for _, id := range []string{"ada@example.com", "auth0|5f7c8ec7", "us-east-1:0a1b2c", "ada b", "Zoë"} {
		ada := a.user(id, "Administrator")
		ada.create().want(t, 201)
		if told := root.historyOf(id, ""); len(told.Changes) != 1 {
			t.Errorf("%s: %s", id, told.body)
		}
		if away := root.offboard(id).want(t, 200); len(away.Deleted) != 1 {
			t.Errorf("%s: %s", id, away.body)
		}
		root.reinstate(id).want(t, 200)
		ada.create().want(t, 201)
	}
}
