package delete_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/delete"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var deleteAll = functest.Request{Method: http.MethodDelete, Resource: "/v1/user-api-keys", Token: "ADMINISTRATOR_TOKEN"}

func deleteOne(id string) functest.Request {
	return functest.Request{Method: http.MethodDelete, Resource: "/v1/user-api-keys/{keyId}", KeyID: id, Token: "ADMINISTRATOR_TOKEN"}
}

// world is a world with the function in it.
type world struct {
	*functest.World
	t *testing.T
}

// newWorld is one where Jane has an Active and a Phased out key.
func newWorld(t *testing.T) world {
	w := world{functest.New(t), t}
	w.JaneHasRotated()
	w.Calm()
	return w
}

func (w world) function() any { return delete.New(w.World, w.Keys, w.Deployment, w.Log).Handle }

func (w world) send(r functest.Request) functest.Answer { return w.Send(w.function(), r) }

type deleted struct {
	Deleted  []functest.Key
	Revision int64
	Affected map[string]any
}

func (w world) deleted(answer functest.Answer) deleted {
	w.t.Helper()
	var got deleted
	answer.Must(http.StatusOK).Decode(&got)
	want := map[string]any{"schedules": []any{}, "scheduleCount": 0.0, "runs": []any{}, "runCount": 0.0}
	if diff := cmp.Diff(want, got.Affected); diff != "" {
		w.t.Errorf("affected: %s", diff)
	}
	if got.Deleted == nil {
		w.t.Error("the deleted keys are no list")
	}
	return got
}

// ids are Jane's Active and her Phased out key.
func (w world) ids() (active, phasedOut string) {
	w.t.Helper()
	ring := w.Ring(functest.Jane)
	return ring.Active.ID.String(), ring.PhasedOut[0].ID.String()
}

// wantUnchanged checks that Jane still has the keys that she began with.
func (w world) wantUnchanged() {
	w.t.Helper()
	w.Calm()
	ring := w.Ring(functest.Jane)
	if ring.Revision != 2 || ring.Active == nil || len(ring.PhasedOut) != 1 || len(w.Secrets.Names()) != 1 {
		w.t.Errorf("revision %d, Active %v, %d Phased out keys, secrets %v", ring.Revision, ring.Active, len(ring.PhasedOut), w.Secrets.Names())
	}
}

func TestPhasedOutKeyIsDeletedAlone(t *testing.T) {
	w := newWorld(t)
	active, phasedOut := w.ids()
	got := w.deleted(w.send(deleteOne(phasedOut)))
	if len(got.Deleted) != 1 || got.Deleted[0].ID != phasedOut || got.Deleted[0].Status != apikey.StatusPhasedOut || got.Revision != 3 {
		t.Errorf("answered %+v", got)
	}
	ring := w.Ring(functest.Jane)
	if ring.Active.ID.String() != active || len(ring.PhasedOut) != 0 {
		t.Errorf("left: Active %v, %d Phased out", ring.Active, len(ring.PhasedOut))
	}
	for label, version := range w.Secrets.Labels(ring.SecretARN) {
		if version != ring.Active.VersionID {
			t.Errorf("the label %s is still on the version %s", label, version)
		}
	}
}

func TestActiveKeyIsNotDeletedAlone(t *testing.T) {
	w := newWorld(t)
	active, _ := w.ids()
	w.send(deleteOne(active)).Refused(http.StatusConflict, apikey.CodeKeyActive)
	w.wantUnchanged()
}

// What is not the caller's is answered exactly like what does not exist.
func TestKeyThatIsNotTheCallersIsNotFound(t *testing.T) {
	w := newWorld(t)
	colleague := apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}
	w.Create(colleague)
	theirs := w.Rotate(colleague)
	active, phasedOut := w.ids()
	missing := w.send(deleteOne("019df20e-8148-7e03-9b61-000000000000"))
	missing.Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
	for name, request := range map[string]functest.Request{
		"a colleague's Active key":     deleteOne(theirs.Key.ID.String()),
		"a colleague's Phased out key": deleteOne(theirs.PhasedOut.ID.String()),
		"one's own, in capitals":       deleteOne(strings.ToUpper(phasedOut)),
		"one's own, with a blank":      deleteOne(phasedOut + " "),
		"no id":                        deleteOne("rotation"),
		"an empty id":                  deleteOne(""),
		"a list of ids":                deleteOne(phasedOut + "," + active),
		"a way out":                    deleteOne("../" + phasedOut),
		"a credential":                 deleteOne(functest.FirstCredential),
		"from another account":         deleteOne(phasedOut).As(w.Token(apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}, apikey.RoleAdministrator)),
		"by a colleague":               deleteOne(phasedOut).As(w.Token(apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-3"}, apikey.RoleAccountOwner)),
	} {
		t.Run(name, func(t *testing.T) {
			want, got := missing.Problem(), w.send(request).Problem()
			got.RequestID = want.RequestID
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("a missing key (-) and this (+): %s", diff)
			}
		})
	}
	w.DeleteAll(colleague)
	w.wantUnchanged()
}

