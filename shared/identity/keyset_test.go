package identity_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/identity"
)

// world is a verifier with its issuer and clock.
type world struct {
	*testing.T
	issuer   *fakeIssuer
	clock    *clock
	verifier *identity.Verifier
	failures atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, issuer: &fakeIssuer{document: goodKeys()}, clock: newClock()}
	cfg := config()
	cfg.OnFetchFailure = func(error) { w.failures.Add(1) }
	w.verifier = newVerifier(t, cfg, w.issuer, w.clock.now)
	return w
}

// token is one that holds now and is signed with the key that kid names.
func (w *world) token(kid string) string {
	claims := goodClaims().with("exp", w.clock.now().Add(10*time.Minute).Unix())
	return bearer(compact(header("EdDSA", kid).json(), claims.json(), eddsa(edKey())))
}

func (w *world) known() {
	w.Helper()
	wantAccepted(w.T, w.verifier, w.token("ed"))
}

func (w *world) unknown() {
	w.Helper()
	wantRefused(w.T, w.verifier, w.token("unknown"), "does not publish")
}

// unavailable checks that the token is neither accepted nor refused, and when
// to come back.
func (w *world) unavailable(kid string, retryAfter time.Duration) {
	w.Helper()
	value := w.token(kid)
	_, err := w.verifier.Principal(w.Context(), value)
	if e := wantError(w.T, err, apikey.CodeUnavailable, "cannot be reached", value); e.RetryAfter != retryAfter {
		w.Errorf("RetryAfter is %v, want %v", e.RetryAfter, retryAfter)
	}
}

func (w *world) requests(want int) {
	w.Helper()
	if got := w.issuer.count(); got != want {
		w.Errorf("the issuer was asked %d times, want %d", got, want)
	}
}

func TestKeysAreFetchedAtFirstUseAndEveryHour(t *testing.T) {
	w := newWorld(t)
	w.requests(0)
	w.known()
	w.requests(1)
	w.clock.advance(time.Hour - time.Nanosecond)
	w.known()
	w.requests(1)
	w.clock.advance(time.Nanosecond)
	w.known()
	w.requests(2)
	w.known()
	w.requests(2)
}

func TestHeaderErrorsCauseNoFetch(t *testing.T) {
	w := newWorld(t)
	for _, value := range []string{"", "Bearer", "Basic x", "Bearer x", bearer(compact(header("none", "ed").json(), "{}", unsigned))} {
		wantRefused(t, w.verifier, value, "")
	}
	w.requests(0)
}

func TestUnknownKeyIsFetchedAtMostOnceAMinute(t *testing.T) {
	w := newWorld(t)
	w.known()
	for range 100 {
		w.unknown()
	}
	w.requests(1)
	w.clock.advance(time.Minute - time.Nanosecond)
	w.unknown()
	w.requests(1)
	w.clock.advance(time.Nanosecond)
	for range 100 {
		w.unknown()
	}
	w.requests(2)
	w.known()
	w.requests(2)
}

func TestUnknownKeyAtFirstUseIsRefusedNotUnavailable(t *testing.T) {
	w := newWorld(t)
	w.unknown()
	w.requests(1)
	w.known()
	w.requests(1)
}

func TestBadSignatureCausesNoFetch(t *testing.T) {
	w := newWorld(t)
	w.known()
	w.clock.advance(30 * time.Minute)
	value := bearer(compact(header("EdDSA", "ed").json(), goodClaims().json(), eddsa(must(newEd()))))
	for range 10 {
		wantRefused(t, w.verifier, value, "signature")
	}
	w.requests(1)
}

func TestRotatedKeyIsFoundWithoutWaitingForTheHour(t *testing.T) {
	w := newWorld(t)
	w.issuer.publish(jwks(jwk("old", edKey().Public())))
	wantAccepted(t, w.verifier, w.token("old"))
	w.issuer.publish(jwks(jwk("old", edKey().Public()), jwk("new", edKey().Public())))
	w.clock.advance(time.Minute)
	wantAccepted(t, w.verifier, w.token("new"))
	wantAccepted(t, w.verifier, w.token("old"))
	w.requests(2)
}

func TestRemovedKeyStopsWorking(t *testing.T) {
	t.Run("after an hour at the latest", func(t *testing.T) {
		w := newWorld(t)
		w.known()
		w.issuer.publish(jwks(jwk("rsa", rsaKey().Public())))
		w.clock.advance(time.Hour)
		wantRefused(t, w.verifier, w.token("ed"), "does not publish")
		w.requests(2)
	})
	t.Run("as soon as another key causes a fetch", func(t *testing.T) {
		w := newWorld(t)
		w.known()
		w.issuer.publish(jwks(jwk("rsa", rsaKey().Public())))
		w.clock.advance(time.Minute)
		w.unknown()
		wantRefused(t, w.verifier, w.token("ed"), "does not publish")
		w.requests(2)
	})
	t.Run("when it was the last one", func(t *testing.T) {
		w := newWorld(t)
		w.known()
		w.issuer.publish(`{"keys":[]}`)
		w.clock.advance(time.Hour)
		wantRefused(t, w.verifier, w.token("ed"), "does not publish")
	})
	t.Run("when its id now is another key's", func(t *testing.T) {
		w := newWorld(t)
		w.known()
		w.issuer.publish(jwks(jwk("ed", must(newEd()).Public())))
		w.clock.advance(time.Hour)
		wantRefused(t, w.verifier, w.token("ed"), "signature")
	})
}

