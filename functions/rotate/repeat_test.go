package rotate_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var rotateOnce = rotateKey.With("Idempotency-Key", "key-1")

func TestRetryWithTheSameKeyIsAnsweredTheSame(t *testing.T) {
	w := newWorld(t)
	first := w.send(rotateOnce).Must(http.StatusCreated)
	w.Calm()
	w.Pass(time.Hour)
	again := w.send(rotateOnce).Must(http.StatusCreated)
	if first.Body != again.Body {
		t.Errorf("answered %s and then %s", first.Body, again.Body)
	}
	w.WantSecretsCalls("GetSecretValue")
	if ring := w.Ring(functest.Jane); ring.Revision != 2 {
		t.Errorf("the ring is at revision %d", ring.Revision)
	}
}

// A replay tells what was true then; only the credential is left out once its
// key is not Active.
func TestReplayTellsWhatWasMadeThen(t *testing.T) {
	for name, end := range map[string]func(world){
		"phased out itself": func(w world) { w.Rotate(functest.Jane) },
		"deleted":           func(w world) { w.DeleteAll(functest.Jane) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.rotated(w.send(rotateOnce))
			end(w)
			again := w.send(rotateOnce)
			if strings.Contains(again.Body, "credential") {
				t.Errorf("the credential of a key that is not Active is shown: %s", again.Body)
			}
			first.Credential = ""
			if diff := cmp.Diff(first, w.rotated(again)); diff != "" {
				t.Errorf("answered (-) and replayed (+): %s", diff)
			}
		})
	}
}

func TestReplayIsUnavailableWhileSecretsManagerIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.send(rotateOnce).Must(http.StatusCreated)
		w.Secrets.Transport.SetFault(awstest.Reset)
		w.send(rotateOnce).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
		w.Calm()
		if again := w.send(rotateOnce); again.Body != first.Body {
			t.Errorf("answered %s and then %s", first.Body, again.Body)
		}
	})
}

func TestKeyOfACreateIsRefusedForARotation(t *testing.T) {
	w := world{functest.New(t), t}
	_, err := w.Keys.Create(t.Context(), apikey.ChangeRequest{
		Owner: functest.Jane, Actor: apikey.Actor{Kind: apikey.ActorUser, ID: functest.Jane.IAMID}, IdempotencyKey: "key-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.send(rotateOnce).Refused(http.StatusUnprocessableEntity, apikey.CodeIdempotencyKeyReused)
	w.wantUnchanged()
}

// A refusal is no change: the same key may be used for the attempt that follows.
func TestRefusedRotationDoesNotUseTheKeyUp(t *testing.T) {
	w := newWorld(t)
	w.send(rotateOnce.With("If-Match", `"7"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	if got := w.rotated(w.send(rotateOnce)); got.Revision != 2 {
		t.Errorf("revision %d", got.Revision)
	}
}

// The caller who gets no answer asks again, with the key, and gets the one
// rotation that was made.
func TestLostAnswerIsHarmlessWithAnIdempotencyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Table.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			switch call.Operation {
			case "TransactWriteItems":
				return awstest.LoseAnswer(call, next)
			case "GetItem":
				return awstest.Reset(call, next)
			}
			return next()
		})
		w.send(rotateOnce).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
		w.Calm()
		got := w.rotated(w.send(rotateOnce))
		ring := w.Ring(functest.Jane)
		if ring.Revision != 2 || got.Key.ID != ring.Active.ID.String() || got.Credential == "" {
			t.Errorf("the ring is at revision %d, the answer is %+v", ring.Revision, got.Key)
		}
	})
}

// Lambda may deliver an event more than once, whatever headers its client sent.
func TestEventDeliveredTwiceRotatesOnce(t *testing.T) {
	for name, request := range map[string]functest.Request{
		"with an Idempotency-Key": rotateOnce,
		"with If-Match":           rotateKey.With("If-Match", `"1"`),
		"with neither":            rotateKey,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			event, function := request.Event(), w.function()
			first, again := w.Deliver(function, event).Must(http.StatusCreated), w.Deliver(function, event)
			if first.Body != again.Body {
				t.Errorf("answered %s and then %s", first.Body, again.Body)
			}
			if ring := w.Ring(functest.Jane); len(ring.PhasedOut) != 1 {
				t.Errorf("%d keys were phased out", len(ring.PhasedOut))
			}
		})
	}
}

// The same request sent twice is another matter: without an Idempotency-Key
// nothing tells that the second was not meant.
func TestRequestSentTwiceWithoutAnIdempotencyKeyRotatesTwice(t *testing.T) {
	w := newWorld(t)
	w.rotated(w.send(rotateKey))
	w.rotated(w.send(rotateKey))
	if ring := w.Ring(functest.Jane); len(ring.PhasedOut) != 2 {
		t.Errorf("%d keys were phased out", len(ring.PhasedOut))
	}
}
