package infra_test

import (
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

// colleague is another user of the sample owner's account, whom the sample owner
// administers.
var colleague = functest.Sam

const (
	// usersCursor leads to what the list of users has after the colleague.
	usersCursor = "Ikv6nK3mj-lJQk1pZC01NTAwQU5PVEhFUg"
	// userHistoryCursor leads to what the colleague's history has after its change
	// to revision 3.
	userHistoryCursor = "aoI0g1pZsjAz"
	// everyQuarter is the policy of the contract's example of that name.
	everyQuarter = `{"maxAgeDays":90,"noticeDays":14,"deletePhasedOutAfterDays":30}`
)

// halfYear makes the deployment's policy one of 180 days.
func halfYear(w *world) {
	w.deployment = apikey.RotationPolicy{MaxAgeDays: 180, NoticeDays: 14}
	w.start()
}

// policySet leaves the owner with a policy of their own.
func policySet(w *world) {
	keyRotated(w)
	w.must(200, call{operation: w.operation("setRotationPolicy"), body: everyQuarter})
}

// colleagueCreates makes the colleague's key in May.
func colleagueCreates(w *world) {
	w.now = firstCreatedAt
	w.must(201, call{operation: w.operation("createKey"), caller: colleague})
}

// twoUsers are the colleague, whose key is used in November, and the sample owner
// with a policy of their own.
func twoUsers(w *world) {
	colleagueCreates(w)
	halfYear(w)
	policySet(w)
	ask := w.operation("authorizeJob")
	w.must(200, call{operation: ask, body: `{` + jobWithoutKey + `,"owner":{"accountId":"` + colleague.AccountID + `","iamId":"` + colleague.IAMID + `"}}`})
}

// colleagueHasKey leaves the colleague with a key and a policy, and the revision 2.
func colleagueHasKey(w *world) {
	colleagueCreates(w)
	w.must(200, call{operation: w.operation("setRotationPolicy"), caller: colleague, body: everyQuarter})
	w.now = rotatedAt
}

// colleagueRunsJobs leaves them with a schedule and a run as well.
func colleagueRunsJobs(w *world) {
	colleagueHasKey(w)
	w.now = boundAt
	w.must(201, call{operation: w.operation("bindSchedule"), caller: colleague, scheduleID: followingID, body: `{}`})
	w.now = runStartedAt
	ask := w.operation("authorizeJob")
	w.must(200, call{operation: ask, body: `{"jobId":"nightly-training","runId":"run-2026-11-02","leaseSeconds":7200,` +
		`"jobType":"model_training","trigger":"scheduled","owner":{"accountId":"` + colleague.AccountID + `","iamId":"` + colleague.IAMID + `"}}`})
	w.now = rotatedAt
}

func colleagueOffboarded(w *world) {
	colleagueHasKey(w)
	w.must(200, call{operation: w.operation("offboardUser"), iamID: colleague.IAMID})
}

func colleagueReinstated(w *world) {
	colleagueOffboarded(w)
	w.must(200, call{operation: w.operation("reinstateUser"), iamID: colleague.IAMID})
}

// onlyUserSuspended leaves an account in which nobody has a key.
func onlyUserSuspended(w *world) {
	colleagueCreates(w)
	w.must(200, call{operation: w.operation("offboardUser"), iamID: colleague.IAMID})
}

// administratorSuspended has the colleague off-board the sample owner.
func administratorSuspended(w *world) {
	colleagueHasKey(w)
	w.must(201, call{operation: w.operation("createKey")})
	w.must(200, call{operation: w.operation("offboardUser"), caller: colleague, iamID: sampleOwner.IAMID})
}
