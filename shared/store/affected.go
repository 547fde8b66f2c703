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
func (s *Store) Affected(ctx context.Context, locator apikey.Locator, reach jobauth.Reach) (jobauth.Affected, error) {
	affected, err := s.AffectedByEach(ctx, locator, reach)
	return affected[0], err
}

// AffectedByEach is Affected for changes of which one may be made: for all of
// them the same things are read, once.
func (s *Store) AffectedByEach(ctx context.Context, locator apikey.Locator, reaches ...jobauth.Reach) ([]jobauth.Affected, error) {
	affected := make([]jobauth.Affected, len(reaches))
	if slices.ContainsFunc(reaches, func(reach jobauth.Reach) bool { return reach.Schedules != nil }) {
		schedules, err := s.AllSchedules(ctx, locator)
		if err != nil {
			return affected, err
		}
		for i, reach := range reaches {
			if reach.Schedules != nil {
				affected[i].Schedules = reach.Schedules(schedules)
			}
		}
	}
	if !slices.ContainsFunc(reaches, func(reach jobauth.Reach) bool { return len(reach.Keys) > 0 }) {
		return affected, nil
	}
	err := s.Running(ctx, locator, func(run jobauth.Run) {
		for i, reach := range reaches {
			if slices.Contains(reach.Keys, run.KeyID) {
				affected[i].AddRun(run)
			}
		}
	})
	return affected, err
}
