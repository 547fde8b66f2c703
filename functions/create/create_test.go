package create_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/create"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var createKey = functest.Request{Method: http.MethodPost, Resource: "/v1/user-api-keys", Token: "ADMINISTRATOR_TOKEN"}

// world is a world with the function in it.
type world struct {
	*functest.World
	t *testing.T
}

func newWorld(t *testing.T) world { return world{functest.New(t), t} }

func (w world) function() any { return create.New(w.World, w.Keys, w.Log).Handle }

func (w world) send(r functest.Request) functest.Answer { return w.Send(w.function(), r) }

type created struct {
	Key        functest.Key
	Credential string
	Revision   int64
}

func (w world) created(answer functest.Answer) created {
	w.t.Helper()
	var got created
	answer.Must(http.StatusCreated).Decode(&got)
	return got
}

// The ring knows the credential that was shown, and Secrets Manager holds it.
func TestCreatedKeyIsActiveAndItsCredentialIsShown(t *testing.T) {
	w := newWorld(t)
	got := w.created(w.send(createKey))
	ring := w.Ring(functest.Jane)
	credential, err := apikey.ParseCredential(got.Credential)
	if err != nil {
		t.Fatal(err)
	}
	if credential.KeyID() != ring.Active.ID || credential.Locator() != functest.Jane.Locator() || !credential.Digest().Equal(ring.Active.Digest) {
		t.Error("the credential that was shown is not the Active key's")
	}
	if w.Secrets.Value(ring.SecretARN, ring.Active.VersionID) != got.Credential {
		t.Error("Secrets Manager does not hold the credential that was shown")
	}
	if got.Key.ID != ring.Active.ID.String() || got.Key.Status != apikey.StatusActive || got.Revision != ring.Revision {
		t.Errorf("shown %+v", got)
	}
	if want := "cpd-apikey-" + functest.Jane.IAMID + "-2026-11-16T09:30:00.000Z"; got.Key.Name != want {
		t.Errorf("the name is %s, want %s", got.Key.Name, want)
	}
}

func TestNothingButTheAnswerAndSecretsManagerHoldsTheCredential(t *testing.T) {
	w := newWorld(t)
	_, secret, _ := strings.Cut(w.created(w.send(createKey.With("Idempotency-Key", "key-1"))).Credential[len("cpdk_"):], "_")
	for _, item := range w.Table.Items() {
		if strings.Contains(item, secret) {
			t.Errorf("an item holds the credential: %s", item)
		}
	}
	if strings.Contains(w.Logged(), secret) {
		t.Errorf("the log holds the credential: %s", w.Logged())
	}
}

func TestSecondKeyIsRefused(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	w.Calm()
	w.send(createKey).Refused(http.StatusConflict, apikey.CodeActiveKeyExists)
	w.send(createKey.With("Idempotency-Key", "key-1")).Refused(http.StatusConflict, apikey.CodeActiveKeyExists)
	w.WantSecretsCalls()
	if ring := w.Ring(functest.Jane); ring.Revision != 1 {
		t.Errorf("the ring is at revision %d", ring.Revision)
	}
}

func TestCreateAfterDeleteAllMakesAnotherKey(t *testing.T) {
	w := newWorld(t)
	first := w.created(w.send(createKey))
	w.DeleteAll(functest.Jane)
	second := w.created(w.send(createKey))
	if first.Key.ID == second.Key.ID || first.Credential == second.Credential || second.Revision != 3 {
		t.Errorf("created %+v and then %+v", first.Key, second.Key)
	}
	if !(first.Key.Name < second.Key.Name) {
		t.Errorf("the names do not increase while the clock stands still: %s, %s", first.Key.Name, second.Key.Name)
	}
}

func TestSuspendedOwnerGetsNoKey(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	w.Suspend(functest.Jane)
	w.Calm()
	w.send(createKey).Refused(http.StatusForbidden, apikey.CodeOwnerSuspended)
	w.WantSecretsCalls()
}

func TestAllowanceIsRefilledWhenTheAnswerSays(t *testing.T) {
	w := newWorld(t)
	for range apikey.AllowanceSize {
		w.created(w.send(createKey))
		w.DeleteAll(functest.Jane)
	}
	w.Pass(90 * time.Second)
	w.Calm()
	refused := w.send(createKey)
	refused.Refused(http.StatusTooManyRequests, apikey.CodeRotationRateExceeded)
	wait, err := time.ParseDuration(refused.Headers["Retry-After"] + "s")
	if err != nil || wait != apikey.AllowanceRefillPeriod-90*time.Second {
		t.Fatalf("Retry-After is %q", refused.Headers["Retry-After"])
	}
	w.WantSecretsCalls()
	w.Pass(wait - time.Millisecond)
	w.send(createKey).Refused(http.StatusTooManyRequests, apikey.CodeRotationRateExceeded)
	w.Pass(time.Millisecond)
	w.created(w.send(createKey))
}

func TestIfMatchIsHonoured(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	w.DeleteAll(functest.Jane)
	for _, stale := range []string{`"1"`, `"3"`, `"02"`, `W/"2"`, `"99999999999999999999"`} {
		w.send(createKey.With("If-Match", stale)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	}
	w.send(createKey.With("If-Match", "2")).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.created(w.send(createKey.With("If-Match", `"1", "2"`)))
}

// What is wrong first is what is answered: the form, the revision, the state.
func TestRevisionIsCheckedBeforeTheState(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	w.send(createKey.With("If-Match", `"7"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	w.send(createKey.With("If-Match", `"7"`).With("Idempotency-Key", "")).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
}

func TestCreateTakesNoBodyOrAnEmptyObject(t *testing.T) {
	w := newWorld(t)
	request := createKey
	for _, request.Body = range []string{`{"name":"mine"}`, `[]`, `null`, `{}{}`, `{`} {
		w.send(request).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	}
	request.Body = `{}`
	w.created(w.send(request))
}

func TestOnlyKeyManagersCreate(t *testing.T) {
	w := newWorld(t)
	w.ForKeyManagersOnly(w.function(), createKey)
	w.created(w.send(createKey.As(w.Token(functest.Jane, apikey.RoleAccountOwner))))
}

// The same person in another account is another owner, with a key of their own.
func TestEachAccountHasItsOwnKey(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	elsewhere := apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID, Username: functest.Jane.Username}
	got := w.created(w.send(createKey.As(w.Token(elsewhere, apikey.RoleAdministrator))))
	if got.Revision != 1 || w.Ring(elsewhere).Active.ID.String() != got.Key.ID {
		t.Errorf("created %+v", got)
	}
	if ring := w.Ring(functest.Jane); ring.Revision != 1 {
		t.Errorf("the other account's ring is at revision %d", ring.Revision)
	}
}

func TestDependencyOutOfReachMakesNoKey(t *testing.T) {
	for name, arrange := range map[string]func(world){
		"key store down":      func(w world) { w.Table.Transport.SetFault(awstest.Reset) },
		"key store throttled": func(w world) { w.Table.Transport.SetFault(awstest.Refuse(400, "ThrottlingException")) },
		"Secrets Manager down": func(w world) {
			w.Secrets.Transport.SetFault(awstest.Reset)
		},
		"Secrets Manager refuses": func(w world) {
			w.Secrets.Transport.SetFault(awstest.Refuse(400, "AccessDeniedException"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				arrange(w)
				w.send(createKey).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				w.Calm()
				if diff := cmp.Diff(apikey.Ring{}, w.Ring(functest.Jane)); diff != "" {
					t.Error(diff)
				}
				w.created(w.send(createKey))
			})
		})
	}
}
