package rotate_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/rotate"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var rotateKey = functest.Request{Method: http.MethodPost, Resource: "/v1/user-api-keys/rotation", Token: "ADMINISTRATOR_TOKEN"}

// world is a world with the function in it.
type world struct {
	*functest.World
	t *testing.T
}

// newWorld is one where Jane has a key.
func newWorld(t *testing.T) world {
	w := world{functest.New(t), t}
	w.JaneHasAKey()
	w.Calm()
	return w
}

func (w world) function() any { return rotate.New(w.World, w.Keys, w.Deployment, w.Log).Handle }

func (w world) send(r functest.Request) functest.Answer { return w.Send(w.function(), r) }

type rotated struct {
	Key, PhasedOut functest.Key
	Credential     string
	Revision       int64
	Affected       map[string]any
}

func (w world) rotated(answer functest.Answer) rotated {
	w.t.Helper()
	var got rotated
	answer.Must(http.StatusCreated).Decode(&got)
	return got
}

// wantUnchanged checks that Jane still has the key that she began with.
func (w world) wantUnchanged() {
	w.t.Helper()
	w.Calm()
	ring := w.Ring(functest.Jane)
	if ring.Revision != 1 || len(ring.PhasedOut) != 0 {
		w.t.Errorf("revision %d, %d Phased out keys", ring.Revision, len(ring.PhasedOut))
	}
	if labels := w.Secrets.Labels(ring.SecretARN); labels["AWSCURRENT"] != ring.Active.VersionID {
		w.t.Errorf("the secret's labels are %v", labels)
	}
}

func TestRotationMakesANewActiveKeyAndPhasesTheOldOneOut(t *testing.T) {
	w := newWorld(t)
	before := w.Ring(functest.Jane)
	got := w.rotated(w.send(rotateKey))
	ring := w.Ring(functest.Jane)
	if got.Key.ID != ring.Active.ID.String() || got.Key.Status != apikey.StatusActive || !got.Key.PhasedOutAt.IsZero() {
		t.Errorf("the new key is shown as %+v", got.Key)
	}
	if got.PhasedOut.ID != before.Active.ID.String() || got.PhasedOut.Status != apikey.StatusPhasedOut {
		t.Errorf("the old key is shown as %+v", got.PhasedOut)
	}
	if !got.PhasedOut.PhasedOutAt.Equal(got.Key.CreatedAt) {
		t.Errorf("phased out at %v, created at %v: not one instant", got.PhasedOut.PhasedOutAt, got.Key.CreatedAt)
	}
	if got.Revision != 2 || ring.Revision != 2 {
		t.Errorf("revision %d, the ring's %d", got.Revision, ring.Revision)
	}
	want := map[string]any{"schedules": []any{}, "scheduleCount": 0.0, "runs": []any{}, "runCount": 0.0}
	if diff := cmp.Diff(want, got.Affected); diff != "" {
		t.Errorf("affected: %s", diff)
	}
	credential, err := apikey.ParseCredential(got.Credential)
	if err != nil || credential.KeyID() != ring.Active.ID || !credential.Digest().Equal(ring.Active.Digest) {
		t.Errorf("the credential that is shown is not the Active key's: %v", err)
	}
}

// The secret that consumers read has the new credential under the same ARN, by
// the time that the rotation is answered.
func TestConsumersReadTheNewCredentialUnderTheOldARN(t *testing.T) {
	w := newWorld(t)
	arn := w.Ring(functest.Jane).SecretARN
	got := w.rotated(w.send(rotateKey))
	if now := w.Ring(functest.Jane).SecretARN; now != arn {
		t.Errorf("the ARN was %s and is %s", arn, now)
	}
	if current := w.Secrets.Labels(arn)["AWSCURRENT"]; w.Secrets.Value(arn, current) != got.Credential {
		t.Error("AWSCURRENT is not the credential that was shown")
	}
}

func TestRotationIsOneReadOneTransactionAndThreeCallsOfSecretsManager(t *testing.T) {
	for name, request := range map[string]functest.Request{
		"with an Idempotency-Key": rotateKey.With("Idempotency-Key", "key-1"),
		"without":                 rotateKey,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.rotated(w.send(request))
			w.WantSecretsCalls("PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage")
			w.WantCalls("TransactGetItems", "TransactWriteItems")
		})
	}
}

func TestNothingButTheAnswerAndSecretsManagerHoldsTheCredential(t *testing.T) {
	w := newWorld(t)
	_, secret, _ := strings.Cut(w.rotated(w.send(rotateKey.With("Idempotency-Key", "key-1"))).Credential[len("cpdk_"):], "_")
	for _, text := range append(w.Table.Items(), w.Logged()) {
		if strings.Contains(text, secret) {
			t.Errorf("the credential is in %s", text)
		}
	}
}

