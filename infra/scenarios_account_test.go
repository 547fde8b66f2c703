package infra_test

import "strings"

func policyScenarios() []scenario {
	malformed := func(example, text string) scenario { return vary("setRotationPolicy", 400, example, body(text)) }
	return []scenario{
		vary("readRotationPolicy", 200, "nothingToDo", given(keyRotated)),
		vary("readRotationPolicy", 200, "nothingToDo", given(nothingYet)),
		vary("readRotationPolicy", 200, "inherited", given(halfYear)),
		vary("readRotationPolicy", 200, "own", given(policySet)),
		vary("setRotationPolicy", 200, "everyQuarter", func(*scenario) {}),
		vary("setRotationPolicy", 200, "everyQuarter", given(policySet)), // which it is already
		vary("setRotationPolicy", 200, "everyQuarter", given(nothingYet)),
		vary("setRotationPolicy", 200, "everyQuarter", header("If-Match", `"2"`)),
		vary("setRotationPolicy", 200, "cleanUpOnly", func(s *scenario) { s.given, s.request = policySet, "cleanUpOnly" }),
		vary("setRotationPolicy", 200, "off", func(s *scenario) { s.given, s.request = halfYear, "off" }),
		vary("setRotationPolicy", 200, "off", func(s *scenario) { s.given, s.request = policySet, "off" }),
		malformed("zeroDays", `{"maxAgeDays":0}`),
		malformed("daysOutOfRange", `{"deletePhasedOutAfterDays":3651}`),
		malformed("daysOutOfRange", `{"deletePhasedOutAfterDays":-1}`),
		malformed("fractionOfADay", `{"maxAgeDays":0.5}`),
		malformed("fractionOfADay", `{"maxAgeDays":"90"}`),
		malformed("noticeOfNothing", `{"noticeDays":14}`),
		malformed("noticeOfNothing", `{"maxAgeDays":null,"noticeDays":14}`),
		malformed("noticeTooEarly", `{"maxAgeDays":14,"noticeDays":14}`),
		malformed("noticeTooEarly", `{"maxAgeDays":1,"noticeDays":3649}`),
	}
}

func accountScenarios() []scenario {
	iamID := func(id string) func(*scenario) { return func(s *scenario) { s.call.iamID = id } }
	all := []scenario{
		vary("listUsers", 200, "allUsers", func(*scenario) {}),
		vary("listUsers", 200, "allUsers", query("limit", "2")),
		vary("listUsers", 200, "firstPage", query("limit", "1")),
		vary("listUsers", 200, "lastPage", query("cursor", usersCursor)),
		vary("listUsers", 200, "suspendedUser", given(onlyUserSuspended)),
		vary("listUsers", 200, "noUsers", given(nothingYet)),
		vary("listUsers", 200, "noUsers", given(allDeleted)),
		vary("listUsers", 400, "limitOutOfRange", query("limit", "101")),
		vary("listUsers", 400, "foreignCursor", query("cursor", sampleCursor[1:])),

		vary("offboardUser", 200, "offboarded", func(*scenario) {}),
		vary("offboardUser", 200, "offboarded", header("If-Match", `"2"`)),
		vary("offboardUser", 200, "offboardedInUse", given(colleagueRunsJobs)),
		vary("offboardUser", 200, "suspendedBefore", given(colleagueOffboarded)),

		vary("viewUserHistory", 200, "allChanges", func(*scenario) {}),
		vary("viewUserHistory", 200, "firstPage", query("limit", "2")),
		vary("viewUserHistory", 200, "lastPage", query("cursor", userHistoryCursor)),
		vary("viewUserHistory", 400, "limitOutOfRange", query("limit", "0")),
		vary("viewUserHistory", 400, "foreignCursor", query("cursor", sampleCursor[1:])),

		vary("reinstateUser", 200, "reinstated", func(*scenario) {}),
		vary("reinstateUser", 200, "reinstated", func(s *scenario) { s.request = "emptyObject" }),
		vary("reinstateUser", 200, "reinstated", header("If-Match", `"3"`)),
		vary("reinstateUser", 200, "reinstated", given(colleagueReinstated)),
		vary("reinstateUser", 200, "notSuspended", given(colleagueHasKey)),
	}
	for _, operation := range []string{"offboardUser", "viewUserHistory", "reinstateUser"} {
		all = append(all,
			vary(operation, 404, "userNotFound", given(nothingYet)),
			vary(operation, 404, "userNotFound", iamID("IBMid-5500NOBODY")),
			vary(operation, 404, "userNotFound", iamID(strings.Repeat("x", 128))))
	}
	all = append(all, vary("listUsers", 403, "administratorSuspended", given(administratorSuspended)))
	for _, operation := range []string{"offboardUser", "viewUserHistory", "reinstateUser"} {
		all = append(all,
			vary(operation, 403, "administratorSuspended", given(administratorSuspended)),
			vary(operation, 403, "administratorSuspended", func(s *scenario) { s.given, s.call.iamID = administratorSuspended, sampleOwner.IAMID }))
	}
	return all
}
