package proof

import (
	"net/http"
	"strings"

	"github.com/userapikey/service/functions/servicetest"
)

const (
	following  = `{"binding":"follow_active"}`
	renewal    = "/renewal"
	runsPath   = "/v1/job-runs/"
	jobsPath   = "/v1/job-authorizations"
	batchPath  = "/v1/job-authorizations/batch"
	asRun      = `,"runId":"run-1","leaseSeconds":600`
	schedule1  = "schedule-1"
	schedulesP = "/v1/schedules"
)

func pinnedTo(keyID string) string { return `{"binding":"pinned","keyId":"` + keyID + `"}` }

// hasSchedules has one schedule that follows the Active key and two that are
// pinned to it.
func (s *scene) hasSchedules() {
	s.hasKey()
	s.ref = s.done(s.bind(schedule1, following)).ScheduleRef
	s.done(s.bind("schedule-2", pinnedTo(s.issued[0].Key.ID)))
	s.done(s.bind("schedule-3", pinnedTo(s.issued[0].Key.ID)))
}

// hasRotatedSchedules has the pinned ones wait to be bound again.
func (s *scene) hasRotatedSchedules() {
	s.hasSchedules()
	s.issue(s.rotate(""))
}

// hasRun has a running operation under the Active key.
func (s *scene) hasRun() {
	s.hasKey()
	s.ref = s.done(s.decideAsRun()).Run.Ref
}

func (s *scene) done(a servicetest.Answer) servicetest.Answer {
	s.t.Helper()
	if a.Status >= http.StatusBadRequest {
		s.t.Fatalf("the state before: %d %s", a.Status, a.Text)
	}
	return a
}

func (s *scene) decideAsRun() servicetest.Answer {
	return s.runner("POST", jobsPath, job(s.byOwner()+asRun))
}

func (s *scene) byOwner() string {
	return `"owner":{"accountId":"` + s.owner.AccountID + `","iamId":"` + s.owner.IAMID + `"}`
}

func (s *scene) batch() servicetest.Answer {
	active := s.issued[len(s.issued)-1].Credential
	return s.runner("POST", batchPath, `{"requests":[`+strings.Join([]string{
		job(`"credential":"` + active + `"`), job(s.byOwner() + asRun), job(`"scheduleRef":"` + s.ref + `"`),
	}, ",")+`]}`)
}

func scheduleOperations() []operation {
	return []operation{
		{
			name: "bind a schedule", given: (*scene).hasKey, status: http.StatusCreated, changes: 1, again: http.StatusOK,
			ask:   func(s *scene) servicetest.Answer { return s.bind(schedule1, pinnedTo(s.issued[0].Key.ID)) },
			right: func(_ *scene, a servicetest.Answer) bool { return a.State == "ready" },
		},
		{
			name: "bind a schedule anew", given: (*scene).hasRotatedSchedules, status: http.StatusOK, changes: 1,
			ask:   func(s *scene) servicetest.Answer { return s.bind("schedule-2", pinnedTo(s.issued[1].Key.ID)) },
			right: func(_ *scene, a servicetest.Answer) bool { return a.State == "ready" },
		},
		{
			name: "unbind a schedule", given: (*scene).hasSchedules, status: http.StatusNoContent, changes: 1, again: http.StatusNotFound,
			ask: func(s *scene) servicetest.Answer { return s.send("DELETE", schedulesP+"/schedule-2", "") },
		},
		{
			name: "rebind all", given: (*scene).hasRotatedSchedules, status: http.StatusOK, changes: 1,
			ask: func(s *scene) servicetest.Answer { return s.rebind(s.issued[0].Key.ID) },
			// None when the first time took effect.
			right: func(_ *scene, a servicetest.Answer) bool {
				return (a.Rebound == 2 || a.Rebound == 0) && a.Remaining == 0
			},
		},
		{
			name: "list schedules", given: (*scene).hasRotatedSchedules, status: http.StatusOK,
			ask: func(s *scene) servicetest.Answer { return s.send("GET", schedulesP, "") },
			right: func(_ *scene, a servicetest.Answer) bool {
				return strings.Count(a.Text, `"state":"key_phased_out"`) == 2
			},
		},
		{
			name: "read a schedule", given: (*scene).hasRotatedSchedules, status: http.StatusOK,
			ask:   func(s *scene) servicetest.Answer { return s.send("GET", schedulesP+"/"+schedule1, "") },
			right: func(_ *scene, a servicetest.Answer) bool { return a.State == "ready" },
		},
		{
			name: "rotate with pinned schedules", given: (*scene).hasSchedules, status: http.StatusCreated, changes: 1, issues: true,
			ask:   func(s *scene) servicetest.Answer { return s.rotate(key) },
			right: func(_ *scene, a servicetest.Answer) bool { return a.Affected.ScheduleCount == 2 },
		},
		{
			name: "impact", status: http.StatusOK,
			given: func(s *scene) { s.hasSchedules(); s.done(s.decideAsRun()) },
			ask: func(s *scene) servicetest.Answer {
				return s.send("GET", "/v1/user-api-keys/"+s.issued[0].Key.ID+"/impact", "")
			},
			right: func(_ *scene, a servicetest.Answer) bool {
				return a.OnDelete.ScheduleCount == 3 && a.OnDelete.RunCount == 1 && a.OnRotate.ScheduleCount == 2 && a.OnRotate.RunCount == 0
			},
		},
		{
			name: "delete all with schedules and a run", status: http.StatusOK, changes: 1,
			given: func(s *scene) { s.hasSchedules(); s.done(s.decideAsRun()) },
			ask:   (*scene).deleteAll,
			right: func(_ *scene, a servicetest.Answer) bool {
				return a.Affected.ScheduleCount == 3 && a.Affected.RunCount == 1 || len(a.Deleted) == 0
			},
		},
	}
}

