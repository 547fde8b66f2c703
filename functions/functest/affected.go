package functest

import (
	"fmt"

	"github.com/userapikey/service/shared/apikey"
)

// Affected is what an answer says that its change hit.
type Affected struct {
	Schedules []struct {
		ID, KeyID string
		State     apikey.ScheduleState
	}
	ScheduleCount int
	Runs          []struct{ Ref, RunID string }
	RunCount      int
}

// Texts are the schedules with their states, and the ids of the runs.
func (a Affected) Texts() (schedules, runs []string) {
	for _, s := range a.Schedules {
		schedules = append(schedules, s.ID+" "+string(s.State))
	}
	for _, r := range a.Runs {
		runs = append(runs, r.RunID)
	}
	return schedules, runs
}

// AgreesWith tells how the change that was announced last differs from it.
func (a Affected) AgreesWith(event apikey.Event) error {
	if a.ScheduleCount != event.AffectedSchedules.Count || a.RunCount != event.AffectedRuns {
		return fmt.Errorf("answered %d schedules and %d runs, announced %d and %d",
			a.ScheduleCount, a.RunCount, event.AffectedSchedules.Count, event.AffectedRuns)
	}
	if len(a.Schedules) != len(event.AffectedSchedules.First) {
		return fmt.Errorf("answered %d schedules, announced %d", len(a.Schedules), len(event.AffectedSchedules.First))
	}
	for i, s := range event.AffectedSchedules.First {
		if a.Schedules[i].ID != s.ID {
			return fmt.Errorf("schedule %d is answered as %s, announced as %s", i, a.Schedules[i].ID, s.ID)
		}
	}
	return nil
}
