package view_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var listUsers = functest.Request{Method: http.MethodGet, Resource: "/v1/account/user-api-keys", Token: "ADMINISTRATOR_TOKEN"}

// user is one of a list's; nothing else is in one.
type user struct {
	Owner          apikey.Owner
	Active         *functest.Key
	PhasedOutCount int
	RotationPolicy struct {
		MaxAgeDays, NoticeDays, DeletePhasedOutAfterDays *int
		Inherited                                        bool
	}
	Overdue, Suspended bool
}

type users struct {
	Users      []user
	NextCursor *string
}

func (w world) users(t *testing.T, query url.Values) users {
	t.Helper()
	var body users
	decodeStrictly(t, w.send(listUsers.WithQuery(query)).Must(http.StatusOK).Body, &body)
	return body
}

func (u users) ids() []string {
	ids := []string{}
	for _, each := range u.Users {
		ids = append(ids, each.Owner.IAMID)
	}
	return ids
}

// walkUsers are the ids of all users that are listed, page by page.
func (w world) walkUsers(t *testing.T, limit int, between func()) []string {
	t.Helper()
	return functest.Walk(t, limit, func(query url.Values) ([]string, *string) {
		page := w.users(t, query)
		return page.ids(), page.NextCursor
	}, between)
}

func userOf(n int) apikey.Owner {
	return apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: fmt.Sprintf("IBMid-%04d", n), Username: fmt.Sprintf("user-%d@example.com", n)}
}

// Those who hold keys, also Phased out ones only, and those who are suspended: of
// the caller's account, in the order of their IAM ids.
func TestUsersWithKeysAndSuspendedOnesAreListed(t *testing.T) {
	w := newWorld(t)
	w.Deployment = apikey.RotationPolicy{MaxAgeDays: 30}
	w.users(t, nil)
	w.Create(userOf(3))
	w.Create(userOf(1))
	w.Rotate(userOf(1))
	w.Create(userOf(2))
	w.Suspend(userOf(2))
	w.Create(userOf(4))
	w.DeleteAll(userOf(4))
	w.SetPolicy(userOf(5), apikey.RotationPolicy{MaxAgeDays: 1})
	w.Create(apikey.Owner{AccountID: "another", IAMID: "IBMid-0000"})
	w.Table.CatchUp()
	got := w.users(t, nil)
	if diff := cmp.Diff([]string{"IBMid-0001", "IBMid-0002", "IBMid-0003"}, got.ids()); diff != "" {
		t.Fatalf("listed: %s", diff)
	}
	first, second := got.Users[0], got.Users[1]
	if first.Active == nil || first.PhasedOutCount != 1 || first.Suspended || first.Owner != userOf(1) {
		t.Errorf("%+v", first)
	}
	if second.Active != nil || second.PhasedOutCount != 0 || !second.Suspended || second.Owner != userOf(2) {
		t.Errorf("%+v", second)
	}
}

