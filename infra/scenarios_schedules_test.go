package infra_test

import "strings"

func keyID(id string) func(*scenario) { return func(s *scenario) { s.call.keyID = id } }

func scheduleID(id string) func(*scenario) { return func(s *scenario) { s.call.scheduleID = id } }

func impacts() []scenario {
	return []scenario{
		vary("viewKeys", 200, "used", given(runStarted)),
		vary("viewImpact", 200, "activeKey", given(runStarted)),
		vary("viewImpact", 200, "phasedOutKey", given(runAfterRotation)),
		vary("viewImpact", 200, "nothing", given(keyRotated)),
		vary("viewImpact", 404, "keyNotFound", given(firstKeyDeleted)),
		vary("viewImpact", 404, "keyNotFound", keyID("01a1bfc0-1900-7bad-8d40-e857956f388f")),
		vary("rotateKey", 201, "rotatedWithPinnedSchedule", given(runStartedBeforeRotation)),
		vary("deleteKey", 200, "deletedOneInUse", given(runAfterRotation)),
		vary("deleteAllKeys", 200, "deletedAllInUse", given(runAfterRotation)),
		vary("viewHistory", 200, "schedulesToo", func(s *scenario) {
			s.given = unboundAfterDeletion
			query("limit", "4")(s)
		}),
	}
}

func scheduleScenarios() []scenario {
	at := func(id string, state func(*world)) func(*scenario) {
		return func(s *scenario) { s.given, s.call.scheduleID = state, id }
	}
	return []scenario{
		vary("listSchedules", 200, "allSchedules", func(*scenario) {}),
		vary("listSchedules", 200, "allSchedules", query("limit", "2")),
		vary("listSchedules", 200, "firstPage", func(s *scenario) {
			s.given = scheduleKeyPhasedOut
			query("limit", "1")(s)
		}),
		vary("listSchedules", 200, "lastPage", query("cursor", schedulesCursor)),
		vary("listSchedules", 200, "noSchedules", given(keyRotated)),
		vary("listSchedules", 200, "noSchedules", given(nothingYet)),
		vary("listSchedules", 400, "limitOutOfRange", query("limit", "101")),
		vary("listSchedules", 400, "foreignCursor", query("cursor", sampleCursor[1:])),
		vary("readSchedule", 200, "ready", at(followingID, scheduleKeyPhasedOut)),
		vary("readSchedule", 200, "keyPhasedOut", at(pinnedID, scheduleKeyPhasedOut)),
		vary("readSchedule", 200, "keyDeleted", at(pinnedID, scheduleKeyDeleted)),
		vary("readSchedule", 200, "noActiveKey", at(followingID, runAfterDeletionOfAll)),
		vary("readSchedule", 404, "scheduleNotFound", at(pinnedID, scheduleUnbound)),
		vary("unbindSchedule", 204, noContent, func(*scenario) {}),
		vary("unbindSchedule", 204, noContent, header("If-Match", `"3"`)),
		vary("unbindSchedule", 204, noContent, at(pinnedID, scheduleKeyDeleted)),
		vary("unbindSchedule", 404, "scheduleNotFound", at(pinnedID, scheduleUnbound)),
	}
}

func bindings() []scenario {
	const samePinned = `{"binding":"pinned","keyId":"` + firstKeyID + `",` + boardReport + `}`
	pinned := func(text string, state func(*world)) func(*scenario) {
		return func(s *scenario) {
			body(text)(s)
			s.given, s.call.scheduleID = state, pinnedID
		}
	}
	toKey := func(id string) string { return `{"binding":"pinned","keyId":"` + id + `"}` }
	return []scenario{
		vary("bindSchedule", 201, "follows", func(*scenario) {}),
		vary("bindSchedule", 201, "follows", body(`{}`)),
		vary("bindSchedule", 201, "pinned", func(s *scenario) { s.request = "pinnedByKeyId" }),
		vary("bindSchedule", 201, "pinnedToCredential", func(s *scenario) { s.request = "pinnedByCredential" }),
		vary("bindSchedule", 200, "boundAgain", pinned(`{"binding":"follow_active"}`, scheduleKeyPhasedOut)),
		vary("bindSchedule", 200, "unchanged", pinned(samePinned, scheduleKeyPhasedOut)),
		vary("bindSchedule", 404, "keyNotFound", pinned(toKey("01a1bfc0-1900-7bad-8d40-e857956f388f"), keyRotated)),
		vary("bindSchedule", 404, "keyNotFound", pinned(`{"binding":"pinned","credential":"`+unknownCredential+`"}`, keyRotated)),
		vary("bindSchedule", 409, "keyNotActive", pinned(toKey(firstKeyID), keyRotated)),
		vary("bindSchedule", 409, "keyNotActive", pinned(toKey(firstKeyID), firstKeyDeleted)),
		vary("bindSchedule", 409, "keyNotActive", pinned(`{"binding":"pinned","credential":"`+firstCredential+`"}`, keyRotated)),
		vary("bindSchedule", 409, "tooManySchedules", given(fullOfSchedules)),
	}
}

func rebindings() []scenario {
	return []scenario{
		vary("rebindSchedules", 200, "allRebound", func(*scenario) {}),
		vary("rebindSchedules", 200, "allRebound", given(scheduleKeyDeleted)),
		vary("rebindSchedules", 200, "someRemain", func(s *scenario) { s.given, s.fault = hundredOfPhasedOutKey, secondRaceLost }),
		vary("rebindSchedules", 200, "nothingToRebind", given(keyRotated)),
		vary("rebindSchedules", 200, "nothingToRebind", given(schedulesBound)), // from the Active key itself
		vary("rebindSchedules", 409, "noActiveKey", given(runAfterDeletionOfAll)),
		vary("rebindSchedules", 400, "malformedFromKeyId", body(`{"fromKeyId":"my first key"}`)),
		vary("rebindSchedules", 400, "malformedFromKeyId", body(`{}`)),
	}
}

func malformedBindings() []scenario {
	malformed := func(example, text string) scenario { return vary("bindSchedule", 400, example, body(text)) }
	return []scenario{
		vary("bindSchedule", 400, "malformedScheduleId", scheduleID("nightly~training")),
		vary("bindSchedule", 400, "malformedScheduleId", scheduleID(strings.Repeat("n", 129))),
		malformed("unknownBinding", `{"binding":"newest"}`),
		malformed("pinnedToNoKey", `{"binding":"pinned"}`),
		malformed("pinnedToNoKey", `{"binding":"pinned","keyId":"`+firstKeyID+`","credential":"`+firstCredential+`"}`),
		malformed("followsNamedKey", `{"binding":"follow_active","keyId":"`+firstKeyID+`"}`),
		malformed("followsNamedKey", `{"credential":"`+firstCredential+`"}`),
		malformed("mistypedCredential", `{"binding":"pinned","credential":"`+mistypedCredential[:97]+`"}`),
		malformed("unknownJobType", `{"jobType":"cron"}`),
		malformed("longDescription", `{"description":"`+strings.Repeat("d", 257)+`"}`),
	}
}
