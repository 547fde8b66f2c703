package lifecycle

import (
	"context"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// DeleteOne deletes a Phased out key. Errors: key_active, key_not_found,
// revision_mismatch, conflict, unavailable.
func (s *Service) DeleteOne(ctx context.Context, r apikey.ChangeRequest, id apikey.KeyID) (Deleted, error) {
	deleted, _, err := s.delete(ctx, r, deletion{
		reach: func(ring apikey.Ring) jobauth.Reach { return jobauth.OfDeletion(ring, id) },
		change: func(ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
			next, event, err := ring.DeleteOne(c, id)
			return next, &event, err
		},
	})
	if err != nil {
		return Deleted{}, err
	}
	s.repair(ctx, r.Owner)
	return deleted, nil
}

// DeleteAll deletes every key of the owner, and the secret with them. With no
// key to delete it changes nothing; delivered again, the same request deletes no
// key that was made in between. Errors: revision_mismatch, conflict, unavailable.
func (s *Service) DeleteAll(ctx context.Context, r apikey.ChangeRequest) (Deleted, error) {
	deleted, event, err := s.delete(ctx, r, deletion{
		once:  store.Idempotency{Key: r.DeliveryKey, Operation: "delete all"},
		reach: jobauth.OfDeletionOfAll,
		change: func(ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
			next, event := ring.DeleteAll(c)
			return next, event, nil
		},
	})
	if err == nil && event != nil {
		s.deleteSecret(ctx, event.SecretARN)
	}
	return deleted, err
}

// deleteSecret deletes the secret of keys that were all deleted; the relay
// finishes what this leaves behind.
func (s *Service) deleteSecret(ctx context.Context, arn string) {
	if arn == "" {
		return // the ring named none: there were no keys, or a restore took it out
	}
	if err := s.Vault.Delete(ctx, arn); err != nil {
		s.Log.WarnContext(ctx, "the secret of deleted keys is left behind", "secretArn", arn, "error", err)
	}
}

// deletion is what tells one way of deleting keys from another.
type deletion struct {
	// once makes it one deletion however often it is delivered. That of one key
	// needs none: no key comes back.
	once store.Idempotency
	// apply is how it is applied; nil is the owner's own way.
	apply update
	// unlessRunning leaves keys alone that a running operation holds.
	unlessRunning bool
	reach         func(apikey.Ring) jobauth.Reach
	change        func(apikey.Ring, apikey.Command) (apikey.Ring, *apikey.Event, error)
}

func (s *Service) delete(ctx context.Context, r apikey.ChangeRequest, how deletion) (deleted Deleted, event *apikey.Event, err error) {
	apply := how.apply
	if apply == nil {
		apply = s.Rings.Update
	}
	result, err := apply(ctx, r.Owner, how.once,
		func(ctx context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			next, event, err := how.change(ring, r.Command(s.Now()))
			if err != nil || event == nil {
				return ring, nil, err
			}
			deleted.Affected, err = s.Rings.Affected(ctx, r.Owner.Locator(), how.reach(ring))
			if err == nil && how.unlessRunning && deleted.Affected.RunCount > 0 {
				return ring, nil, nil
			}
			event.AffectedSchedules, event.AffectedRuns = deleted.Affected.Schedules, deleted.Affected.RunCount
			return next, event, err
		})
	if err != nil {
		return Deleted{}, nil, err
	}
	if result.Event == nil {
		return Deleted{Revision: result.Ring.Revision}, nil, nil
	}
	if result.Replayed {
		// Which operations were running then is not on record.
		deleted.Affected = jobauth.Affected{Schedules: result.Event.AffectedSchedules, RunCount: result.Event.AffectedRuns}
	}
	deleted.Keys, deleted.Revision = result.Event.Keys, result.Event.Revision
	return deleted, result.Event, nil
}

// repair brings the owner's secret to the ring. What it cannot do now changes
// no answer: the next repair does it.
func (s *Service) repair(ctx context.Context, owner apikey.Owner) {
	if err := s.Vault.Repair(ctx, s.Rings.Reader(owner)); err != nil {
		s.Log.WarnContext(ctx, "the secret is not repaired yet", "owner", owner.Locator().String(), "error", err)
	}
}