func TestDeleteAllLeavesNoKeyAndNoSecret(t *testing.T) {
	w := newWorld(t)
	active, phasedOut := w.ids()
	got := w.deleted(w.send(deleteAll))
	var ids []string
	for _, key := range got.Deleted {
		ids = append(ids, key.ID)
	}
	if diff := cmp.Diff([]string{phasedOut, active}, ids); diff != "" || got.Revision != 3 {
		t.Errorf("answered revision %d, deleted: %s", got.Revision, diff)
	}
	ring := w.Ring(functest.Jane)
	if ring.Active != nil || len(ring.PhasedOut) != 0 || ring.SecretARN != "" || len(w.Secrets.Names()) != 0 {
		t.Errorf("left: %+v, secrets %v", ring, w.Secrets.Names())
	}
}

// A body, such as the id of the one key that was meant, must not have all keys
// deleted.
func TestDeletionWithABodyIsRefused(t *testing.T) {
	w := newWorld(t)
	_, phasedOut := w.ids()
	for _, body := range []string{`{"keyId":"` + phasedOut + `"}`, `["` + phasedOut + `"]`, `"` + phasedOut + `"`, `null`, `{`} {
		for _, request := range []functest.Request{deleteAll, deleteOne(phasedOut)} {
			request.Body = body
			w.send(request).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		}
	}
	w.wantUnchanged()
	request := deleteAll
	request.Body = `{}`
	w.deleted(w.send(request))
}

// A query parameter may have been meant to narrow the deletion.
func TestDeletionWithAQueryIsRefused(t *testing.T) {
	w := newWorld(t)
	w.send(deleteAll.WithQuery(url.Values{"keyId": {"x"}})).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.wantUnchanged()
}

// An empty key id must not turn the deletion of one key into that of all.
func TestDeleteOneWithoutIDDeletesNothing(t *testing.T) {
	w := newWorld(t)
	event := deleteOne("").Event()
	event.PathParameters = nil
	w.Deliver(w.function(), event).Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
	w.wantUnchanged()
}

func TestIfMatchIsHonoured(t *testing.T) {
	w := newWorld(t)
	active, phasedOut := w.ids()
	for _, request := range []functest.Request{deleteAll, deleteOne(phasedOut), deleteOne(active)} {
		w.send(request.With("If-Match", `"1"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
		w.send(request.With("If-Match", `W/"2"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
		w.send(request.With("If-Match", `2`)).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	}
	w.wantUnchanged()
	w.deleted(w.send(deleteOne(phasedOut).With("If-Match", `"2"`)))
	w.deleted(w.send(deleteAll.With("If-Match", `"3"`)))
}

func TestOnlyKeyManagersDelete(t *testing.T) {
	w := newWorld(t)
	_, phasedOut := w.ids()
	w.ForKeyManagersOnly(w.function(), deleteAll, deleteOne(phasedOut))
}

func TestDeleteAllOfAnotherAccountDeletesNothingHere(t *testing.T) {
	w := newWorld(t)
	elsewhere := apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}
	got := w.deleted(w.send(deleteAll.As(w.Token(elsewhere, apikey.RoleAdministrator))))
	if len(got.Deleted) != 0 || got.Revision != 0 {
		t.Errorf("answered %+v", got)
	}
	w.wantUnchanged()
}

func TestSecretsManagerOutOfReachDoesNotStopDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, phasedOut := w.ids()
		w.Secrets.Transport.SetFault(awstest.Reset)
		if got := w.deleted(w.send(deleteOne(phasedOut))); len(got.Deleted) != 1 {
			t.Errorf("answered %+v", got)
		}
		if got := w.deleted(w.send(deleteAll)); len(got.Deleted) != 1 || got.Revision != 4 {
			t.Errorf("answered %+v", got)
		}
	})
}

func TestKeyStoreOutOfReachDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, phasedOut := w.ids()
		for _, request := range []functest.Request{deleteAll, deleteOne(phasedOut)} {
			w.Table.Transport.SetFault(awstest.Reset)
			w.send(request).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
			w.wantUnchanged()
		}
	})
}

// The same event twice has the effect of one. A second deletion of one key
// finds none; a second deletion of all has nothing left to do, and announces
// nothing.
func TestEventDeliveredTwiceDeletesOnce(t *testing.T) {
	for _, key := range []string{"", "key-1"} {
		t.Run("Idempotency-Key "+key, func(t *testing.T) {
			w := newWorld(t)
			_, phasedOut := w.ids()
			one, all := deleteOne(phasedOut), deleteAll
			if key != "" {
				one, all = one.With("Idempotency-Key", key), all.With("Idempotency-Key", key)
			}
			w.deleted(w.send(one))
			w.send(one).Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
			if got := w.deleted(w.send(all)); len(got.Deleted) != 1 {
				t.Errorf("answered %+v", got)
			}
			items := len(w.Table.Items())
			if again := w.deleted(w.send(all)); len(again.Deleted) != 0 || again.Revision != 4 {
				t.Errorf("answered again %+v", again)
			}
			if now := len(w.Table.Items()); now != items {
				t.Errorf("the table had %d items and has %d", items, now)
			}
		})
	}
}
