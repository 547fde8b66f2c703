package notices_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// story is one user's keys, with a clock and ids that are the same in every run.
type story struct {
	t      *testing.T
	ring   apikey.Ring
	now    time.Time
	actor  apikey.Actor
	events map[string]apikey.Event
	made   int
}

// Jane is the user whom the samples are about, and who works for her.
var (
	jane          = apikey.Owner{AccountID: "0123456789abcdef0123456789abcdef", IAMID: "IBMid-5500SAMPLE", Username: "jane.doe@example.com"}
	user          = apikey.Actor{Kind: apikey.ActorUser, ID: jane.IAMID}
	administrator = apikey.Actor{Kind: apikey.ActorAdministrator, ID: "IBMid-ADMINISTRATOR"}
	clock         = apikey.Actor{Kind: apikey.ActorSchedule, ID: "sweep"}
	operator      = apikey.Actor{Kind: apikey.ActorOperator, ID: "restore"}
	jobRunner     = apikey.Actor{Kind: apikey.ActorJobRunner, ID: "iam-ServiceId-1"}
	gateway       = apikey.Actor{Kind: apikey.ActorGateway, ID: "arn:aws:execute-api:us-east-1:111122223333:abcdef/prod"}
)

// samples are a notice of every kind, by the names of their files, and further
// ones whose fields differ.
func samples(t *testing.T) map[string]apikey.Event {
	s := &story{t: t, ring: apikey.Ring{Owner: jane}, now: time.Date(2026, 5, 4, 8, 15, 30, 120e6, time.UTC), events: map[string]apikey.Event{}}
	s.by(user).key("created", apikey.Ring.Create)
	first := *s.ring.Active
	nightly := s.bind("schedule-bound", apikey.Schedule{
		ID: "nightly-scoring", Binding: apikey.FollowActive, JobID: "churn-scores", JobType: "datastage_flow", Description: "Scores < 0.5 & \"unsure\"",
	})
	weekly := s.bind("schedule-bound/pinned", apikey.Schedule{
		ID: "weekly-retraining", Binding: apikey.Pinned, KeyID: first.ID, JobID: "churn-model", JobType: "runtime_service", Service: "forecasts",
	})
	s.by(user).policy("rotation-policy-changed", apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30})
	s.pass(76)
	s.by(clock).keep("rotation-due", s.ring.RotationDue(s.command(), s.ring.DueUnder(apikey.RotationPolicy{}, s.now).RotationAt))
	s.pass(14)
	s.by(clock).keep("rotation-failed", s.ring.RotationFailed(s.command(), apikey.CodeTooManyPhasedOutKeys))
	s.by(clock).key("rotated", apikey.Ring.Rotate)
	rotated := s.events["rotated"]
	rotated.AffectedSchedules = apikey.AffectedSchedules{First: []apikey.Schedule{weekly}, Count: 1}
	s.events["rotated"] = rotated
	s.by(jobRunner).keep("use-refused", s.ring.UseRefused(s.command(), first.ID, "key_phased_out", apikey.Job{
		ID: "churn-model", Type: "runtime_service", Service: "forecasts",
	}))
	s.by(user).policy("rotation-policy-changed/off", apikey.RotationPolicy{})
	s.pass(30)
	next, event, err := s.by(clock).ring.DeleteOne(s.command(), first.ID)
	s.change("deleted", next, &event, err)
	s.by(gateway).keep("use-refused/deleted", s.ring.UseRefused(s.command(), first.ID, "key_deleted", apikey.Job{}))
	s.by(user).key("rotated/again", apikey.Ring.Rotate)
	next, unbound := s.ring.Unbind(s.command(), weekly)
	s.change("schedule-unbound", next, unbound, nil)
	next, all := s.ring.DeleteAll(s.command())
	all.AffectedSchedules, all.AffectedRuns = apikey.AffectedSchedules{First: []apikey.Schedule{nightly}, Count: 1}, 2
	s.change("all-deleted", next, all, nil)
	s.key("created/again", apikey.Ring.Create)
	next, suspended := s.by(administrator).ring.Suspend(s.command())
	suspended.AffectedSchedules, suspended.AffectedRuns = all.AffectedSchedules, 1
	s.change("owner-suspended", next, suspended, nil)
	next, reinstated := s.ring.Reinstate(s.command())
	s.change("owner-reinstated", next, reinstated, nil)
	next, suspended = s.ring.Suspend(s.command())
	s.change("owner-suspended/without keys", next, suspended, nil)
	s.afterRestore()
	return s.events
}

// afterRestore is what the operator's restore does to two keys of the user's.
func (s *story) afterRestore() {
	next, reinstated := s.by(administrator).ring.Reinstate(s.command())
	s.change("owner-reinstated/again", next, reinstated, nil)
	s.by(user).key("created/before a restore", apikey.Ring.Create)
	id := s.ring.Active.ID
	next, event, err := s.by(operator).ring.Restore(s.command(), apikey.RestoreStep{PhaseOut: true, Reason: apikey.ReasonNotCurrent})
	s.change("phased-out", next, &event, err)
	next, event, err = s.ring.Restore(s.command(), apikey.RestoreStep{Delete: id, Reason: apikey.ReasonNotShown})
	s.change("deleted/restored", next, &event, err)
	s.by(user).key("created/for another restore", apikey.Ring.Create)
	next, event, err = s.by(operator).ring.Restore(s.command(), apikey.RestoreStep{DeleteAll: true, Reason: apikey.ReasonSecretGone})
	s.change("all-deleted/restored", next, &event, err)
}

func (s *story) by(actor apikey.Actor) *story {
	s.actor = actor
	return s
}

func (s *story) pass(days int) { s.now = s.now.AddDate(0, 0, days) }

func (s *story) command() apikey.Command {
	return apikey.Command{Actor: s.actor, Now: s.now, CorrelationID: fmt.Sprintf("7f1c2d3e-0000-4000-8000-%012d", len(s.events)+1)}
}

func (s *story) id() apikey.KeyID {
	s.made++
	id, err := apikey.NewUUID(s.now, strings.NewReader(fmt.Sprintf("%010d", s.made)))
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// keep gives the event an id, as the store does, and makes it the sample.
func (s *story) keep(name string, event apikey.Event) {
	event.ID = s.id().String()
	s.events[name] = event
}

func (s *story) change(name string, next apikey.Ring, event *apikey.Event, err error) {
	s.t.Helper()
	if err != nil || event == nil {
		s.t.Fatalf("%s: %v, %v", name, event, err)
	}
	s.ring = next
	s.keep(name, *event)
}

func (s *story) key(name string, change func(apikey.Ring, apikey.Command, apikey.Material) (apikey.Ring, apikey.Event, error)) {
	s.t.Helper()
	id := s.id()
	next, event, err := change(s.ring, s.command(), apikey.Material{KeyID: id, SecretARN: "arn:secret", VersionID: id.String()})
	s.change(name, next, &event, err)
}

func (s *story) bind(name string, wanted apikey.Schedule) apikey.Schedule {
	s.t.Helper()
	next, event, bound, err := s.ring.Bind(s.command(), nil, wanted)
	s.change(name, next, event, err)
	return bound
}

func (s *story) policy(name string, policy apikey.RotationPolicy) {
	s.t.Helper()
	next, event, err := s.ring.SetPolicy(s.command(), policy)
	s.change(name, next, event, err)
}
