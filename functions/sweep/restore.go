package sweep

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/telemetry"
)

const (
	// restoredAtOnce bounds how many owners are compared at a time: each takes one of
	// the 100 ListSecrets a second that a Region has.
	restoredAtOnce = 4
	// restoreReserve is the time that a page of rings may take.
	restoreReserve = 3 * time.Minute
)

// Restore asks to bring every ring's keys to what the secrets show, after the table
// was restored to an instant.
type Restore struct {
	// To is the instant that the table was restored to.
	To time.Time
	// Apply makes the changes; without it, it is only told what they would be.
	Apply bool
	// Cursor is where to go on: the NextCursor of the answer before.
	Cursor string
}

// AfterRestoring is what became of it.
type AfterRestoring struct {
	// Rings are those with keys, or without, that were looked at.
	Rings     int64 `json:"rings"`
	PhasedOut int64 `json:"phasedOut"`
	Deleted   int64 `json:"deleted"`
	// Failed are the rings that are not known to be right: the log has why.
	Failed int64 `json:"failed"`
	// NextCursor is where to go on; null when all is done.
	NextCursor *string `json:"nextCursor"`
}

// operator is who changes keys here.
var operator = apikey.Actor{Kind: apikey.ActorOperator, ID: "restore"}

// AfterRestore looks at every ring, until all is done or time is short. It may be
// asked for again whatever became of it. Errors: invalid_request, unavailable.
func (s *Sweep) AfterRestore(ctx context.Context, wanted Restore) (answer AfterRestoring, err error) {
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	defer func() {
		switch {
		case recover() != nil:
			answer, err = AfterRestoring{}, httpapi.Panicked(ctx, s.Log)
		case err != nil:
			s.Log.WarnContext(ctx, "the restore stopped", "error", err)
			answer, err = AfterRestoring{}, httpapi.InvocationError(err)
		}
	}()
	if wanted.To.IsZero() || wanted.To.After(s.Now()) {
		return answer, apikey.Invalid("restore.to", "must be the instant in the past that the table was restored to")
	}
	r := restoring{Sweep: s, wanted: wanted, correlationID: telemetry.InvocationID(ctx)}
	for cursor := wanted.Cursor; ; {
		found, next, err := s.Keys.Rings.Rings(ctx, cursor)
		if err != nil {
			return answer, err
		}
		r.page(ctx, found)
		answer.Rings, answer.PhasedOut, answer.Deleted, answer.Failed = r.rings.Load(), r.phasedOut.Load(), r.deleted.Load(), r.failed.Load()
		if next == "" {
			break
		}
		if deadline, limited := ctx.Deadline(); limited && deadline.Sub(s.Now()) < restoreReserve {
			answer.NextCursor = &next
			break
		}
		cursor = next
	}
	s.Log.InfoContext(ctx, "compared with the secrets", "apply", wanted.Apply, "rings", answer.Rings,
		"phasedOut", answer.PhasedOut, "deleted", answer.Deleted, "failed", answer.Failed, "done", answer.NextCursor == nil)
	return answer, nil
}

// restoring is one invocation.
type restoring struct {
	*Sweep
	wanted        Restore
	correlationID string

	rings, phasedOut, deleted, failed atomic.Int64
}

// page looks at the rings of a page, several at a time. What fails is counted, and
// does not keep the others from being looked at.
func (r *restoring) page(ctx context.Context, found []store.FoundRing) {
	var group sync.WaitGroup
	places := make(chan struct{}, restoredAtOnce)
	for _, f := range found {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			r.ring(ctx, f)
		})
	}
	group.Wait()
}

func (r *restoring) ring(ctx context.Context, f store.FoundRing) {
	defer func() {
		if recover() != nil {
			_ = httpapi.Panicked(ctx, r.Log)
			r.failed.Add(1)
		}
	}()
	r.rings.Add(1)
	err := f.Err
	if err == nil {
		request := apikey.ChangeRequest{Owner: f.Ring.Owner, Actor: operator, CorrelationID: r.correlationID}
		var done lifecycle.Restored
		done, err = r.Keys.AfterRestore(ctx, request, r.wanted.To, r.wanted.Apply)
		r.phasedOut.Add(int64(done.PhasedOut))
		r.deleted.Add(int64(done.Deleted))
	}
	if err != nil {
		r.failed.Add(1)
		r.Log.WarnContext(ctx, "not compared with its secrets; do it again", "owner", f.Locator.String(), "code", string(apikey.CodeOf(err)), "error", err)
	}
}
