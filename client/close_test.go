package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/client"
)

func (w *world) ends() int { return len(w.times("DELETE", "")) }

func TestCloseEndsTheRunOnceHoweverOftenItIsCalled(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), time.Hour)
		w.at(30 * time.Minute)
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				if err := run.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if err := run.Close(); err != nil || w.ends() != 1 {
			t.Errorf("%d requests to end the run; %v", w.ends(), err)
		}
		if cause := context.Cause(run.Context()); !errors.Is(cause, client.ErrRunClosed) {
			t.Errorf("the context ended because of %v", cause)
		}
		if ended := w.service.Runs()[0].EndedAt.Sub(w.began); ended != 30*time.Minute {
			t.Errorf("the service's run ended after %s", ended)
		}
		before := len(w.service.Requests())
		w.at(10 * time.Hour)
		if after := len(w.service.Requests()); after != before {
			t.Errorf("%d requests after Close", after-before)
		}
	})
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	for name, outage := range map[string]http.HandlerFunc{"reachable": nil, "broken": breaks, "hanging": hangs} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				run := w.start(t.Context(), time.Hour)
				synctest.Wait() // for the goroutine to begin
				if goroutinesOfRuns() == 0 {
					t.Fatal("this test does not see the run's goroutine")
				}
				if outage != nil {
					w.on("", outage)
				}
				w.at(20*time.Minute + 5*time.Second)
				_ = run.Close()
				synctest.Wait()
				if left := goroutinesOfRuns(); left != 0 {
					t.Errorf("%d goroutines are left", left)
				}
			})
		})
	}
}

// watch tells when the run is ended while another request is under way.
type watch struct {
	http.RoundTripper
	underWay atomic.Int32
	overtook atomic.Bool
}

func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.underWay.Add(1) > 1 && r.Method == http.MethodDelete {
		w.overtook.Store(true)
	}
	defer w.underWay.Add(-1)
	return w.RoundTripper.RoundTrip(r)
}

// Or else the renewal could record the run again after its end.
func TestCloseDuringARenewalEndsTheRunAfterIt(t *testing.T) {
	for name, hanging := range map[string]string{"a renewal": renewals, "an authorization instead of one": authorizations} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) { closeWhile(t, w, hanging) })
		})
	}
}

func closeWhile(t *testing.T, w *world, hanging string) {
	config := w.service.Config()
	watch := &watch{RoundTripper: config.Transport}
	config.Transport = watch
	w.client = newClient(t, config)
	run := w.start(t.Context(), time.Hour)
	w.service.Intercept(func(response http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, hanging):
			hangs(response, r)
		case strings.HasSuffix(r.URL.Path, renewals):
			says(404, asProblem, problem("run_not_found"))(response, r)
		default:
			return false
		}
		return true
	})
	w.at(20*time.Minute + time.Second)
	if watch.underWay.Load() != 1 {
		t.Fatal("nothing is under way")
	}
	if err := run.Close(); err != nil || w.ends() != 1 {
		t.Errorf("%d requests to end the run; %v", w.ends(), err)
	}
	if took := time.Since(w.began) - 20*time.Minute - time.Second; took != 0 {
		t.Errorf("Close waited %s for the renewal", took)
	}
	if watch.overtook.Load() {
		t.Error("the end overtook the renewal")
	}
	if cause := context.Cause(run.Context()); !errors.Is(cause, client.ErrRunClosed) {
		t.Errorf("the context ended because of %v", cause)
	}
}

func TestCloseDoesNotWaitLongForAServiceThatDoesNotAnswer(t *testing.T) {
	for name, outage := range map[string]http.HandlerFunc{
		"broken": breaks, "hanging": hangs, "unavailable": says(503, asProblem, problem("unavailable"), "Retry-After", "20"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				run := w.start(t.Context(), time.Hour)
				w.on("", outage)
				err := run.Close()
				if failure, ok := errors.AsType[*client.Error](err); !ok || failure.Op != "end run" {
					t.Errorf("Close answered %v", err)
				}
				if took := time.Since(w.began); took > 6*time.Second {
					t.Errorf("Close took %s", took)
				}
				if again := run.Close(); !errors.Is(again, err) {
					t.Errorf("Close again answered %v", again)
				}
			})
		})
	}
}

func TestCloseTriesAgainToEndTheRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), time.Hour)
		w.on("", func(http.ResponseWriter, *http.Request) {
			w.service.Intercept(nil)
			panic(http.ErrAbortHandler)
		})
		if err := run.Close(); err != nil || w.service.Runs()[0].EndedAt.IsZero() {
			t.Errorf("Close answered %v", err)
		}
	})
}

func TestCloseAlsoEndsARunThatWasStopped(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), time.Hour)
		w.ada.DeleteAll()
		w.at(time.Hour)
		_ = cause[*client.RefusedError](t, run)
		if err := run.Close(); err != nil || w.service.Runs()[0].EndedAt.IsZero() {
			t.Errorf("Close answered %v", err)
		}
		_ = cause[*client.RefusedError](t, run) // and not that it was closed
	})
}

func TestTheCallersContextEndsTheRunsAndItsRenewals(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		shutdown := errors.New("the machine goes down")
		type name struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), name{}, "value"))
		run := w.start(ctx, time.Hour)
		if run.Context().Value(name{}) != "value" {
			t.Error("the run's context lacks the caller's values")
		}
		w.at(30 * time.Minute)
		cancel(shutdown)
		synctest.Wait()
		if got := context.Cause(run.Context()); !errors.Is(got, shutdown) {
			t.Errorf("the context ended because of %v", got)
		}
		if left := goroutinesOfRuns(); left != 0 {
			t.Errorf("%d goroutines are left although nobody called Close", left)
		}
		if w.ends() != 0 {
			t.Error("the run was ended before the job was")
		}
		w.at(31 * time.Minute)
		if err := run.Close(); err != nil || w.ends() != 1 || w.service.Runs()[0].EndedAt.IsZero() {
			t.Errorf("Close after that answered %v", err)
		}
	})
}
