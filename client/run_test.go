package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/client"
)

// cause is why the run's context ended, by the type of a client's error.
func cause[E error](t *testing.T, run *client.Run) E {
	t.Helper()
	found, ok := errors.AsType[E](context.Cause(run.Context()))
	if !ok {
		t.Fatalf("the context ended because of %v, want a %T", context.Cause(run.Context()), found)
	}
	return found
}

func mustRun(t *testing.T, run *client.Run) {
	t.Helper()
	if run.Context().Err() != nil {
		t.Fatalf("the job was stopped: %v", context.Cause(run.Context()))
	}
}

func TestRenewsAtEachThirdOfTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), 30*time.Minute)
		w.at(3 * time.Hour)
		mustRun(t, run)
		times := w.times("POST", renewals)
		for i, at := range times {
			if want := time.Duration(i+1) * 10 * time.Minute; at != want {
				t.Errorf("renewal %d at %s, want %s", i, at, want)
			}
		}
		if len(times) != 18 {
			t.Errorf("%d renewals in three hours, want 18", len(times))
		}
		if runs := w.service.Runs(); len(runs) != 1 || runs[0].LeaseExpiresAt.Sub(w.began) != 3*time.Hour+30*time.Minute {
			t.Errorf("the service has %+v", runs)
		}
	})
}

func TestALeaseIsAnHourUnlessTheRequestSays(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start(t.Context(), 0)
		w.at(20 * time.Minute)
		if times := w.times("POST", renewals); !slices.Equal(times, []time.Duration{20 * time.Minute}) {
			t.Errorf("renewed at %v", times)
		}
		for _, request := range w.service.Requests() {
			if !strings.Contains(request.Body, `"leaseSeconds":3600`) {
				t.Errorf("%s leaves the lease to the deployment: %s", request.Path, request.Body)
			}
		}
	})
}

func TestADeletionStopsTheJobAtTheNextRenewal(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		key := w.ada.Active()
		run := w.start(t.Context(), time.Hour)
		w.at(25 * time.Minute)
		w.ada.DeleteAll()
		w.at(40*time.Minute - 1)
		mustRun(t, run)
		w.at(40 * time.Minute)
		refused := cause[*client.RefusedError](t, run)
		if refused.Decision.Allowed || refused.Decision.Reason != client.KeyDeleted || refused.Decision.Key.ID != key.ID {
			t.Errorf("the cause carries %+v", refused.Decision)
		}
		if got := run.Decision().Reason; got != client.KeyDeleted {
			t.Errorf("the run's decision is %s", got)
		}
	})
}

func TestARotationDoesNotStopTheJob(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		old := w.ada.Active()
		run := w.start(t.Context(), time.Hour)
		w.ada.Rotate()
		w.at(5 * time.Hour)
		mustRun(t, run)
		w.ada.Delete(old.ID)
		w.at(6 * time.Hour)
		if reason := cause[*client.RefusedError](t, run).Decision.Reason; reason != client.KeyDeleted {
			t.Errorf("stopped because of %s", reason)
		}
	})
}

// The service's clock may show anything.
func TestAClockOfTheServiceThatIsWrongStopsNoJobAndProlongsNone(t *testing.T) {
	for _, skew := range []time.Duration{-30 * time.Hour, 30 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.service.SetClock(func() time.Time { return time.Now().Add(skew) })
				run := w.start(t.Context(), time.Hour)
				w.at(10 * time.Hour)
				mustRun(t, run)
				w.service.SetUnreachable(true)
				w.at(11*time.Hour - 1)
				mustRun(t, run)
				w.at(11 * time.Hour)
				_ = cause[*client.LeaseLostError](t, run)
			})
		})
	}
}

// An answer that took long is about a lease that began long ago.
func TestALeaseCountsFromWhenTheRequestWasSent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		slow := func(http.ResponseWriter, *http.Request) bool {
			<-time.After(20 * time.Second)
			return false
		}
		w.service.Intercept(slow)
		run := w.start(t.Context(), time.Hour)
		if waited := time.Since(w.began); waited != 20*time.Second {
			t.Fatalf("the start took %s", waited)
		}
		w.at(21 * time.Minute) // the renewal of 20 min is answered
		w.service.SetUnreachable(true)
		w.at(80*time.Minute - 1)
		mustRun(t, run)
		w.at(80 * time.Minute)
		_ = cause[*client.LeaseLostError](t, run)
		if times := w.times("POST", renewals); times[0] != 20*time.Minute {
			t.Errorf("renewed at %v", times[0])
		}
	})
}

