package lifecycle

import (
	"context"
	"slices"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// RotateDue rotates the key with that id, unless it is no longer the Active one or
// no longer due, by the owner's policy or else the deployment's: however many
// clocks see it due, it is rotated once. What was found due is asked of each ring
// that the change is about to be made to: it may have been changed since, or put
// off by another policy. Errors: those of Rotate.
func (s *Service) RotateDue(ctx context.Context, r apikey.ChangeRequest, deployment apikey.RotationPolicy, id apikey.KeyID) (rotated bool, err error) {
	how := s.rotation(r.Owner)
	how.wanted = func(ring apikey.Ring) bool {
		return ring.Active != nil && ring.Active.ID == id && ring.DueUnder(deployment, s.Now()).Rotation
	}
	issued, err := s.issue(ctx, r, how)
	return issued.Key.ID != apikey.KeyID{}, err
}

// DeleteUnused deletes a Phased out key, unless it is gone, no longer due for
// deletion, or held by a running operation. Errors: revision_mismatch, conflict,
// unavailable.
func (s *Service) DeleteUnused(ctx context.Context, r apikey.ChangeRequest, deployment apikey.RotationPolicy, id apikey.KeyID) (deleted bool, err error) {
	done, _, err := s.delete(ctx, r, deletion{
		unlessRunning: true,
		reach:         func(ring apikey.Ring) jobauth.Reach { return jobauth.OfDeletion(ring, id) },
		change: func(ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
			if !slices.Contains(ring.DueUnder(deployment, s.Now()).Deletions, id) {
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