func jobOperations() []operation {
	return []operation{
		{
			name: "decision by credential", given: (*scene).hasRotated, status: http.StatusOK,
			ask:   func(s *scene) servicetest.Answer { return s.decide(s.issued[1].Credential) },
			right: isAllowed,
		},
		{
			name: "decision by owner", given: (*scene).hasRotated, status: http.StatusOK,
			ask: (*scene).decideByOwner, right: isAllowed,
		},
		{
			name: "decision by schedule", given: (*scene).hasRotatedSchedules, status: http.StatusOK,
			ask:   func(s *scene) servicetest.Answer { return s.runner("POST", jobsPath, job(`"scheduleRef":"`+s.ref+`"`)) },
			right: isAllowed,
		},
		{
			name: "decision with a run", given: (*scene).hasRotated, status: http.StatusOK,
			ask:   (*scene).decideAsRun,
			right: func(s *scene, a servicetest.Answer) bool { return isAllowed(s, a) && a.Run.Ref != "" },
		},
		{
			name: "decision for a gateway", given: (*scene).hasRotated, status: http.StatusOK,
			ask: func(s *scene) servicetest.Answer {
				return s.process.Invoke(s.ctx, map[string]any{
					"type": "TOKEN", "authorizationToken": "Bearer " + s.issued[1].Credential,
					"methodArn": "arn:aws:execute-api:us-east-1:000000000000:api/live/GET/things",
				})
			},
			right: func(_ *scene, a servicetest.Answer) bool { return strings.Contains(a.Text, `"Effect":"Allow"`) },
		},
		{
			name: "renewal", given: (*scene).hasRun, status: http.StatusOK,
			ask:   func(s *scene) servicetest.Answer { return s.runner("POST", runsPath+s.ref+renewal, "") },
			right: func(s *scene, a servicetest.Answer) bool { return a.Allowed && a.Run.Ref == s.ref },
		},
		{
			name: "end of a run", given: (*scene).hasRun, status: http.StatusNoContent, againAlways: http.StatusNotFound,
			ask: func(s *scene) servicetest.Answer { return s.runner("DELETE", runsPath+s.ref, "") },
		},
		{
			name: "batch", given: (*scene).hasRotatedSchedules, status: http.StatusOK,
			ask:   (*scene).batch,
			right: func(s *scene, a servicetest.Answer) bool { return allAllowed(s, a, "") },
			// What could not be decided is told of itself, and nothing else.
			rightInTrouble: func(s *scene, a servicetest.Answer) bool { return allAllowed(s, a, "unavailable") },
		},
	}
}

func isAllowed(s *scene, a servicetest.Answer) bool {
	return a.Allowed && a.Key.ID == s.issued[len(s.issued)-1].Key.ID
}

// allAllowed tells whether every decision of a batch allows its job, but for
// those of the reason.
func allAllowed(s *scene, a servicetest.Answer, but string) bool {
	for _, decision := range a.Decisions {
		if !isAllowed(s, decision) && (decision.Allowed || decision.Reason != but) {
			return false
		}
	}
	return len(a.Decisions) == 3
}
