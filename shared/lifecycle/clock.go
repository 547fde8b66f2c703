package lifecycle

import (
	"context"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// RotateDue rotates a key that is due, unless it is no longer the Active one:
// however many clocks see it due, it is rotated once. Errors: those of Rotate.
func (s *Service) RotateDue(ctx context.Context, r apikey.ChangeRequest, due apikey.KeyID) (rotated bool, err error) {
	how := s.rotation(r.Owner)
	how.wanted = func(ring apikey.Ring) bool { return ring.Active != nil && ring.Active.ID == due }
	issued, err := s.issue(ctx, r, how)
	return issued.Key.ID != apikey.KeyID{}, err
}

// DeleteUnused deletes a Phased out key, unless it is gone or a running
// operation holds it. Errors: those of DeleteOne.
func (s *Service) DeleteUnused(ctx context.Context, r apikey.ChangeRequest, id apikey.KeyID) (deleted bool, err error) {
	done, _, err := s.delete(ctx, r, deletion{
		unlessRunning: true,
		reach:         func(ring apikey.Ring) jobauth.Reach { return jobauth.OfDeletion(ring, id) },
		change: func(ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
			if _, exists := ring.Key(id); !exists {
				return ring, nil, nil
			}
			next, event, err := ring.DeleteOne(c, id)
			return next, &event, err
		},
	})
	if err != nil || len(done.Keys) == 0 {
		return false, err
	}
	s.repair(ctx, r.Owner)
	return true, nil
}