// A key is overdue from the instant at which the policy has it rotated, and not a
// moment earlier.
func TestListTellsAgesLastUsesPoliciesAndWhatIsOverdue(t *testing.T) {
	w := newWorld(t)
	w.Deployment = apikey.RotationPolicy{MaxAgeDays: 30, NoticeDays: 7}
	createdAt := w.Now()
	w.Create(userOf(1))
	w.Create(userOf(2))
	w.Create(userOf(3))
	w.SetPolicy(userOf(2), apikey.RotationPolicy{MaxAgeDays: 31})
	w.SetPolicy(userOf(3), apikey.RotationPolicy{DeletePhasedOutAfterDays: 1})
	w.Pass(30*24*time.Hour - time.Minute)
	w.Use(userOf(1), w.Ring(userOf(1)).Active.ID)
	usedAt := w.Now()
	w.Table.CatchUp()
	overdue := func() (all []bool) {
		for _, u := range w.users(t, nil).Users {
			all = append(all, u.Overdue)
		}
		return all
	}
	w.Pass(time.Minute - time.Millisecond)
	if got := overdue(); !slices.Equal(got, []bool{false, false, false}) {
		t.Errorf("a moment before: %v", got)
	}
	w.Pass(time.Millisecond)
	if got := overdue(); !slices.Equal(got, []bool{true, false, false}) {
		t.Errorf("at the instant: %v", got)
	}
	w.Pass(24 * time.Hour)
	if got := overdue(); !slices.Equal(got, []bool{true, true, false}) {
		t.Errorf("a day later: %v", got)
	}
	got := w.users(t, nil).Users
	first, third := got[0], got[2]
	if !first.Active.CreatedAt.Equal(createdAt) || !first.Active.LastUsedAt.Equal(usedAt) || !third.Active.LastUsedAt.IsZero() {
		t.Errorf("%+v, %+v", first.Active, third.Active)
	}
	if p := first.RotationPolicy; !p.Inherited || *p.MaxAgeDays != 30 || *p.NoticeDays != 7 || p.DeletePhasedOutAfterDays != nil {
		t.Errorf("%+v", p)
	}
	if p := third.RotationPolicy; p.Inherited || p.MaxAgeDays != nil || p.NoticeDays != nil || *p.DeletePhasedOutAfterDays != 1 {
		t.Errorf("%+v", p)
	}
}

func TestPagesOfUsersMissAndRepeatNobody(t *testing.T) {
	w := newWorld(t)
	var want []string
	for n := range 7 {
		w.Create(userOf(2 * n))
		want = append(want, userOf(2*n).IAMID)
	}
	w.Table.CatchUp()
	for limit := 1; limit <= 8; limit++ {
		if diff := cmp.Diff(want, w.walkUsers(t, limit, func() {})); diff != "" {
			t.Errorf("pages of %d: %s", limit, diff)
		}
	}
	// Who comes before or after a place disturbs nobody else's, nor does who goes.
	var once sync.Once
	got := w.walkUsers(t, 2, func() {
		once.Do(func() {
			w.Create(userOf(1))
			w.Create(userOf(13))
			w.DeleteAll(userOf(0))
			w.DeleteAll(userOf(10))
			w.Table.CatchUp()
		})
	})
	if diff := cmp.Diff(append(slices.Delete(slices.Clone(want), 5, 6), userOf(13).IAMID), got); diff != "" {
		t.Errorf("with changes in between: %s", diff)
	}
}

func TestPageOfUsersHas50UnlessAskedOtherwise(t *testing.T) {
	w := newWorld(t)
	for n := range 101 {
		w.Create(userOf(n))
	}
	w.Table.CatchUp()
	w.Calm()
	w.Table.Transport.SetFault(consistentBatches(t))
	for query, want := range map[string]int{"": 50, "limit=100": 100, "limit=1": 1} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		page := w.users(t, values)
		if len(page.Users) != want || page.NextCursor == nil {
			t.Errorf("%s: %d users, more: %t", query, len(page.Users), page.NextCursor != nil)
		}
		// The caller's ring, and rings and uses in as few calls as their limit, a
		// hundred, allows.
		calls := slices.Concat([]string{"GetItem", "Query"}, slices.Repeat([]string{"BatchGetItem"}, (2*want+99)/100))
		if diff := cmp.Diff(calls, w.Table.Transport.TakeCalls()); diff != "" {
			t.Errorf("%s: calls of the table: %s", query, diff)
		}
	}
}

// consistentBatches fails the test at a batch that is not strongly consistent.
func consistentBatches(t *testing.T) awstest.Fault {
	return awstest.On("BatchGetItem", func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if !bytes.Contains(call.Body, []byte(`"ConsistentRead":true`)) {
			t.Errorf("%s", call.Body)
		}
		return next()
	})
}

