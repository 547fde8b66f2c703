package create_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var createOnce = createKey.With("Idempotency-Key", "key-1")

func TestRetryWithTheSameKeyIsAnsweredTheSame(t *testing.T) {
	w := newWorld(t)
	first := w.send(createOnce).Must(http.StatusCreated)
	w.Calm()
	again := w.send(createOnce).Must(http.StatusCreated)
	if first.Body != again.Body {
		t.Errorf("answered %s and then %s", first.Body, again.Body)
	}
	if diff := cmp.Diff(first.Headers, again.Headers); diff != "" {
		t.Error(diff)
	}
	w.WantSecretsCalls("GetSecretValue")
	w.WantCalls("TransactGetItems")
	if ring := w.Ring(functest.Jane); ring.Revision != 1 {
		t.Errorf("the ring is at revision %d", ring.Revision)
	}
}

// The time in between changes nothing that a replay tells but the credential,
// which is shown only while its key is Active.
func TestReplayShowsTheCredentialOnlyWhileItsKeyIsActive(t *testing.T) {
	for name, end := range map[string]func(world){
		"phased out":  func(w world) { w.Rotate(functest.Jane) },
		"deleted":     func(w world) { w.DeleteAll(functest.Jane) },
		"another one": func(w world) { w.DeleteAll(functest.Jane); w.Create(functest.Jane) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.created(w.send(createOnce))
			w.Pass(time.Hour)
			end(w)
			w.Calm()
			again := w.send(createOnce)
			if strings.Contains(again.Body, "credential") {
				t.Errorf("the credential is shown: %s", again.Body)
			}
			first.Credential = ""
			if diff := cmp.Diff(first, w.created(again)); diff != "" {
				t.Errorf("answered (-) and replayed (+): %s", diff)
			}
			w.WantSecretsCalls()
		})
	}
}

func TestReplayIsUnavailableWhileSecretsManagerIs(t *testing.T) {
	w := newWorld(t)
	w.send(createOnce).Must(http.StatusCreated)
	w.Secrets.Transport.SetFault(awstest.Refuse(400, "AccessDeniedException"))
	w.send(createOnce).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
	w.Calm()
	if w.created(w.send(createOnce)).Credential == "" {
		t.Error("the credential is lost")
	}
}

// A retry is recognized before anything that has changed since could refuse it.
func TestReplayIsCheckedBeforeRevisionAndState(t *testing.T) {
	w := newWorld(t)
	request := createOnce.With("If-Match", `"0"`)
	first := w.send(request).Must(http.StatusCreated)
	if again := w.send(request).Must(http.StatusCreated); first.Body != again.Body {
		t.Errorf("answered %s and then %s", first.Body, again.Body)
	}
}

func TestKeyOfARotationIsRefusedForACreate(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	_, err := w.Keys.Rotate(t.Context(), apikey.ChangeRequest{
		Owner: functest.Jane, Actor: apikey.Actor{Kind: apikey.ActorUser, ID: functest.Jane.IAMID}, IdempotencyKey: "key-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.send(createOnce).Refused(http.StatusUnprocessableEntity, apikey.CodeIdempotencyKeyReused)
}

func TestIdempotencyKeyIsForgottenAfterADay(t *testing.T) {
	w := newWorld(t)
	first := w.created(w.send(createOnce))
	w.DeleteAll(functest.Jane)
	w.Pass(24*time.Hour - time.Second)
	if again := w.created(w.send(createOnce)); again.Key.ID != first.Key.ID {
		t.Error("forgotten before the day was over")
	}
	w.Pass(time.Second)
	if again := w.created(w.send(createOnce)); again.Key.ID == first.Key.ID || again.Credential == "" {
		t.Error("remembered for longer than a day")
	}
}

func TestIdempotencyKeysOfTwoUsersAreTwo(t *testing.T) {
	w := newWorld(t)
	first := w.created(w.send(createOnce))
	colleague := apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}
	second := w.created(w.send(createOnce.As(w.Token(colleague, apikey.RoleAdministrator))))
	if first.Key.ID == second.Key.ID || first.Credential == second.Credential {
		t.Error("two users share a key")
	}
}

// Lambda may deliver an event more than once, and late: after the key that it
// made is gone, it must make no other.
func TestEventDeliveredTwiceMakesOneKey(t *testing.T) {
	for name, request := range map[string]functest.Request{
		"with an Idempotency-Key": createOnce,
		"without":                 createKey,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			event, function := request.Event(), w.function()
			first, again := w.Deliver(function, event).Must(http.StatusCreated), w.Deliver(function, event)
			if again.Body != first.Body {
				t.Errorf("answered %s and then %s", first.Body, again.Body)
			}
			w.DeleteAll(functest.Jane)
			w.Deliver(function, event).Must(http.StatusCreated)
			if ring := w.Ring(functest.Jane); ring.Revision != 2 || ring.Active != nil || len(w.Secrets.Names()) != 0 {
				t.Errorf("revision %d, Active %v, secrets %v", ring.Revision, ring.Active, w.Secrets.Names())
			}
		})
	}
}