func TestRotationWithoutAnActiveKeyIsRefused(t *testing.T) {
	w := newWorld(t)
	w.DeleteAll(functest.Jane)
	w.Calm()
	w.send(rotateKey).Refused(http.StatusConflict, apikey.CodeNoActiveKey)
	w.WantSecretsCalls()
}

func TestTwentyPhasedOutKeysAreEnough(t *testing.T) {
	w := newWorld(t)
	for range apikey.MaxPhasedOut {
		w.Pass(apikey.AllowanceRefillPeriod)
		w.rotated(w.send(rotateKey))
	}
	w.Pass(apikey.AllowanceRefillPeriod)
	w.send(rotateKey).Refused(http.StatusConflict, apikey.CodeTooManyPhasedOutKeys)
	w.DeleteOne(functest.Jane, w.Ring(functest.Jane).PhasedOut[7].ID)
	w.rotated(w.send(rotateKey))
}

func TestAllowanceIsRefilledWhenTheAnswerSays(t *testing.T) {
	w := newWorld(t)
	for range apikey.AllowanceSize {
		w.rotated(w.send(rotateKey))
	}
	w.Calm()
	refused := w.send(rotateKey)
	refused.Refused(http.StatusTooManyRequests, apikey.CodeRotationRateExceeded)
	wait, err := time.ParseDuration(refused.Headers["Retry-After"] + "s")
	if err != nil {
		t.Fatal(err)
	}
	w.WantSecretsCalls()
	w.Pass(wait)
	w.rotated(w.send(rotateKey))
}

func TestIfMatchIsHonoured(t *testing.T) {
	w := newWorld(t)
	for _, stale := range []string{`"0"`, `"2"`, `"01"`, `W/"1"`} {
		w.send(rotateKey.With("If-Match", stale)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	}
	w.wantUnchanged()
	w.rotated(w.send(rotateKey.With("If-Match", `"1"`)))
	w.send(rotateKey.With("If-Match", `"1"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	w.rotated(w.send(rotateKey.With("If-Match", `*`)))
}

func TestMalformedRotationChangesNothing(t *testing.T) {
	w := newWorld(t)
	request := rotateKey
	for _, request.Body = range []string{`{"keyId":"x"}`, `[]`, `null`, `{`} {
		w.send(request).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	}
	w.send(rotateKey.With("If-Match", "1")).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.send(rotateKey.With("Idempotency-Key", strings.Repeat("x", 65))).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.wantUnchanged()
}

func TestOnlyKeyManagersRotate(t *testing.T) {
	w := newWorld(t)
	w.ForKeyManagersOnly(w.function(), rotateKey)
}

func TestAdministratorOfAnotherAccountRotatesNothingHere(t *testing.T) {
	w := newWorld(t)
	elsewhere := apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}
	w.send(rotateKey.As(w.Token(elsewhere, apikey.RoleAdministrator))).Refused(http.StatusConflict, apikey.CodeNoActiveKey)
	w.wantUnchanged()
}

func TestDependencyOutOfReachRotatesNothing(t *testing.T) {
	for name, arrange := range map[string]func(world){
		"key store down":          func(w world) { w.Table.Transport.SetFault(awstest.Reset) },
		"Secrets Manager down":    func(w world) { w.Secrets.Transport.SetFault(awstest.Reset) },
		"Secrets Manager refuses": func(w world) { w.Secrets.Transport.SetFault(awstest.Refuse(400, "AccessDeniedException")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				arrange(w)
				w.send(rotateKey).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
				w.wantUnchanged()
			})
		})
	}
}

// The commit is the decision: what fails after it changes no answer.
func TestRotationIsAnsweredThoughTheLabelsCannotBeMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Secrets.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if call.Operation == "PutSecretValue" {
				return next()
			}
			return awstest.Reset(call, next)
		})
		got := w.rotated(w.send(rotateKey))
		w.Calm()
		ring := w.Ring(functest.Jane)
		if got.Key.ID != ring.Active.ID.String() || w.Secrets.Value(ring.SecretARN, ring.Active.VersionID) != got.Credential {
			t.Error("the answer is not what was committed")
		}
	})
}

func TestRotationsNeverUseANameAgain(t *testing.T) {
	w := newWorld(t)
	names := []string{w.Ring(functest.Jane).Active.Name}
	for range 5 {
		names = append(names, w.rotated(w.send(rotateKey)).Key.Name)
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != 6 {
		t.Errorf("the names, while the clock stands still: %v", names)
	}
}
