package sweep_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/awstest"
)

// restoredWorld has so many users who created a key before the backup and rotated
// since, on a table that was restored.
func restoredWorld(t *testing.T, users int) (w *world, to time.Time) {
	w = newWorld(t)
	for n := range users {
		w.create(userN(n))
	}
	pass(time.Hour)
	to = time.Now()
	restore := w.table.Backup()
	pass(time.Hour)
	for n := range users {
		w.rotate(userN(n))
	}
	restore()
	return w, to
}

// A restore has more owners than fit into one invocation: it stops in time, and
// goes on from where it was.
func TestARestoreGoesOnWhereItsTimeRanOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users, limit = 60, 15 * time.Minute
		w, to := restoredWorld(t, users)
		w.table.SetPageBytes(5000)
		wanted := sweep.Restore{To: to, Apply: true}
		var sum sweep.AfterRestoring
		runs := 0
		for first := true; first || wanted.Cursor != ""; first = false {
			p := w.start(ofDeployment)
			p.onAll(func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
				pass(10 * time.Second)
				return next()
			})
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			done, err := p.AfterRestore(ctx, wanted)
			if err != nil || ctx.Err() != nil || done.Failed != 0 {
				t.Fatalf("run %d: %+v, %v, %v", runs, done, err, ctx.Err())
			}
			cancel()
			sum.Rings, sum.PhasedOut = sum.Rings+done.Rings, sum.PhasedOut+done.PhasedOut
			wanted.Cursor = ""
			if done.NextCursor != nil {
				wanted.Cursor = *done.NextCursor
			}
			runs++
		}
		if sum != (sweep.AfterRestoring{Rings: users, PhasedOut: users}) || runs < 2 {
			t.Errorf("%d runs did %+v", runs, sum)
		}
		w.wantAgreement()
	})
}

// One owner whose secrets cannot be read is told of, and keeps nobody else waiting.
func TestARestoreTellsWhatItCouldNotCompare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, to := restoredWorld(t, 5)
		p := w.start(ofDeployment)
		failing := true
		p.secrets.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if failing && call.Operation == "ListSecrets" {
				failing = false
				return awstest.Answer(http.StatusBadRequest, map[string]string{"__type": "AccessDeniedException"}), nil
			}
			return next()
		})
		done, err := p.AfterRestore(t.Context(), sweep.Restore{To: to, Apply: true})
		if want := (sweep.AfterRestoring{Rings: 5, PhasedOut: 4, Failed: 1}); err != nil || done != want {
			t.Errorf("it did %+v, %v", done, err)
		}
		again, err := p.AfterRestore(t.Context(), sweep.Restore{To: to, Apply: true})
		if want := (sweep.AfterRestoring{Rings: 5, PhasedOut: 1}); err != nil || again != want {
			t.Errorf("once more, it did %+v, %v", again, err)
		}
	})
}

// Without an instant, or with one that is to come, nobody knows what was restored.
func TestARestoreWantsTheInstantInThePast(t *testing.T) {
	w := newWorld(t)
	w.create(userN(0))
	for name, wanted := range map[string]sweep.Restore{
		"none":          {Apply: true},
		"to come":       {To: time.Now().Add(time.Hour), Apply: true},
		"a bad cursor":  {To: time.Now().Add(-time.Hour), Cursor: "?"},
		"a torn cursor": {To: time.Now().Add(-time.Hour), Cursor: "eA"},
	} {
		_, err := w.start(ofDeployment).Handle(t.Context(), sweep.Input{Restore: &wanted})
		if refusal, refused := errors.AsType[messages.InvokeResponse_Error](err); !refused || refusal.Type != "invalid_request" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ring := w.ring(userN(0)); ring.Revision != 1 {
		t.Errorf("the ring is at revision %d", ring.Revision)
	}
}
