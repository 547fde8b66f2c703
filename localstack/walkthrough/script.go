package main

import (
	"fmt"
	"maps"
	"net/http"

	"github.com/userapikey/service/localstack/deployed"
)

const (
	keysPath       = "/v1/user-api-keys"
	rotationPath   = "/v1/user-api-keys/rotation"
	historyPath    = "/v1/user-api-keys/history"
	schedulesPath  = "/v1/schedules"
	rebindingsPath = "/v1/schedule-rebindings"
	jobsPath       = "/v1/job-authorizations"
	runsPath       = "/v1/job-runs"

	followingID = "nightly-training"
	pinnedID    = "monthly-report"
)

// owner is a user in an account, as the API writes it.
type owner struct {
	AccountID string `json:"accountId"`
	IAMID     string `json:"iamId"`
	Username  string `json:"username,omitempty"`
}

// issued is what the script needs of the answer to create and rotate.
type issued struct {
	Key        struct{ ID string } `json:"key"`
	Credential string              `json:"credential"`
}

// bound is what it needs of a schedule.
type bound struct {
	ScheduleRef string `json:"scheduleRef"`
}

// decided is what it needs of a decision: the run that was recorded.
type decided struct {
	Run struct{ Ref string } `json:"run"`
}

// viewed is what it needs of a user's keys.
type viewed struct {
	Active struct{ ID string } `json:"active"`
}

// remaining is what it needs of a deletion's answer.
type remaining struct {
	Revision int64 `json:"revision"`
}

// script is the service's main job, from the first key of a user to none.
type script struct {
	*conversation
	// aws is for what no user of the API does: subscribe to notices, let time pass.
	aws          deployed.AWS
	notices      notices
	owner        owner
	user, runner token
	// onFirstJob is called when a job has been authorized for the first time.
	onFirstJob func()

	first, second     issued
	following, pinned bound
	run               decided
	third             viewed
	left              remaining
}

// play runs to the end, or to the first answer that is not as promised.
func (s *script) play() error {
	s.firstKey()
	s.bindSchedules()
	s.rotate()
	s.bindAgain()
	s.deleteInUse()
	s.hear("The platform has been told of all changes, by their numbers, and of the use that was refused.", &s.left.Revision)
	s.rotateByTheClock()
	s.deleteAll()
	s.hear("And of what came after.", &s.left.Revision)
	if s.err != nil {
		return s.err
	}
	_, err := fmt.Fprintf(s.out, "\nAll %d answers are as promised.\n", s.number)
	return err
}

func (s *script) firstKey() {
	s.exchange(step{
		shows:  "A user who has never had a key sees that there is none.",
		method: http.MethodGet, path: keysPath, token: s.user,
		status: http.StatusOK, promised: fields{"active": nil, "owner.iamId": s.owner.IAMID},
	})
	s.exchange(step{
		shows:  "The user creates one. The credential is in this answer and in no other.",
		method: http.MethodPost, path: keysPath, token: s.user, idempotencyKey: "create-" + s.owner.IAMID,
		status: http.StatusCreated, promised: fields{"key.status": "ACTIVE"}, into: &s.first,
	})
	s.authorize("A job that was given the key may run.",
		fields{"trigger": "ad_hoc", "credential": s.first.Credential}, fields{"allowed": true, "reason": "key_active"})
	if s.err == nil {
		s.onFirstJob()
	}
}

func (s *script) bindSchedules() {
	s.exchange(step{
		shows:  "The user binds a schedule that follows the Active key. Its reference is what the scheduler asks with.",
		method: http.MethodPut, path: schedulesPath + "/" + followingID, token: s.user, body: fields{"binding": "follow_active"},
		status: http.StatusCreated, promised: fields{"state": "ready"}, into: &s.following,
	})
	s.exchange(step{
		shows:  "Another schedule is pinned to this one key.",
		method: http.MethodPut, path: schedulesPath + "/" + pinnedID, token: s.user,
		body:   fields{"binding": "pinned", "keyId": s.first.Key.ID},
		status: http.StatusCreated, promised: fields{"state": "ready", "keyId": s.first.Key.ID}, into: &s.pinned,
	})
	s.exchange(step{
		shows:  "A job of the first schedule is due. It may run, and is recorded as a running operation.",
		method: http.MethodPost, path: jobsPath, token: s.runner,
		body:   job(fields{"trigger": "scheduled", "runId": "run-1", "scheduleRef": s.following.ScheduleRef}),
		status: http.StatusOK, promised: fields{"allowed": true, "key.id": s.first.Key.ID}, into: &s.run,
	})
}

