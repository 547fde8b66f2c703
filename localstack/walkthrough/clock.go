package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

const policyPath = "/v1/rotation-policy"

// passOfTime is the policy's thirty days, and one.
const passOfTime = 31 * 24 * time.Hour

// rotateByTheClock lets a month pass for the Active key.
func (s *script) rotateByTheClock() {
	s.exchange(step{
		shows:  "The user has keys rotated when they are 30 days old, and wants to know a week before.",
		method: http.MethodPut, path: policyPath, token: s.user, body: fields{"maxAgeDays": 30, "noticeDays": 7},
		status: http.StatusOK, promised: fields{"maxAgeDays": 30.0, "noticeDays": 7.0, "inherited": false},
	})
	s.aside("A month passes: the key is made 31 days older in the table. The clock, which looks every 15 minutes, looks now.", func() error {
		ctx := context.Background()
		owner := apikey.Owner{AccountID: s.owner.AccountID, IAMID: s.owner.IAMID}
		if err := s.aws.AgeActiveKey(ctx, owner, passOfTime); err != nil {
			return err
		}
		var counts json.RawMessage
		err := s.aws.Invoke(ctx, s.aws.Env["SWEEP_FUNCTION"], fields{}, &counts)
		s.printJSON(counts)
		return err
	})
	s.exchange(step{
		shows:  "The clock has rotated the key.",
		method: http.MethodGet, path: keysPath, token: s.user,
		status: http.StatusOK, promised: fields{"active.createdBy.kind": "schedule", "phasedOut.0.id": s.second.Key.ID}, into: &s.third,
	})
	s.authorize("The schedule that follows goes on under the new key, with nothing done by anybody.",
		fields{"trigger": "scheduled", "scheduleRef": s.following.ScheduleRef}, fields{"allowed": true, "key.id": s.third.Active.ID})
}
