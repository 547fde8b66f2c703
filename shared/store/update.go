package store

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// A change that loses a race starts over on fresh state, at most maxAttempts
// times in all; between attempts it waits a random time below a ceiling that
// doubles from firstBackoff to maxBackoff.
const (
	maxAttempts  = 8
	firstBackoff = 20 * time.Millisecond
	maxBackoff   = 400 * time.Millisecond
	// maxDoublings is how many there are: a reader may try for as long as its
	// request lasts.
	maxDoublings = 5
)

// Change is a function from a ring to the ring after the change and the event
// that announces it. A nil event means: nothing to change. It is called once an
// attempt, each time on fresh state. An error ends the update, but for
// apikey.CodeConflict, which says that the ring it was given no longer fits the
// world: the ring is read again, and only if it is still the same is the
// conflict the answer.
type Change func(ctx context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error)

// ScheduleChange is a Change that concerns one schedule: it is given how the
// schedule is bound at the ring's revision, nil when it is not.
type ScheduleChange func(ring apikey.Ring, bound *apikey.Schedule) (apikey.Ring, *apikey.Event, error)

// Idempotency is what makes a change the same one when it is asked for again: a
// client's key, or what stands for one delivery of a request. The zero value is
// none.
type Idempotency struct {
	Key string
	// Operation tells uses of the same key for different things apart.
	Operation string
}

// Result is what an update came to.
type Result struct {
	// Ring is the ring after the change, or as it was read when nothing changed.
	Ring apikey.Ring
	// Event is the change: this one, or with Replayed the earlier one; nil when
	// nothing changed.
	Event    *apikey.Event
	Replayed bool
}

// Update applies one change to an owner's ring, in one conditional transaction
// with its event and idempotency record.
//
// Errors: whatever change refuses with; idempotency_key_reused when the key was
// used for another operation; conflict when other changes kept winning;
// unavailable when DynamoDB cannot be reached or its answer was lost. After
// unavailable the change may have been made, or may still be: the idempotency
// key is how the caller finds out.
func (s *Store) Update(ctx context.Context, owner apikey.Owner, idempotency Idempotency, change Change) (Result, error) {
	return s.update(ctx, owner, beside{}, idempotency, withoutSchedule(change))
}

func withoutSchedule(change Change) func(context.Context, snapshot) (apikey.Ring, *apikey.Event, error) {
	return func(ctx context.Context, snap snapshot) (apikey.Ring, *apikey.Event, error) {
		return change(ctx, snap.ring)
	}
}

// UpdateSchedule is Update by a change that concerns the schedule of that id. Ring
// and schedule are read in one transaction, so that a change that is refused, or
// found to be made already, is answered from one state of things as well.
func (s *Store) UpdateSchedule(
	ctx context.Context, owner apikey.Owner, scheduleID string, idempotency Idempotency, change ScheduleChange,
) (Result, error) {
	return s.update(ctx, owner, beside{scheduleID: scheduleID}, idempotency, func(_ context.Context, snap snapshot) (apikey.Ring, *apikey.Event, error) {
		return change(snap.ring, snap.schedule)
	})
}

// beside is what a change looks at beside its own ring: one schedule, unless the
// id is "", or the ring of the administrator who makes it, unless that is nil.
type beside struct {
	scheduleID    string
	administrator *apikey.Locator
}

func (s *Store) update(
	ctx context.Context, owner apikey.Owner, also beside, idempotency Idempotency,
	change func(context.Context, snapshot) (apikey.Ring, *apikey.Event, error),
) (Result, error) {
	locator := owner.Locator()
	staleRevision := int64(-1)
	var lastErr error
	for attempt := range maxAttempts {
		if err := s.backOff(ctx, attempt); err != nil {
			return Result{}, unavailable(errors.Join(err, lastErr))
		}
		snap, err := s.load(ctx, locator, also, idempotency.Key)
		if isConflict(err) {
			lastErr = err
			continue
		}
		if err != nil {
			return Result{}, err
		}
		if snap.replay != nil {
			return replay(snap, idempotency)
		}
		// A username may be another by now; who changes somebody else's keys may not know
		// any.
		if snap.ring.Revision == 0 || owner.Username != "" {
			snap.ring.Owner = owner
		}
		next, event, err := change(ctx, snap)
		if apikey.CodeOf(err) == apikey.CodeConflict && staleRevision != snap.ring.Revision {
			staleRevision, lastErr = snap.ring.Revision, err
			continue
		}
		if err != nil {
			return Result{}, err
		}
		if event == nil {
			return Result{Ring: snap.ring}, nil
		}
		input, err := s.transaction(next, event, idempotency, snap.guard)
		if err != nil {
			return Result{}, err
		}
		outcome, err := s.commit(ctx, input, *event)
		switch outcome {
		case committed:
			return Result{Ring: next, Event: event}, nil
		case lostRace:
			s.Log.InfoContext(ctx, "lost a race", "owner", locator.String(), "revision", next.Revision, "attempt", attempt+1)
			lastErr = err
		case unknown, refused:
			return Result{}, unavailable(err)
		}
	}
	if isThrottling(lastErr) {
		return Result{}, unavailable(lastErr)
	}
	return Result{}, &apikey.Error{
		Code:       apikey.CodeConflict,
		Detail:     "Other changes of these keys were made at the same time. Try again.",
		RetryAfter: time.Second,
		Cause:      lastErr,
	}
}

// identify gives the event its id, which is also the transaction's client
// token: a new one for each attempt, because each is another transaction.
func (s *Store) identify(event *apikey.Event) error {
	id, err := apikey.NewUUID(s.now(), s.random)
	event.ID = id.String()
	return err
}

func replay(snap snapshot, idempotency Idempotency) (Result, error) {
	if snap.replay.operation != idempotency.Operation {
		return Result{}, &apikey.Error{
			Code:   apikey.CodeIdempotencyKeyReused,
			Detail: "This Idempotency-Key was used for another operation. Choose a new one.",
		}
	}
	return Result{Ring: snap.ring, Event: &snap.replay.event, Replayed: true}, nil
}

// backOff waits before a retry: a random time ("full jitter"), so that those
// who lost a race do not meet again.
func (s *Store) backOff(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	ceiling := maxBackoff
	if doublings := attempt - 1; doublings < maxDoublings {
		ceiling = firstBackoff << doublings
	}
	var b [8]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return err
	}
	wait := time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(ceiling)) //nolint:gosec // ceiling is positive and small
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
