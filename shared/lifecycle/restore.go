package lifecycle

import (
	"context"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// Restored is what a restore came to for one owner.
type Restored struct {
	// Deleted and PhasedOut are how many keys were, or would be.
	Deleted, PhasedOut int
}

// AfterRestore brings the owner's keys to what the secrets show of them, after the
// table was restored to an instant: no key authorizes then that was rotated away
// or deleted later. Each step is a change like any other, and a reason is in its
// event; done again, it finds nothing to do. With apply false it only tells. Errors:
// revision_mismatch when somebody else changes the keys meanwhile, conflict,
// unavailable.
func (s *Service) AfterRestore(ctx context.Context, r apikey.ChangeRequest, restoredTo time.Time, apply bool) (done Restored, err error) {
	ring, err := s.Rings.Ring(ctx, r.Owner.Locator())
	if err != nil || ring.Active == nil && len(ring.PhasedOut) == 0 {
		return done, err
	}
	// Once: our own changes take labels away.
	remains, err := s.Vault.Remains(ctx, ring)
	if err != nil {
		return done, err
	}
	for {
		step := ring.AfterRestore(remains, restoredTo)
		if step == (apikey.RestoreStep{}) {
			return done, nil
		}
		event, next, err := s.restoreStep(ctx, r, ring, step, apply)
		if err != nil {
			return done, err
		}
		if event.Type == apikey.EventPhasedOut {
			done.PhasedOut++
		} else {
			done.Deleted += len(event.Keys)
		}
		ring = next
	}
}

// restoreStep makes one step from exactly that ring, or only tells what it would be.
func (s *Service) restoreStep(
	ctx context.Context, r apikey.ChangeRequest, ring apikey.Ring, step apikey.RestoreStep, apply bool,
) (event apikey.Event, next apikey.Ring, err error) {
	how := deletion{
		reach: restoreReach(step),
		change: func(ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
			next, event, err = ring.Restore(c, step)
			return next, &event, err
		},
	}
	if !apply {
		_, _, err := how.change(ring, r.Command(s.Now()))
		return event, next, err
	}
	r.ExpectedRevisions = []int64{ring.Revision}
	if _, _, err := s.delete(ctx, r, how); err != nil {
		return event, ring, err
	}
	if step.DeleteAll {
		s.deleteSecret(ctx, event.SecretARN)
	}
	return event, next, nil
}

// restoreReach is what a step hits. A key that is phased out takes with it all
// schedules that need an Active one; what is running goes on.
func restoreReach(step apikey.RestoreStep) func(apikey.Ring) jobauth.Reach {
	return func(ring apikey.Ring) jobauth.Reach {
		switch {
		case step.DeleteAll:
			return jobauth.OfDeletionOfAll(ring)
		case step.PhaseOut:
			return jobauth.Reach{Schedules: jobauth.OfDeletion(ring, ring.Active.ID).Schedules}
		default:
			return jobauth.OfDeletion(ring, step.Delete)
		}
	}
}