func (s *script) rotate() {
	s.exchange(step{
		shows:  "The user rotates the key: a new one is Active and the old one Phased out, at one instant. The pinned schedule is affected.",
		method: http.MethodPost, path: rotationPath, token: s.user, idempotencyKey: "rotate-" + s.owner.IAMID,
		status: http.StatusCreated, into: &s.second,
		promised: fields{
			"key.status": "ACTIVE", "phasedOut.id": s.first.Key.ID, "phasedOut.status": "PHASED_OUT",
			"affected.scheduleCount": 1.0, "affected.schedules.0.id": pinnedID,
		},
	})
	s.authorize("From that instant on the old key authorizes nothing.",
		fields{"trigger": "ad_hoc", "credential": s.first.Credential}, fields{"allowed": false, "reason": "key_phased_out"})
	s.authorize("The schedule that follows needs no further work: its jobs run under the new key.",
		fields{"trigger": "scheduled", "scheduleRef": s.following.ScheduleRef}, fields{"allowed": true, "key.id": s.second.Key.ID})
	s.renew("What was running already may go on with the old key.",
		fields{"allowed": true, "reason": "key_phased_out", "key.id": s.first.Key.ID})
}

func (s *script) bindAgain() {
	s.authorize("The pinned schedule waits to be bound again.",
		fields{"trigger": "scheduled", "scheduleRef": s.pinned.ScheduleRef}, fields{"allowed": false, "reason": "schedule_key_phased_out"})
	s.exchange(step{
		shows:  "The user binds all that wait for the old key to the new one.",
		method: http.MethodPost, path: rebindingsPath, token: s.user, body: fields{"fromKeyId": s.first.Key.ID},
		status: http.StatusOK, promised: fields{"rebound": 1.0, "remaining": 0.0},
	})
	s.authorize("Its jobs run again.",
		fields{"trigger": "scheduled", "scheduleRef": s.pinned.ScheduleRef}, fields{"allowed": true, "key.id": s.second.Key.ID})
}

// deleteInUse deletes the old key, which the run still holds.
func (s *script) deleteInUse() {
	s.exchange(step{
		shows:  "The user sees both keys, and when each was last used.",
		method: http.MethodGet, path: keysPath, token: s.user,
		status: http.StatusOK, promised: fields{"active.id": s.second.Key.ID, "phasedOut.0.id": s.first.Key.ID},
	})
	path := keysPath + "/" + s.first.Key.ID
	s.exchange(step{
		shows:  "Before deleting the old key, the user sees what that would hit: one running operation.",
		method: http.MethodGet, path: path + "/impact", token: s.user,
		status: http.StatusOK, promised: fields{"onDelete.runCount": 1.0, "onDelete.runs.0.runId": "run-1", "onDelete.scheduleCount": 0.0, "onRotate": nil},
	})
	s.exchange(step{
		shows:  "The user deletes it all the same.",
		method: http.MethodDelete, path: path, token: s.user,
		status: http.StatusOK, promised: fields{"deleted.0.id": s.first.Key.ID, "affected.runCount": 1.0}, into: &s.left,
	})
	s.renew("The running operation is told to stop.", fields{"allowed": false, "reason": "key_deleted"})
}

// deleteAll is the end: the keys go, and their history stays.
func (s *script) deleteAll() {
	s.exchange(step{
		shows:  "The user deletes all that is left, the Active key and the one that the clock phased out.",
		method: http.MethodDelete, path: keysPath, token: s.user,
		status: http.StatusOK, promised: fields{"deleted.0.id": s.second.Key.ID, "deleted.1.id": s.third.Active.ID, "affected.scheduleCount": 2.0}, into: &s.left,
	})
	s.authorize("No job runs any more.",
		fields{"trigger": "ad_hoc", "credential": s.second.Credential}, fields{"allowed": false, "reason": "key_deleted"})
	s.exchange(step{
		shows:  "The history tells all of it, newest first. Here are the last two changes.",
		method: http.MethodGet, path: historyPath + "?limit=2", token: s.user,
		status: http.StatusOK, promised: fields{
			"changes.0.type": "User API Key All Deleted", "changes.0.actor.id": s.owner.IAMID,
			"changes.1.type": "User API Key Rotated", "changes.1.actor.kind": "schedule", "changes.1.keys.0.id": s.third.Active.ID,
		},
	})
}

// authorize asks whether a job may run now, with what names its key.
func (s *script) authorize(shows string, key, promised fields) {
	s.exchange(step{
		shows:  shows,
		method: http.MethodPost, path: jobsPath, token: s.runner, body: job(key),
		status: http.StatusOK, promised: promised,
	})
}

// renew asks whether the run may go on.
func (s *script) renew(shows string, promised fields) {
	s.exchange(step{
		shows:  shows,
		method: http.MethodPost, path: runsPath + "/" + s.run.Run.Ref + "/renewal", token: s.runner,
		status: http.StatusOK, promised: promised,
	})
}

func job(naming fields) fields {
	body := fields{"jobId": "train-churn-model", "jobType": "model_training"}
	maps.Copy(body, naming)
	return body
}
