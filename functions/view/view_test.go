package view_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/view"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/httpapi"
)

var viewKeys = functest.Request{Method: http.MethodGet, Resource: "/v1/user-api-keys", Token: "ADMINISTRATOR_TOKEN"}

// world is a world with the function in it.
type world struct {
	*functest.World
}

func newWorld(t *testing.T) world { return world{functest.New(t)} }

func (w world) function() any {
	return view.New(w.World, w.Keys.Rings, w.Deployment, w.Now, w.Log).Handle
}

func (w world) send(r functest.Request) functest.Answer { return w.Send(w.function(), r) }

func TestUserWithoutKeysIsShownThatThereAreNone(t *testing.T) {
	w := newWorld(t)
	got := w.send(viewKeys)
	got.Is(http.StatusOK, `{
		"owner": {"accountId": "0123456789abcdef0123456789abcdef", "iamId": "IBMid-5500SAMPLE", "username": "jane.doe@example.com"},
		"active": null, "phasedOut": [], "revision": 0, "suspended": false
	}`)
	if got.Headers["ETag"] != `"0"` {
		t.Errorf("ETag is %s", got.Headers["ETag"])
	}
}

func TestUserWhoDeletedAllKeysIsShownThatThereAreNone(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	w.DeleteAll(functest.Jane)
	got := w.send(viewKeys)
	got.Is(http.StatusOK, `{
		"owner": {"accountId": "0123456789abcdef0123456789abcdef", "iamId": "IBMid-5500SAMPLE", "username": "jane.doe@example.com"},
		"active": null, "phasedOut": [], "revision": 3, "suspended": false
	}`)
	if got.Headers["ETag"] != `"3"` {
		t.Errorf("ETag is %s", got.Headers["ETag"])
	}
}

type keys struct {
	Active    *functest.Key
	PhasedOut []functest.Key
	Suspended bool
}

func TestPhasedOutKeysAreShownNewestFirst(t *testing.T) {
	w := newWorld(t)
	want := []string{w.Create(functest.Jane).Key.ID.String()}
	for range 4 {
		want = append(want, w.Rotate(functest.Jane).Key.ID.String())
	}
	slices.Reverse(want)
	var got keys
	w.send(viewKeys).Must(http.StatusOK).Decode(&got)
	shown := []string{got.Active.ID}
	for i, key := range got.PhasedOut {
		shown = append(shown, key.ID)
		if key.Status != apikey.StatusPhasedOut || key.PhasedOutAt.IsZero() {
			t.Errorf("a Phased out key is shown as %+v", key)
		}
		if i > 0 && !key.CreatedAt.Before(got.PhasedOut[i-1].CreatedAt) {
			t.Errorf("made at %s, after %s", got.PhasedOut[i-1].CreatedAt, key.CreatedAt)
		}
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("made, newest first (-), and shown (+): %s", diff)
	}
	if got.Active.Status != apikey.StatusActive || !got.Active.PhasedOutAt.IsZero() {
		t.Errorf("the Active key is shown as %+v", got.Active)
	}
}

func TestSuspendedUserIsTold(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	w.Suspend(functest.Jane)
	var got keys
	w.send(viewKeys).Must(http.StatusOK).Decode(&got)
	if !got.Suspended {
		t.Error("the suspension is not shown")
	}
	if change := w.LastChange(functest.Jane); change.Actor.Kind != apikey.ActorAdministrator || change.Actor.ID == "" || change.CorrelationID == "" {
		t.Errorf("nothing tells who suspended her: %+v", change)
	}
}

func TestNoViewShowsACredentialOrWhereItIs(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	got := w.send(viewKeys).Must(http.StatusOK)
	for _, kept := range []string{"cpdk_", "arn:", "digest", functest.Jane.Locator().String()} {
		if strings.Contains(strings.ToLower(got.Body), kept) {
			t.Errorf("the view holds %s: %s", kept, got.Body)
		}
	}
}

// Ring and uses come in one call, both as they are now.
func TestViewIsOneConsistentRead(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	w.Use(functest.Jane, w.Ring(functest.Jane).Active.ID)
	w.Calm()
	var asked []string
	w.Table.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		var read struct {
			RequestItems map[string]struct {
				ConsistentRead bool
				Keys           []struct{ SK struct{ S string } }
			}
		}
		if err := json.Unmarshal(call.Body, &read); err != nil {
			t.Error(err)
		}
		for _, of := range read.RequestItems {
			if !of.ConsistentRead {
				t.Errorf("%s %s", call.Operation, call.Body)
			}
			for _, key := range of.Keys {
				asked = append(asked, key.SK.S)
			}
		}
		return next()
	})
	w.send(viewKeys).Must(http.StatusOK)
	if diff := cmp.Diff([]string{"RING", "USE"}, asked); diff != "" {
		t.Errorf("read: %s", diff)
	}
	w.WantCalls("BatchGetItem")
}

