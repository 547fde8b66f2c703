package lifecycle

import (
	"context"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// DeleteOne deletes a Phased out key. Errors: key_active, key_not_found,
// revision_mismatch, conflict, unavailable.
func (s *Service) DeleteOne(ctx context.Context, r apikey.ChangeRequest, id apikey.KeyID) (Deleted, error) {
	result, err := s.Rings.Update(ctx, r.Owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			next, event, err := ring.DeleteOne(s.command(r), id)
			return next, &event, err
		})
	if err != nil {
		return Deleted{}, err
	}
	s.repair(ctx, r.Owner)
	return deletedBy(result), nil
}

// DeleteAll deletes every key of the owner, and the secret with them. With no
// key to delete it changes nothing. Errors: revision_mismatch, conflict,
// unavailable.
func (s *Service) DeleteAll(ctx context.Context, r apikey.ChangeRequest) (Deleted, error) {
	result, err := s.Rings.Update(ctx, r.Owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			next, event := ring.DeleteAll(s.command(r))
			return next, event, nil
		})
	if err != nil {
		return Deleted{}, err
	}
	if result.Event != nil {
		if err := s.Vault.Delete(ctx, result.Event.SecretARN); err != nil {
			s.Log.WarnContext(ctx, "the secret of deleted keys is left behind", "secretArn", result.Event.SecretARN, "error", err)
		}
	}
	return deletedBy(result), nil
}

func deletedBy(result store.Result) Deleted {
	deleted := Deleted{Revision: result.Ring.Revision}
	if result.Event != nil {
		deleted.Keys = result.Event.Keys
	}
	return deleted
}

// repair brings the owner's secret to the ring. What it cannot do now changes
// no answer: the next repair does it.
func (s *Service) repair(ctx context.Context, owner apikey.Owner) {
	if err := s.Vault.Repair(ctx, s.Rings.Reader(owner)); err != nil {
		s.Log.WarnContext(ctx, "the secret is not repaired yet", "owner", owner.Locator().String(), "error", err)
	}
}
