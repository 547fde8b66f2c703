package store

import (
	"context"
	"slices"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// Affected reads what a change of the owner's keys hits. Of schedules it is
// exact for the revision of the ring that the reach is of, because every change
// of theirs is one of the ring; runs come and go meanwhile. Errors: unavailable.
func (s *Store) Affected(ctx context.Context, locator apikey.Locator, reach jobauth.Reach) (affected jobauth.Affected, err error) {
	if reach.Schedules != nil {
		schedules, err := s.AllSchedules(ctx, locator)
		if err != nil {
			return jobauth.Affected{}, err
		}
		affected.Schedules = reach.Schedules(schedules)
	}
	if len(reach.Keys) == 0 {
		return affected, nil
	}
	err = s.Running(ctx, locator, func(run jobauth.Run) {
		if slices.Contains(reach.Keys, run.KeyID) {
			affected.AddRun(run)
		}
	})
	return affected, err
}
