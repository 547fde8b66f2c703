package lifecycle

import (
	"context"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// Suspend off-boards a user: every key is deleted, and none can be made, until
// Reinstate. Of an owner who is suspended already it changes nothing. Errors:
// owner_suspended when the administrator who asks was off-boarded, user_not_found,
// revision_mismatch, conflict, unavailable.
func (s *Service) Suspend(ctx context.Context, r apikey.ChangeRequest) (Deleted, error) {
	deleted, event, err := s.delete(ctx, r, deletion{
		once:  store.Idempotency{Key: r.DeliveryKey, Operation: "suspend"},
		apply: s.administer(r),
		reach: jobauth.OfDeletionOfAll,
		change: func(ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
			if ring.Revision == 0 {
				return ring, nil, apikey.UserNotFound()
			}
			next, event := ring.Suspend(c)
			return next, event, nil
		},
	})
	if err == nil && event != nil {
		s.deleteSecret(ctx, event.SecretARN)
	}
	return deleted, err
}

// Reinstate ends an owner's suspension; without one it changes nothing. It
// returns the ring. Errors: those of Suspend.
func (s *Service) Reinstate(ctx context.Context, r apikey.ChangeRequest) (apikey.Ring, error) {
	result, err := s.administer(r)(ctx, r.Owner, store.Idempotency{Key: r.DeliveryKey, Operation: "reinstate"},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			if ring.Revision == 0 {
				return ring, nil, apikey.UserNotFound()
			}
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			next, event := ring.Reinstate(r.Command(s.Now()))
			return next, event, nil
		})
	return result.Ring, err
}

// update is how a change is applied to a ring.
type update func(context.Context, apikey.Owner, store.Idempotency, store.Change) (store.Result, error)

// administer applies a change that an administrator of the account asks for.
func (s *Service) administer(r apikey.ChangeRequest) update {
	return func(ctx context.Context, owner apikey.Owner, once store.Idempotency, change store.Change) (store.Result, error) {
		return s.Rings.Administer(ctx, r.Administrator(), owner, once, change)
	}
}