// A token source is the runner's own code, and may be wrong.
func TestATokenSourceThatNeverReturnsProlongsNoLease(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		asked := false
		config := w.service.Config()
		config.Tokens = client.TokenFunc(func(context.Context, string) (string, error) {
			if asked {
				<-release
			}
			asked = true
			return "token-1", nil
		})
		w.client = newClient(t, config)
		run := w.start(t.Context(), time.Hour)
		w.at(time.Hour - 1)
		mustRun(t, run)
		w.at(time.Hour)
		_ = cause[*client.LeaseLostError](t, run)
		if err := run.Close(); err == nil || time.Since(w.began) > time.Hour+10*time.Second {
			t.Errorf("Close answered %v after %s", err, time.Since(w.began)-time.Hour)
		}
		close(release)
		synctest.Wait()
	})
}

func TestARefusalAtTheStartIsNoRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		old := w.ada.Active()
		w.ada.Rotate()
		run, err := w.client.StartRun(t.Context(), byCredential(old.Credential))
		refused, ok := errors.AsType[*client.RefusedError](err)
		if run != nil || !ok || refused.Decision.Reason != client.KeyPhasedOut || refused.Decision.Key.ID != old.ID {
			t.Errorf("got %v, %v", run, err)
		}
		if want := "user API key service: the job must not run: key_phased_out"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
		if runs := w.service.Runs(); len(runs) != 0 {
			t.Errorf("the service has %v", runs)
		}
	})
}

// The request is sent again when the service has forgotten the run.
func TestARunKeepsItsOwnRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		request := w.adasJob()
		run, err := w.client.StartRun(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		*request.Owner = *w.service.AddOwner("acme", "IBMid-2").Ref()
		w.service.ForgetRuns()
		w.at(30 * time.Minute)
		if got := run.Decision().Owner.IAMID; got != "IBMid-1" {
			t.Errorf("it runs for %s now", got)
		}
		_ = run.Close()
	})
}

// That is how a runner that was restarted takes over.
func TestTheSameRunIDIsTheSameRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		request := w.adasJob()
		request.RunID = "run-1"
		for range 2 {
			run, err := w.client.StartRun(t.Context(), request)
			if err != nil || run.ID() != "run-1" {
				t.Fatal(run.ID(), err)
			}
			t.Cleanup(func() { _ = run.Close() })
		}
		if other := w.start(t.Context(), 0); other.ID() == "" || other.ID() == "run-1" {
			t.Errorf("a run without an id got %q", other.ID())
		}
		if runs := w.service.Runs(); len(runs) != 2 || runs[0].RunID != "run-1" {
			t.Errorf("the service has %+v", runs)
		}
	})
}

func TestARunThatTheServiceForgotIsAuthorizedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), time.Hour)
		first := run.Decision().Run.Ref
		w.service.ForgetRuns()
		w.ada.Rotate()
		w.at(21 * time.Minute)
		mustRun(t, run)
		runs := w.service.Runs()
		if len(runs) != 1 || runs[0].RunID != run.ID() || runs[0].Ref == first || runs[0].KeyID != w.ada.Active().ID {
			t.Fatalf("the service has %+v", runs)
		}
		w.at(41 * time.Minute)
		if renewed := w.service.Runs()[0].Renewals; renewed != 1 {
			t.Errorf("the new run was renewed %d times", renewed)
		}
		if err := run.Close(); err != nil || w.service.Runs()[0].EndedAt.IsZero() {
			t.Errorf("the new run was not ended: %v", err)
		}
	})
}

func TestARunThatTheServiceForgotEndsWhenItsRequestIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		old := w.ada.Active()
		run, err := w.client.StartRun(t.Context(), byCredential(old.Credential))
		if err != nil {
			t.Fatal(err)
		}
		w.ada.Rotate()
		w.service.ForgetRuns()
		w.at(20 * time.Minute)
		if reason := cause[*client.RefusedError](t, run).Decision.Reason; reason != client.KeyPhasedOut {
			t.Errorf("stopped because of %s", reason)
		}
		if err := run.Close(); err != nil {
			t.Errorf("a run that the service does not know is over: %v", err)
		}
	})
}

func TestAForgottenRunIsTriedUntilTheLeaseEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), time.Hour)
		w.service.ForgetRuns()
		w.on(authorizations, breaks)
		w.at(time.Hour - 1)
		mustRun(t, run)
		w.at(time.Hour)
		if lost := cause[*client.LeaseLostError](t, run); !strings.Contains(lost.Error(), "authorize: unreachable") {
			t.Errorf("lost because of %v", lost)
		}
	})
}
