package main

import (
	"fmt"
	"maps"
	"net/http"
)

const (
	keysPath     = "/v1/user-api-keys"
	rotationPath = "/v1/user-api-keys/rotation"
	historyPath  = "/v1/user-api-keys/history"
	jobsPath     = "/v1/job-authorizations"
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

// script is the service's main job, from the first key of a user to none.
type script struct {
	*conversation
	owner        owner
	user, runner token
	// onFirstJob is called when a job has been authorized for the first time.
	onFirstJob func()
}

// play runs to the end, or to the first answer that is not as promised.
func (s *script) play() error {
	s.exchange(step{
		shows:  "A user who has never had a key sees that there is none.",
		method: http.MethodGet, path: keysPath, token: s.user,
		status: http.StatusOK, promised: fields{"active": nil, "owner.iamId": s.owner.IAMID},
	})
	var created issued
	s.exchange(step{
		shows:  "The user creates one. The credential is in this answer and in no other.",
		method: http.MethodPost, path: keysPath, token: s.user, idempotencyKey: "create-" + s.owner.IAMID,
		status: http.StatusCreated, promised: fields{"key.status": "ACTIVE"}, into: &created,
	})
	s.authorize("A job that was given the key may run.",
		fields{"credential": created.Credential}, true, "key_active")
	if s.err == nil {
		s.onFirstJob()
	}
	s.authorize("So may a job that only names the owner.",
		fields{"owner": owner{AccountID: s.owner.AccountID, IAMID: s.owner.IAMID}}, true, "key_active")

	var rotated issued
	s.exchange(step{
		shows:  "The user rotates the key: a new one is Active and the old one Phased out, at one instant.",
		method: http.MethodPost, path: rotationPath, token: s.user, idempotencyKey: "rotate-" + s.owner.IAMID,
		status: http.StatusCreated, into: &rotated,
		promised: fields{"key.status": "ACTIVE", "phasedOut.id": created.Key.ID, "phasedOut.status": "PHASED_OUT"},
	})
	s.authorize("From that instant on the old key authorizes nothing.",
		fields{"credential": created.Credential}, false, "key_phased_out")
	s.authorize("The new one does.",
		fields{"credential": rotated.Credential}, true, "key_active")
	s.exchange(step{
		shows:  "The user sees both.",
		method: http.MethodGet, path: keysPath, token: s.user,
		status: http.StatusOK, promised: fields{"active.id": rotated.Key.ID, "phasedOut.0.id": created.Key.ID},
	})
	s.deleteAndLookBack(created, rotated)
	if s.err != nil {
		return s.err
	}
	_, err := fmt.Fprintf(s.out, "\nAll %d answers are as promised.\n", s.number)
	return err
}

// deleteAndLookBack is the second half: the keys go, and their history stays.
func (s *script) deleteAndLookBack(created, rotated issued) {
	s.exchange(step{
		shows:  "The user deletes the key that is Phased out.",
		method: http.MethodDelete, path: keysPath + "/" + created.Key.ID, token: s.user,
		status: http.StatusOK, promised: fields{"deleted.0.id": created.Key.ID},
	})
	s.exchange(step{
		shows:  "The user deletes all that is left, the Active key.",
		method: http.MethodDelete, path: keysPath, token: s.user,
		status: http.StatusOK, promised: fields{"deleted.0.id": rotated.Key.ID},
	})
	s.authorize("No job runs with it any more.",
		fields{"credential": rotated.Credential}, false, "key_deleted")
	s.exchange(step{
		shows:  "The history tells all of it, newest first.",
		method: http.MethodGet, path: historyPath, token: s.user,
		status: http.StatusOK, promised: fields{
			"changes.0.type": "User API Key All Deleted",
			"changes.1.type": "User API Key Deleted", "changes.1.keys.0.id": created.Key.ID,
			"changes.2.type": "User API Key Rotated", "changes.2.keys.0.id": rotated.Key.ID,
			"changes.3.type": "User API Key Created", "changes.3.actor.id": s.owner.IAMID,
			"nextCursor": nil,
		},
	})
}

// authorize asks whether a job may run now, with what names its key.
func (s *script) authorize(shows string, key fields, allowed bool, reason string) {
	body := fields{"jobId": "train-churn-model", "jobType": "model_training", "trigger": "ad_hoc"}
	maps.Copy(body, key)
	s.exchange(step{
		shows:  shows,
		method: http.MethodPost, path: jobsPath, token: s.runner, body: body,
		status: http.StatusOK, promised: fields{"allowed": allowed, "reason": reason},
	})
}
