package infra_test

import (
	"strings"
)

const jobWithoutKey = `"jobId":"sales-forecast-7","jobType":"datastage_flow","trigger":"ad_hoc"`

func byCredential(credential string) string {
	return `{` + jobWithoutKey + `,"credential":"` + credential + `"}`
}

func bySchedule(ref string) string { return `{` + jobWithoutKey + `,"scheduleRef":"` + ref + `"}` }

func byOwner(accountID string) string {
	return `{` + jobWithoutKey + `,"owner":{"accountId":"` + accountID + `","iamId":"` + sampleOwner.IAMID + `"}}`
}

func decisions() []scenario {
	ask := func(example string, state func(*world), text string) scenario {
		return vary("authorizeJob", 200, example, func(s *scenario) {
			body(text)(s)
			s.given = state
		})
	}
	named := func(example, request string) scenario {
		return vary("authorizeJob", 200, example, func(s *scenario) { s.request = request })
	}
	return []scenario{
		named("allowed", "adHocJob"),
		named("allowed", "scheduledJob"),
		named("allowed", "runtimeServiceJob"),
		named("credentialMalformed", "mistypedCredential"),
		ask("allowed", scheduleKeyPhasedOut, bySchedule(followingRef)),
		vary("authorizeJob", 200, "allowedRun", func(s *scenario) { s.given, s.request = scheduleKeyPhasedOut, "boundSchedule" }),
		// The same run asked for again, now under the new key.
		vary("authorizeJob", 200, "allowedRun", func(s *scenario) { s.given, s.request = runAfterRotation, "boundSchedule" }),
		ask("credentialMalformed", nothingYet, byCredential("")),
		ask("keyUnknown", keyRotated, byCredential(unknownCredential)),
		ask("keyUnknown", nothingYet, byCredential(firstCredential)),
		ask("keyPhasedOut", keyRotated, byCredential(firstCredential)),
		ask("keyDeleted", firstKeyDeleted, byCredential(firstCredential)),
		ask("noActiveKey", allDeleted, byOwner(sampleOwner.AccountID)),
		ask("noActiveKey", keyRotated, byOwner("another-account")),
		ask("scheduleUnknown", scheduleUnbound, bySchedule(pinnedRef)),
		ask("scheduleUnknown", nothingYet, bySchedule(followingRef)),
		ask("scheduleUnknown", schedulesBound, bySchedule(foreignRef)),
		ask("scheduleUnknown", schedulesBound, bySchedule(followingRef[1:])),
		ask("scheduleUnknown", schedulesBound, bySchedule("")),
		ask("scheduleKeyPhasedOut", scheduleKeyPhasedOut, bySchedule(pinnedRef)),
		ask("scheduleKeyDeleted", scheduleKeyDeleted, bySchedule(pinnedRef)),
		ask("scheduleWithoutActiveKey", runAfterDeletionOfAll, bySchedule(followingRef)),
	}
}

func malformedQuestions() []scenario {
	malformed := func(example, text string) scenario { return vary("authorizeJob", 400, example, body(text)) }
	return []scenario{
		malformed("wrongType", `{"jobId":7,"jobType":"pipeline","trigger":"ad_hoc","credential":"x"}`),
		malformed("missingField", `{`+jobWithoutKey+`,"owner":{"accountId":"account-1"}}`),
		malformed("leaseWithoutRun", `{`+jobWithoutKey+`,"credential":"x","leaseSeconds":60}`),
		malformed("leaseOutOfRange", `{`+jobWithoutKey+`,"credential":"x","runId":"r","leaseSeconds":86401}`),
		malformed("leaseOutOfRange", `{`+jobWithoutKey+`,"credential":"x","runId":"r","leaseSeconds":0}`),
		malformed("unknownJobType", `{"jobId":"j","jobType":"cron","trigger":"ad_hoc","credential":"x"}`),
		malformed("needlessService", `{`+jobWithoutKey+`,"service":"notebook-runtime","credential":"x"}`),
		malformed("keyNotNamed", `{`+jobWithoutKey+`}`),
		malformed("keyNamedTwice", `{`+jobWithoutKey+`,"credential":"x","owner":{"accountId":"account-1","iamId":"IBMid-1"}}`),
	}
}

func batches() []scenario {
	mistyped := byCredential(mistypedCredential)
	batch := func(requests ...string) func(*scenario) {
		return body(`{"requests":[` + strings.Join(requests, ",") + `]}`)
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = mistyped
	}
	return []scenario{
		vary("authorizeJobs", 200, "mixed", func(*scenario) {}),
		vary("authorizeJobs", 200, "malformed", batch(`{"jobId":"j","jobType":"cron","trigger":"ad_hoc","credential":"x"}`, mistyped)),
		vary("authorizeJobs", 200, "undecided", func(s *scenario) {
			batch(mistyped, byOwner(sampleOwner.AccountID))(s)
			s.fault = storeOutOfReach
		}),
		vary("authorizeJobs", 400, "tooManyRequests", batch(many...)),
		vary("authorizeJobs", 400, "tooManyRequests", batch()),
		vary("authorizeJobs", 400, "tooManyRequests", body(`{}`)),
	}
}

func runs() []scenario {
	lease := func(text string) func(*scenario) { return body(`{"leaseSeconds":` + text + `}`) }
	return []scenario{
		vary("renewRun", 200, "renewed", func(s *scenario) { s.request = "fourHours" }),
		vary("renewRun", 200, "renewedAfterRotation", func(s *scenario) { s.given, s.request = runAfterRotation, "fourHours" }),
		vary("renewRun", 200, "leaseKept", func(*scenario) {}),
		vary("renewRun", 200, "leaseKept", func(s *scenario) { s.request = "emptyObject" }),
		vary("renewRun", 200, "keyDeleted", given(runAfterDeletion)),
		vary("renewRun", 200, "keyDeleted", given(runAfterDeletionOfAll)),
		vary("renewRun", 400, "leaseOutOfRange", lease("0")),
		vary("renewRun", 400, "leaseOutOfRange", lease("86401")),
		vary("renewRun", 404, "runNotFound", given(keyRotated)),
		vary("renewRun", 404, "runNotFound", given(runEnded)),
		vary("renewRun", 404, "runNotFound", given(runForgotten)),
		vary("endRun", 204, noContent, func(*scenario) {}),
		vary("endRun", 204, noContent, given(runAfterDeletion)),
		vary("endRun", 404, "runNotFound", given(runEnded)),
		vary("endRun", 404, "runNotFound", given(runForgotten)),
	}
}
