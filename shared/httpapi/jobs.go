package httpapi

import (
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// Schedule is a job schedule as the API shows it.
type Schedule struct {
	ID          string               `json:"id"`
	ScheduleRef string               `json:"scheduleRef"`
	Binding     apikey.Binding       `json:"binding"`
	KeyID       string               `json:"keyId,omitempty"`
	JobID       string               `json:"jobId,omitempty"`
	JobType     string               `json:"jobType,omitempty"`
	Service     string               `json:"service,omitempty"`
	Description string               `json:"description,omitempty"`
	BoundAt     apikey.Instant       `json:"boundAt"`
	State       apikey.ScheduleState `json:"state"`
}

// ScheduleOf is an owner's schedule as the API shows it, in the state.
func ScheduleOf(owner apikey.Locator, s apikey.Schedule, state apikey.ScheduleState) Schedule {
	shown := Schedule{
		ID:          s.ID,
		ScheduleRef: apikey.ScheduleRef{Locator: owner, ID: s.ID}.String(),
		Binding:     s.Binding,
		JobID:       s.JobID,
		JobType:     s.JobType,
		Service:     s.Service,
		Description: s.Description,
		BoundAt:     apikey.Instant(s.BoundAt),
		State:       state,
	}
	if s.Binding == apikey.Pinned {
		shown.KeyID = s.KeyID.String()
	}
	return shown
}

// Run is a running operation as the API shows it.
type Run struct {
	Ref            string          `json:"ref"`
	RunID          string          `json:"runId"`
	JobID          string          `json:"jobId"`
	JobType        jobauth.JobType `json:"jobType"`
	StartedAt      apikey.Instant  `json:"startedAt"`
	LeaseExpiresAt apikey.Instant  `json:"leaseExpiresAt"`
}

// Affected is what a change of keys hits: the first of each, and how many there
// are.
type Affected struct {
	Schedules     []Schedule `json:"schedules"`
	ScheduleCount int        `json:"scheduleCount"`
	Runs          []Run      `json:"runs"`
	RunCount      int        `json:"runCount"`
}

// AffectedOf is what a change of the owner's keys hits, as the API shows it.
func AffectedOf(owner apikey.Locator, a jobauth.Affected, stateOf func(apikey.Schedule) apikey.ScheduleState) Affected {
	shown := Affected{
		Schedules: make([]Schedule, len(a.Schedules.First)), ScheduleCount: a.Schedules.Count,
		Runs: make([]Run, len(a.Runs)), RunCount: a.RunCount,
	}
	for i, s := range a.Schedules.First {
		shown.Schedules[i] = ScheduleOf(owner, s, stateOf(s))
	}
	for i, run := range a.Runs {
		shown.Runs[i] = Run{
			Ref: run.Ref().String(), RunID: run.RunID, JobID: run.JobID, JobType: run.JobType,
			StartedAt: apikey.Instant(run.StartedAt), LeaseExpiresAt: apikey.Instant(run.LeaseExpiresAt),
		}
	}
	return shown
}

// AfterDeletion is the state of a schedule whose key was deleted.
func AfterDeletion(s apikey.Schedule) apikey.ScheduleState {
	if s.Binding == apikey.FollowActive {
		return apikey.ScheduleWithoutActive
	}
	return apikey.ScheduleKeyDeleted
}

// AfterRotation is the state of a schedule whose key was phased out.
func AfterRotation(apikey.Schedule) apikey.ScheduleState { return apikey.ScheduleKeyPhasedOut }
