// Package sweep is the clock: it rotates keys that are due, announces those that
// soon will be, deletes Phased out keys whose time is over, and removes secrets
// that nobody can use.
package sweep

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/parallel"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/telemetry"
)

const (
	// ringsAtOnce bounds how many owners are looked after at a time. What paces
	// their changes is Secrets Manager's quota.
	ringsAtOnce = 8
	// reserve is what is kept of the function's time: nothing is begun in it.
	reserve = 20 * time.Second
)

// Sweep looks after all rings.
type Sweep struct {
	Keys *lifecycle.Service
	// Deployment is the policy of owners who have none of their own.
	Deployment apikey.RotationPolicy
	Now        func() time.Time
	Log        *slog.Logger
}

// Counts are what a run did.
type Counts struct {
	Rotated   int64 `json:"rotated"`
	Announced int64 `json:"announced"`
	Deleted   int64 `json:"deleted"`
	Removed   int64 `json:"removed"`
	Failed    int64 `json:"failed"`
	// LeftOver is 1 when time ran out before all was done; the next run goes on.
	LeftOver int64 `json:"leftOver"`
}

// errOutOfTime ends a run; what is left over is still due at the next.
var errOutOfTime = errors.New("out of time")

// Handle does what is due, by its own clock. It may run twice at once, die
// half-way or run late: every step looks at the ring as it is.
func (s *Sweep) Handle(ctx context.Context) (counts Counts, err error) {
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = httpapi.Panicked(ctx, s.Log)
		}
	}()
	run := &run{Sweep: s, correlationID: telemetry.InvocationID(ctx)}
	err = run.all(ctx)
	if err == nil {
		err = run.secrets(ctx)
	}
	counts = run.counts()
	if errors.Is(err, errOutOfTime) {
		counts.LeftOver, err = 1, nil
	}
	s.Log.InfoContext(ctx, "swept", "rotated", counts.Rotated, "announced", counts.Announced, "deleted", counts.Deleted,
		"removed", counts.Removed, "failed", counts.Failed, "leftOver", counts.LeftOver)
	return counts, err
}

// run is one run of the sweep.
type run struct {
	*Sweep
	correlationID string

	rotated, announced, deleted, removed, failed atomic.Int64
}

func (r *run) counts() Counts {
	return Counts{
		Rotated: r.rotated.Load(), Announced: r.announced.Load(), Deleted: r.deleted.Load(), Removed: r.removed.Load(), Failed: r.failed.Load(),
	}
}

// all looks after the rings that may have something due: those with a policy of
// their own, and those under the deployment's.
func (r *run) all(ctx context.Context) error {
	now := r.Now()
	err := r.Keys.Rings.DueRings(ctx, store.DueByOwnPolicy, now, func(found []store.FoundRing) error {
		return r.page(ctx, found)
	})
	if err != nil || r.Deployment.IsOff() {
		return err
	}
	return r.Keys.Rings.DueRings(ctx, store.DueByDefault, now.Add(-r.Deployment.SoonestAge()), func(found []store.FoundRing) error {
		return r.page(ctx, found)
	})
}

// page looks after the rings of a page, several at a time.
func (r *run) page(ctx context.Context, found []store.FoundRing) error {
	if err := r.announce(ctx, found); err != nil {
		return err
	}
	return each(ctx, r, found, func(f store.FoundRing) { r.ring(ctx, f) })
}

// each does the work for all, several at a time, and begins nothing when time is
// short.
func each[T any](ctx context.Context, r *run, all []T, work func(T)) error {
	var late atomic.Bool
	parallel.Each(ringsAtOnce, all, func(one T) {
		if r.outOfTime(ctx) {
			late.Store(true)
			return
		}
		work(one)
	})
	if late.Load() {
		return errOutOfTime
	}
	return nil
}

func (r *run) outOfTime(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && deadline.Sub(r.Now()) < reserve
}