// The index lags; what it leads to is shown as it is now, and who has no keys any
// more is not. The list goes on behind an empty page.
func TestListIsTrueThoughTheIndexLags(t *testing.T) {
	w := newWorld(t)
	for n := range 4 {
		w.Create(userOf(n))
	}
	w.Table.CatchUp()
	w.DeleteAll(userOf(0))
	w.DeleteAll(userOf(1))
	w.Suspend(userOf(2))
	w.Rotate(userOf(3))
	page := w.users(t, url.Values{"limit": {"2"}}) // by the index of before
	if len(page.Users) != 0 || page.NextCursor == nil {
		t.Fatalf("%+v", page)
	}
	rest := w.users(t, url.Values{"cursor": {*page.NextCursor}})
	if diff := cmp.Diff([]string{userOf(2).IAMID, userOf(3).IAMID}, rest.ids()); diff != "" {
		t.Fatalf("behind it: %s", diff)
	}
	if !rest.Users[0].Suspended || rest.Users[1].PhasedOutCount != 1 || rest.NextCursor != nil {
		t.Errorf("%+v", rest)
	}
}

// One ring that cannot be read keeps no other from being listed; the log tells
// which.
func TestDamagedRingHidesNoOther(t *testing.T) {
	w := newWorld(t)
	for n := range 3 {
		w.Create(userOf(n))
	}
	w.Table.CatchUp()
	damaged := userOf(1).Locator().String()
	w.Table.Transport.SetFault(awstest.On("BatchGetItem", func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		answer, err := next()
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(answer.Body)
		body = bytes.ReplaceAll(body, []byte(userOf(1).IAMID), []byte(userOf(9).IAMID))
		return awstest.Answer(answer.StatusCode, json.RawMessage(body)), err
	}))
	if diff := cmp.Diff([]string{userOf(0).IAMID, userOf(2).IAMID}, w.users(t, nil).ids()); diff != "" {
		t.Errorf("listed: %s", diff)
	}
	if logged := w.Logged(); !strings.Contains(logged, "a user is not listed") || !strings.Contains(logged, damaged) {
		t.Errorf("logged %s", logged)
	}
}

// A cursor is good for the administrator who got it and for this list; and of
// another account's users there is nothing to see with any.
func TestCursorOfUsersLeadsNowhereElse(t *testing.T) {
	w := newWorld(t)
	for n := range 3 {
		w.Create(userOf(n))
	}
	w.Create(apikey.Owner{AccountID: "another", IAMID: userOf(2).IAMID})
	w.Table.CatchUp()
	cursor := *w.users(t, url.Values{"limit": {"1"}}).NextCursor
	if diff := cmp.Diff([]string{userOf(1).IAMID, userOf(2).IAMID}, w.users(t, url.Values{"cursor": {w.ForgedCursor(viewHistory, "account", "IBMid-0000x")}}).ids()); diff != "" {
		t.Errorf("a forged one: %s", diff)
	}
	w.Calm()
	long := strings.Repeat("x", 129)
	for name, refused := range map[string]functest.Answer{
		"a colleague's":     w.send(listUsers.As(w.Token(userOf(0), apikey.RoleAdministrator)).WithQuery(url.Values{"cursor": {cursor}})),
		"another account's": w.send(listUsers.As(w.Token(apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}, apikey.RoleAdministrator)).WithQuery(url.Values{"cursor": {cursor}})),
		"of a history":      w.send(listUsers.WithQuery(url.Values{"cursor": {w.ForgedCursor(viewHistory, "history", "1")}})),
		"for a history":     w.send(viewHistory.WithQuery(url.Values{"cursor": {cursor}})),
		"cut off":           w.send(listUsers.WithQuery(url.Values{"cursor": {cursor[:len(cursor)-1]}})),
		"no id":             w.send(listUsers.WithQuery(url.Values{"cursor": {w.ForgedCursor(viewHistory, "account", "a\x00b")}})),
		"no text":           w.send(listUsers.WithQuery(url.Values{"cursor": {w.ForgedCursor(viewHistory, "account", "\xff")}})),
		"no id so long":     w.send(listUsers.WithQuery(url.Values{"cursor": {w.ForgedCursor(viewHistory, "account", long)}})),
		"beyond an index":   w.send(listUsers.WithQuery(url.Values{"cursor": {w.ForgedCursor(viewHistory, "account", strings.Repeat("x", 4096))}})),
		"two":               w.send(listUsers.WithQuery(url.Values{"cursor": {cursor, w.ForgedCursor(viewHistory, "account", "x")}})),
		"empty":             w.send(listUsers.WithQuery(url.Values{"cursor": {""}})),
	} {
		refused.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		if refused.Problem().Field != "cursor" {
			t.Errorf("%s: %s", name, refused.Body)
		}
	}
	for _, query := range []url.Values{{"limit": {"0"}}, {"limit": {"101"}}, {"limit": {"1e1"}}, {"status": {"ACTIVE"}}} {
		w.send(listUsers.WithQuery(query)).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	}
	withBody := listUsers
	withBody.Body = `{"accountId":"another"}`
	w.send(withBody).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.WantCalls()
}

