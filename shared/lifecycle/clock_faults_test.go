package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// chore is something that the clock or an administrator does, until it is done.
type chore struct {
	given func(*world)
	do    func(context.Context, *world) error
	// done tells what is wrong once it was done without a fault in its way.
	done func(*world) error
}

// revisionIs wants so many changes: one more would be a second rotation, say.
func revisionIs(want int64, right func(apikey.Ring) bool) func(*world) error {
	return func(w *world) error {
		if ring := w.ring(); ring.Revision != want || !right(ring) {
			return fmt.Errorf("want revision %d; the ring is %+v", want, ring)
		}
		return w.secretAgrees()
	}
}

var chores = map[string]chore{
	"rotate what is due": {
		given: func(w *world) { w.create(); w.inDays(90) },
		do: func(ctx context.Context, w *world) error {
			// The sweep finds out anew what is due.
			ring, err := w.Rings.Ring(ctx, w.owner.Locator())
			if err != nil {
				return err
			}
			_, err = w.RotateDue(ctx, w.byTheClock(), ofDeployment, ring.Active.ID)
			return err
		},
		done: revisionIs(2, func(ring apikey.Ring) bool { return ring.Active != nil && len(ring.PhasedOut) == 1 }),
	},
	"delete what is unused": {
		given: func(w *world) { w.create(); w.rotate(); w.inDays(31) },
		do: func(ctx context.Context, w *world) error {
			ring, err := w.Rings.Ring(ctx, w.owner.Locator())
			if err != nil || len(ring.PhasedOut) == 0 {
				return err
			}
			_, err = w.DeleteUnused(ctx, w.byTheClock(), ofDeployment, ring.PhasedOut[0].ID)
			return err
		},
		done: revisionIs(3, func(ring apikey.Ring) bool { return ring.Active != nil && len(ring.PhasedOut) == 0 }),
	},
	"suspend": {
		given: func(w *world) { w.create(); w.bind("nightly", w.ring().Active.ID); w.rotate() },
		do: func(ctx context.Context, w *world) error {
			_, err := w.Suspend(ctx, w.byAdministrator("delivery-1"))
			return err
		},
		done: revisionIs(4, func(ring apikey.Ring) bool { return ring.Suspended && ring.Active == nil && len(ring.PhasedOut) == 0 }),
	},
	"reinstate": {
		given: func(w *world) { w.create(); w.suspend("") },
		do: func(ctx context.Context, w *world) error {
			_, err := w.Reinstate(ctx, w.byAdministrator("delivery-1"))
			return err
		},
		done: revisionIs(3, func(ring apikey.Ring) bool { return !ring.Suspended }),
	},
}

var errKilled = errors.New("the process is no more (injected)")

// mishaps are what can become of one remote call. kill takes all that follow with
// it.
var mishaps = map[string]func(kill func()) awstest.Fault{
	"never arrives": func(func()) awstest.Fault { return awstest.Reset },
	"answer lost":   func(func()) awstest.Fault { return awstest.LoseAnswer },
	"server error":  func(func()) awstest.Fault { return awstest.Refuse(500, "InternalServerError") },
	"access denied": func(func()) awstest.Fault { return awstest.Refuse(400, "AccessDeniedException") },
	"throttled":     func(func()) awstest.Fault { return awstest.Refuse(400, "ThrottlingException") },
	"killed before it": func(kill func()) awstest.Fault {
		return func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
			kill()
			return nil, errKilled
		}
	},
	"killed after it": func(kill func()) awstest.Fault {
		return func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			response, err := next()
			if err == nil {
				_ = response.Body.Close()
			}
			kill()
			return nil, errKilled
		}
	},
}

// atCall meets the n-th remote call, whichever service it is for, and passes it to
// the mishap.
func (w *world) atCall(n int, mishap func(kill func()) awstest.Fault, cancel func()) (calls *int) {
	calls = new(int)
	killed := false
	fault := mishap(func() { killed = true; cancel() })
	inject := func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		*calls++
		switch {
		case killed:
			return nil, errKilled
		case *calls == n:
			return fault(call, next)
		}
		return next()
	}
	w.table.Transport.SetFault(inject)
	w.secrets.Transport.SetFault(inject)
	return calls
}

// Whatever becomes of one of its remote calls, what is done again is done once:
// no key is lost and none made twice, and repair brings the secret to the ring.
func TestChoresThatFailHalfWayAreDoneOnceByTheNextTry(t *testing.T) {
	for name, c := range chores {
		for mishapName, mishap := range mishaps {
			t.Run(name+"/"+mishapName, func(t *testing.T) {
				awstest.AtEachCall(t, func(t *testing.T, n int) bool { return failedAt(t, c, n, mishap) })
			})
		}
	}
}

func failedAt(t *testing.T, c chore, n int, mishap func(kill func()) awstest.Fault) (met bool) {
	w := newWorld(t)
	c.given(w)
	w.noFaults()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := w.atCall(n, mishap, cancel)
	firstErr := c.do(ctx, w)
	met = *calls >= n
	w.noFaults()
	if code := apikey.CodeOf(firstErr); code != "" && code != apikey.CodeUnavailable {
		t.Errorf("the first try: %v", firstErr)
	}
	if !met && firstErr != nil {
		t.Errorf("without a mishap: %v after %d calls", firstErr, *calls)
	}
	if err := c.do(t.Context(), w); err != nil {
		t.Errorf("the second try: %v", err)
	}
	w.repair()
	if err := c.done(w); err != nil {
		t.Error(err)
	}
	return met
}