// recoverRing turns a panic into a failure of what it met.
func (r *run) recoverRing(ctx context.Context) {
	if recover() != nil {
		_ = httpapi.Panicked(ctx, r.Log)
		r.failed.Add(1)
	}
}

// ring does what is due about one ring. What fails is logged and counted, and
// still due at the next run.
func (r *run) ring(ctx context.Context, f store.FoundRing) {
	defer r.recoverRing(ctx)
	if f.Err != nil {
		r.fail(ctx, f.Locator, f.Err)
		return
	}
	due := f.Ring.DueUnder(r.Deployment, r.Now())
	// Deletions come first: they make room for the key that a rotation phases out.
	for _, id := range due.Deletions {
		r.delete(ctx, f.Ring, id)
	}
	if due.Rotation {
		r.rotate(ctx, f.Ring)
	}
}

// rotate rotates the ring's Active key.
func (r *run) rotate(ctx context.Context, ring apikey.Ring) {
	rotated, err := r.Keys.RotateDue(ctx, r.request(ring), r.Deployment, ring.Active.ID)
	switch {
	case err != nil:
		r.fail(ctx, ring.Owner.Locator(), err)
		r.announceFailure(ctx, ring, err)
	case rotated:
		r.rotated.Add(1)
	}
}

// announceFailure tells, once a day, that a key that is due was not rotated: not
// of one that was rotated after all, when a commit's answer was lost.
func (r *run) announceFailure(ctx context.Context, found apikey.Ring, err error) {
	ring, readErr := r.Keys.Rings.Ring(ctx, found.Owner.Locator())
	switch {
	case readErr != nil:
		r.fail(ctx, found.Owner.Locator(), readErr)
		return
	case ring.Active == nil || ring.Active.ID != found.Active.ID:
		return
	}
	if _, err := r.Keys.Rings.Announce(ctx, ring.RotationFailed(r.request(ring).Command(r.Now()), apikey.CodeOf(err))); err != nil {
		r.fail(ctx, ring.Owner.Locator(), err)
	}
}

// delete deletes a Phased out key that no running operation holds.
func (r *run) delete(ctx context.Context, ring apikey.Ring, id apikey.KeyID) {
	deleted, err := r.Keys.DeleteUnused(ctx, r.request(ring), r.Deployment, id)
	switch {
	case err != nil:
		r.fail(ctx, ring.Owner.Locator(), err)
	case deleted:
		r.deleted.Add(1)
	}
}

// announce tells, once for each key, that its rotation is due.
func (r *run) announce(ctx context.Context, found []store.FoundRing) error {
	var coming []apikey.Ring
	for _, f := range found {
		if f.Err == nil && f.Ring.DueUnder(r.Deployment, r.Now()).Notice {
			coming = append(coming, f.Ring)
		}
	}
	pending, err := r.Keys.Rings.NotYetAnnounced(ctx, coming)
	if err != nil {
		return err
	}
	for _, ring := range pending {
		if r.outOfTime(ctx) {
			return errOutOfTime
		}
		due := ring.DueUnder(r.Deployment, r.Now())
		announced, err := r.Keys.Rings.Announce(ctx, ring.RotationDue(r.request(ring).Command(r.Now()), due.RotationAt))
		switch {
		case err != nil:
			r.fail(ctx, ring.Owner.Locator(), err)
		case announced:
			r.announced.Add(1)
		}
	}
	return nil
}

// actor is who changes keys here.
var actor = apikey.Actor{Kind: apikey.ActorSchedule, ID: "sweep"}

func (r *run) request(ring apikey.Ring) apikey.ChangeRequest {
	return apikey.ChangeRequest{Owner: ring.Owner, Actor: actor, CorrelationID: r.correlationID}
}

func (r *run) fail(ctx context.Context, owner apikey.Locator, err error) {
	r.failed.Add(1)
	r.Log.WarnContext(ctx, "not done; it is still due", "owner", owner.String(), "code", string(apikey.CodeOf(err)), "error", err)
}
