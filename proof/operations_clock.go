package proof

import (
	"net/http"
	"strings"

	"github.com/userapikey/service/functions/servicetest"
)

const (
	policyPath  = "/v1/rotation-policy"
	accountPath = "/v1/account/user-api-keys"
	policy30    = `{"maxAgeDays":30,"noticeDays":7}`
)

func (s *scene) setPolicy() servicetest.Answer {
	return s.process.Send(s.ctx, servicetest.Request{Method: "PUT", Path: policyPath, Token: s.user(), Body: policy30})
}

// offBoarding is the path of the user, for an administrator of the account.
func (s *scene) offBoarding() string { return accountPath + "/" + s.owner.IAMID }

func (s *scene) offBoard() servicetest.Answer { return s.administer("DELETE", s.offBoarding()) }

func policyOperations() []operation {
	isSet := func(_ *scene, a servicetest.Answer) bool {
		return strings.Contains(a.Text, `"maxAgeDays":30,"noticeDays":7,"deletePhasedOutAfterDays":null,"inherited":false`)
	}
	return []operation{
		{
			name: "set a rotation policy", given: (*scene).hasKey, status: http.StatusOK, changes: 1,
			ask: (*scene).setPolicy, right: isSet,
		},
		{
			name: "read a rotation policy", status: http.StatusOK,
			given: func(s *scene) { s.hasKey(); s.done(s.setPolicy()) },
			ask:   func(s *scene) servicetest.Answer { return s.send("GET", policyPath, "") },
			right: isSet,
		},
	}
}

func accountOperations() []operation {
	return []operation{
		{
			name: "list an account's users", given: (*scene).hasRotated, status: http.StatusOK,
			ask: func(s *scene) servicetest.Answer { return s.administer("GET", accountPath) },
			// The index lags, and others are in the account.
			right: func(_ *scene, a servicetest.Answer) bool { return strings.HasPrefix(a.Text, `{"users":[`) },
		},
		{
			name: "a user's history for an administrator", given: (*scene).hasRotated, status: http.StatusOK,
			ask: func(s *scene) servicetest.Answer {
				return s.administer("GET", s.offBoarding()+"/history")
			},
			right: func(_ *scene, a servicetest.Answer) bool { return len(a.Changes) == 2 && a.Changes[0].Revision == 2 },
		},
		{
			name: "off-board a user", status: http.StatusOK, changes: 1,
			given: func(s *scene) { s.hasSchedules(); s.done(s.decideAsRun()) },
			ask:   (*scene).offBoard,
			// None when the first time took effect.
			right: func(_ *scene, a servicetest.Answer) bool {
				return a.Affected.ScheduleCount == 3 && a.Affected.RunCount == 1 || len(a.Deleted) == 0
			},
		},
		{
			name: "reinstate a user", status: http.StatusOK, changes: 1,
			given: func(s *scene) { s.hasKey(); s.done(s.offBoard()); s.issued = nil },
			ask:   func(s *scene) servicetest.Answer { return s.administer("POST", s.offBoarding()+"/reinstatement") },
			right: func(_ *scene, a servicetest.Answer) bool { return strings.Contains(a.Text, `"suspended":false`) },
		},
		{
			name: "a refused use that is announced", given: (*scene).hasRotated, status: http.StatusOK,
			ask:   func(s *scene) servicetest.Answer { return s.decide(s.issued[0].Credential) },
			right: func(_ *scene, a servicetest.Answer) bool { return !a.Allowed && a.Reason == "key_phased_out" },
		},
	}
}