// A batch may leave some of its keys for another call.
func TestViewAsksAgainForWhatWasLeftUnprocessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.JaneHasRotated()
		w.Use(functest.Jane, w.Ring(functest.Jane).Active.ID)
		w.Calm()
		w.Table.SetBatchSize(1)
		var got keys
		w.send(viewKeys).Must(http.StatusOK).Decode(&got)
		if got.Active == nil || got.Active.LastUsedAt.IsZero() || len(got.PhasedOut) != 1 {
			t.Errorf("shown: %+v", got)
		}
		w.WantCalls("BatchGetItem", "BatchGetItem")
	})
}

func TestOnlyKeyManagersView(t *testing.T) {
	for name, test := range map[string]struct {
		roles   []apikey.Role
		allowed bool
	}{
		"Administrator":         {[]apikey.Role{apikey.RoleAdministrator}, true},
		"AccountOwner":          {[]apikey.Role{apikey.RoleAccountOwner}, true},
		"one among others":      {[]apikey.Role{"Viewer", apikey.RoleAdministrator}, true},
		"JobRunner":             {[]apikey.Role{apikey.RoleJobRunner}, false},
		"PlatformJobRunner":     {[]apikey.Role{apikey.RolePlatformJobRunner}, false},
		"another role":          {[]apikey.Role{"Viewer"}, false},
		"in another case":       {[]apikey.Role{"administrator"}, false},
		"two in one":            {[]apikey.Role{"Administrator,AccountOwner"}, false},
		"the empty role":        {[]apikey.Role{""}, false},
		"no role":               {nil, false},
		"part of the right one": {[]apikey.Role{"Admin", "Administrators"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.JaneHasAKey()
			w.Calm()
			got := w.send(viewKeys.As(w.Token(functest.Jane, test.roles...)))
			if test.allowed {
				got.Must(http.StatusOK)
				return
			}
			got.Refused(http.StatusForbidden, apikey.CodeRoleRequired)
			for _, role := range []string{"Administrator", "AccountOwner"} {
				if !strings.Contains(got.Problem().Detail, role) {
					t.Errorf("%q does not name the role %s, which would do", got.Problem().Detail, role)
				}
			}
			w.WantCalls()
		})
	}
}

func TestCallerWithoutATokenIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{"", "ANOTHER_TOKEN"} {
		got := w.send(viewKeys.As(token))
		got.Refused(http.StatusUnauthorized, apikey.CodeUnauthenticated)
		if got.Headers["WWW-Authenticate"] == "" {
			t.Error("nothing asks for a token")
		}
	}
}

// The same person in another account is another owner.
func TestKeysOfAnotherAccountAreNotShown(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	for name, owner := range map[string]apikey.Owner{
		"same person, other account":  {AccountID: "another", IAMID: functest.Jane.IAMID, Username: functest.Jane.Username},
		"other person, same account":  {AccountID: functest.Jane.AccountID, IAMID: "IBMid-2", Username: functest.Jane.Username},
		"account and person swapped":  {AccountID: functest.Jane.IAMID, IAMID: functest.Jane.AccountID},
		"a character moved between":   {AccountID: functest.Jane.AccountID + "I", IAMID: functest.Jane.IAMID[1:]},
		"neither, but the same names": {AccountID: "another", IAMID: "IBMid-2", Username: functest.Jane.Username},
	} {
		t.Run(name, func(t *testing.T) {
			var got keys
			w.send(viewKeys.As(w.Token(owner, apikey.RoleAdministrator, apikey.RoleAccountOwner))).Must(http.StatusOK).Decode(&got)
			if got.Active != nil || len(got.PhasedOut) != 0 {
				t.Errorf("shown: %+v", got)
			}
		})
	}
}

func TestViewWithABodyIsRefused(t *testing.T) {
	w := newWorld(t)
	request := viewKeys
	request.Body = `{"iamId":"IBMid-2"}`
	w.send(request).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
}

func TestStoreOutOfReachIsUnavailable(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"down":      awstest.Reset,
		"failing":   awstest.Refuse(http.StatusInternalServerError, "InternalServerError"),
		"throttled": awstest.Refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
		"denied":    awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.JaneHasAKey()
				w.Table.Transport.SetFault(fault)
				for _, request := range []functest.Request{viewKeys, viewHistory} {
					w.send(request).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				}
			})
		})
	}
}

func TestOtherMethodsAndPathsAreAnsweredHere(t *testing.T) {
	w := newWorld(t)
	other := viewKeys
	other.Method = http.MethodPut
	w.send(other).Refused(http.StatusMethodNotAllowed, httpapi.CodeMethodNotAllowed)
	other.Resource = "/{proxy+}"
	w.send(other).Refused(http.StatusNotFound, httpapi.CodeNotFound)
}

func TestFunctionLinksNoClientThatItDoesNotNeed(t *testing.T) { functest.LinksDynamoDBAlone(t) }