func TestAccountViewsTellNothingOfCredentialsAndWhereTheyAre(t *testing.T) {
	w := newWorld(t)
	w.JaneHasOffboardedSam()
	w.Table.CatchUp()
	for _, request := range []functest.Request{listUsers, historyOfUser(functest.Sam.IAMID), historyOfUser(functest.Jane.IAMID)} {
		got := strings.ToLower(w.send(request).Must(http.StatusOK).Body)
		for _, kept := range []string{"cpdk_", "arn:", "digest", "versionid", functest.Jane.Locator().String(), functest.Sam.Locator().String()} {
			if strings.Contains(got, kept) {
				t.Errorf("%s holds %s: %s", request.Resource, kept, got)
			}
		}
	}
}

func TestOnlyKeyManagersSeeTheAccount(t *testing.T) {
	w := newWorld(t)
	w.JaneAdministersSam()
	for _, request := range []functest.Request{listUsers, historyOfUser(functest.Sam.IAMID)} {
		w.ForKeyManagersOnly(w.function(), request)
		w.send(request.As(w.Token(functest.Jane, apikey.RoleAccountOwner))).Must(http.StatusOK)
	}
}

// A token outlives the off-boarding of its bearer, who sees no more of the others;
// of themselves they see that they are suspended.
func TestSuspendedAdministratorSeesOnlyThemselves(t *testing.T) {
	w := newWorld(t)
	w.JaneHasOffboardedSam()
	sam := w.Token(functest.Sam, apikey.RoleAdministrator)
	for _, request := range []functest.Request{
		listUsers, historyOfUser(functest.Jane.IAMID), historyOfUser(functest.Sam.IAMID), historyOfUser("nobody"),
	} {
		w.Calm()
		w.send(request.As(sam)).Refused(http.StatusForbidden, apikey.CodeOwnerSuspended)
		w.WantCalls("GetItem")
	}
	w.send(viewHistory.As(sam)).Must(http.StatusOK)
	var own keys
	w.send(viewKeys.As(sam)).Must(http.StatusOK).Decode(&own)
	if !own.Suspended {
		t.Error("a suspended user is not told so")
	}
	w.Reinstate(functest.Sam)
	w.send(listUsers.As(sam)).Must(http.StatusOK)
	w.send(historyOfUser(functest.Jane.IAMID).As(sam)).Must(http.StatusOK)
}

func TestAccountOutOfReachIsUnavailable(t *testing.T) {
	for _, operation := range []string{"GetItem", "Query", "BatchGetItem"} {
		for name, fault := range map[string]awstest.Fault{
			"down":      awstest.Reset,
			"throttled": awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
			"denied":    awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
		} {
			t.Run(operation+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.JaneAdministersSam()
					w.Table.Transport.SetFault(awstest.On(operation, fault))
					w.send(listUsers).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
					if operation != "BatchGetItem" {
						w.send(historyOfUser(functest.Sam.IAMID)).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
					}
				})
			})
		}
	}
}
