package lifecycle

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/parallel"
	"github.com/userapikey/service/shared/store"
)

// restoredAtOnce bounds how many owners are compared at a time: each takes one of
// the 100 ListSecrets a second that a Region has.
const restoredAtOnce = 4

// AllRestored is what a restore came to for all owners.
type AllRestored struct {
	// Rings are how many were looked at, PhasedOut and Deleted how many keys were, or
	// would be.
	Rings, PhasedOut, Deleted int64
	// Failed are the rings that are not known to be right: the log has why.
	Failed int64
}

// AfterRestoreOfAll is AfterRestore for every ring of the table. What fails is
// counted, and does not keep the others from being looked at; asked for again, it
// does what is left. progress is told after each page. Errors: unavailable.
func (s *Service) AfterRestoreOfAll(
	ctx context.Context, actor apikey.Actor, restoredTo time.Time, apply bool, progress func(AllRestored),
) (AllRestored, error) {
	r := restoring{Service: s, actor: actor, to: restoredTo, apply: apply}
	for cursor, first := "", true; first || cursor != ""; first = false {
		found, next, err := s.Rings.Rings(ctx, cursor)
		if err != nil {
			return r.all(), err
		}
		r.page(ctx, found)
		progress(r.all())
		cursor = next
	}
	return r.all(), nil
}

type restoring struct {
	*Service
	actor apikey.Actor
	to    time.Time
	apply bool

	rings, phasedOut, deleted, failed atomic.Int64
}

func (r *restoring) all() AllRestored {
	return AllRestored{Rings: r.rings.Load(), PhasedOut: r.phasedOut.Load(), Deleted: r.deleted.Load(), Failed: r.failed.Load()}
}

// page looks at the rings of a page, several at a time.
func (r *restoring) page(ctx context.Context, found []store.FoundRing) {
	parallel.Each(restoredAtOnce, found, func(f store.FoundRing) {
		r.rings.Add(1)
		if err := r.ring(ctx, f); err != nil {
			r.failed.Add(1)
			r.Log.WarnContext(ctx, "not compared with its secrets; do it again",
				"owner", f.Locator.String(), "code", string(apikey.CodeOf(err)), "error", err)
		}
	})
}

func (r *restoring) ring(ctx context.Context, f store.FoundRing) error {
	if f.Err != nil {
		return f.Err
	}
	// Each change is traced to the restore that made it.
	request := apikey.ChangeRequest{
		Owner: f.Ring.Owner, Actor: r.actor, CorrelationID: fmt.Sprintf("restore to %s", r.to.UTC().Format(time.RFC3339)),
	}
	done, err := r.AfterRestore(ctx, request, r.to, r.apply)
	r.phasedOut.Add(int64(done.PhasedOut))
	r.deleted.Add(int64(done.Deleted))
	return err
}