func TestOutOfReachAtFirstUseIsUnavailableAndNotHammered(t *testing.T) {
	w := newWorld(t)
	w.issuer.fail()
	for range 100 {
		w.unavailable("ed", 5*time.Second)
	}
	w.requests(1)
	w.clock.advance(2 * time.Second)
	w.unavailable("ed", 3*time.Second)
	w.clock.advance(3*time.Second - time.Nanosecond)
	w.unavailable("ed", time.Second)
	w.requests(1)
	w.clock.advance(time.Nanosecond)
	w.unavailable("ed", 5*time.Second)
	w.requests(2)

	w.issuer.publish(goodKeys())
	w.clock.advance(5 * time.Second)
	w.known()
	w.requests(3)
}

func TestOutOfReachLaterKnownKeysWorkAndUnknownAreUnavailable(t *testing.T) {
	w := newWorld(t)
	w.known()
	w.issuer.fail()

	w.clock.advance(30 * time.Second)
	w.unknown() // the set is fresh enough to know that there is no such key
	w.clock.advance(30 * time.Second)
	w.unavailable("unknown", time.Minute)
	w.requests(2)
	w.known()
	w.clock.advance(20 * time.Second)
	w.unavailable("unknown", 40*time.Second)
	w.known()
	w.requests(2)

	// The outage lasts a day: a fetch a minute, and known keys go on working.
	w.clock.advance(24 * time.Hour)
	for range 10 {
		w.known()
		w.unavailable("unknown", time.Minute)
	}
	w.requests(3)
	w.clock.advance(time.Minute)
	w.known()
	w.requests(4)

	w.issuer.publish(goodKeys())
	w.clock.advance(time.Minute)
	w.known()
	w.unknown()
	w.requests(5)
}

func TestFailedFetchesAreReported(t *testing.T) {
	w := newWorld(t)
	w.known()
	w.issuer.fail()
	w.clock.advance(time.Hour)
	w.known() // the request is answered, but not in silence
	if got := w.failures.Load(); got != 1 {
		t.Errorf("%d failures were reported, want 1", got)
	}
	w.unavailable("unknown", time.Minute)
	w.clock.advance(time.Minute)
	w.known()
	if got := w.failures.Load(); got != 2 {
		t.Errorf("%d failures were reported, want 2", got)
	}
}

func TestAnswerThatIsNoKeySetKeepsKnownKeys(t *testing.T) {
	for name, document := range map[string]string{
		"not JSON":        "<html>maintenance</html>",
		"empty":           "",
		"an error object": `{"error":"down"}`,
		"keys null":       `{"keys":null}`,
		"keys a string":   `{"keys":"none"}`,
		"a list":          `[]`,
		"cut off":         goodKeys()[:len(goodKeys())-2],
		"huge":            goodKeys() + repeated(1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.known()
			w.issuer.publish(document)
			w.clock.advance(time.Hour)
			w.known()
			w.unavailable("unknown", time.Minute)
		})
	}
}

func TestClockSetBackDoesNotKeepOldKeys(t *testing.T) {
	w := newWorld(t)
	w.known()
	w.issuer.publish(`{"keys":[]}`)
	w.clock.advance(-30 * time.Second)
	wantRefused(t, w.verifier, w.token("ed"), "does not publish")
}

func TestConcurrentFirstUseIsOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.hold = make(chan struct{})
		var all sync.WaitGroup
		for i := range 100 {
			value := w.token([]string{"ed", "unknown"}[i%2])
			all.Go(func() {
				_, err := w.verifier.Principal(t.Context(), value)
				if known := i%2 == 0; known != (err == nil) {
					t.Errorf("known %t: got %v", known, err)
				}
			})
		}
		synctest.Wait() // all hundred wait for the one fetch
		w.requests(1)
		close(w.issuer.hold)
		all.Wait()
		w.requests(1)
	})
}

func TestConcurrentUseWhileKeysChange(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for round := range 20 {
				if i == 0 && round < 8 { // tokens last ten minutes
					w.clock.advance(time.Minute)
					w.issuer.publish(goodKeys())
				}
				kid := []string{"ed", "unknown"}[i%2]
				_, err := w.verifier.Principal(t.Context(), w.token(kid))
				if known := kid == "ed"; known != (err == nil) {
					t.Errorf("%s: got %v", kid, err)
				}
			}
		})
	}
	all.Wait()
}

func TestWaiterWhoseContextEndsStopsWaitingAloneAndTheFetchGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.hold = make(chan struct{})
		reason := errors.New("the caller went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		value := w.token("ed")

		var starter, follower error
		var all sync.WaitGroup
		all.Go(func() { _, starter = w.verifier.Principal(ctx, value) })
		synctest.Wait()
		all.Go(func() { _, follower = w.verifier.Principal(t.Context(), value) })
		synctest.Wait()

		cancel(reason)
		synctest.Wait()
		if wantError(t, starter, apikey.CodeUnavailable, "cannot be reached", value); !errors.Is(starter, reason) {
			t.Errorf("the cause is lost: %v", starter)
		}
		close(w.issuer.hold)
		all.Wait()
		if follower != nil {
			t.Errorf("the other caller got %v", follower)
		}
		w.requests(1)
	})
}

func TestSlowIssuerDoesNotStopKnownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.known()
		w.issuer.hold = make(chan struct{}) // never closed: every fetch times out
		w.clock.advance(time.Hour)

		// One whose own time is up before the fetch's still has its key.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.verifier.Principal(ctx, w.token("ed")); err != nil {
			t.Errorf("refused: %v", err)
		}
		began := time.Now()
		w.known() // waits for the rest of that fetch
		w.known() // does not wait: the next fetch is a minute away
		if took, want := time.Since(began), identity.FetchTimeout-time.Second; took != want {
			t.Errorf("it took %v, want %v", took, want)
		}
		w.requests(2)
	})
}
