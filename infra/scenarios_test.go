package infra_test

import (
	"slices"
	"strings"

	"github.com/userapikey/service/shared/httpapi"
)

// scenario brings about one answer that the contract documents.
type scenario struct {
	operation string
	status    int
	// example names the answer among the examples of that status.
	example string
	// given is the state before; fault is what goes wrong then.
	given, fault func(*world)
	// request names the example of the contract that is the body; "" is call.body.
	request string
	call    call
}

// A request of each operation that succeeds, as the others vary it.
var proper = map[string]scenario{
	"viewKeys":           {given: keyRotated},
	"viewImpact":         {given: keyRotated, call: call{keyID: firstKeyID}},
	"viewHistory":        {given: keyRotated},
	"createKey":          {given: nothingYet},
	"rotateKey":          {given: keyToRotate},
	"deleteKey":          {given: keyRotated, call: call{keyID: firstKeyID}},
	"deleteAllKeys":      {given: keyRotated},
	"listSchedules":      {given: schedulesBound},
	"readSchedule":       {given: schedulesBound, call: call{scheduleID: followingID}},
	"bindSchedule":       {given: keyInJune, request: "followActive", call: call{scheduleID: followingID}},
	"unbindSchedule":     {given: schedulesBound, call: call{scheduleID: pinnedID}},
	"rebindSchedules":    {given: scheduleKeyPhasedOut, request: "fromPhasedOutKey"},
	"readRotationPolicy": {given: keyRotated},
	"setRotationPolicy":  {given: keyRotated, request: "everyQuarter"},
	"listUsers":          {given: twoUsers},
	"offboardUser":       {given: colleagueHasKey, call: call{iamID: colleague.IAMID}},
	"viewUserHistory":    {given: colleagueReinstated, call: call{iamID: colleague.IAMID}},
	"reinstateUser":      {given: colleagueOffboarded, call: call{iamID: colleague.IAMID}},
	"authorizeJob":       {given: keyRotated, request: "adHocJob"},
	"authorizeJobs":      {given: scheduleKeyPhasedOut, request: "threeJobs"},
	"renewRun":           {given: runStarted, call: call{runRef: sampleRunRef}},
	"endRun":             {given: runStarted, call: call{runRef: sampleRunRef}},
}

var (
	changes = []string{
		"createKey", "rotateKey", "deleteKey", "deleteAllKeys", "bindSchedule", "unbindSchedule", "rebindSchedules",
		"setRotationPolicy", "offboardUser", "reinstateUser",
	}
	issues    = []string{"createKey", "rotateKey"}
	jobs      = []string{"authorizeJob", "authorizeJobs", "renewRun", "endRun"}
	needBody  = []string{"setRotationPolicy", "bindSchedule", "rebindSchedules", "authorizeJob", "authorizeJobs"}
	undecided = []string{"authorizeJobs"} // what cannot be reached is told of each request of a batch
)

func scenarios() []scenario {
	var all []scenario
	for operation := range proper {
		all = append(all, refusalsOfAnyRequest(operation)...)
		if slices.Contains(changes, operation) {
			all = append(all, refusalsOfAnyChange(operation)...)
		}
		if slices.Contains(issues, operation) {
			all = append(all, refusalsOfAnyIssue(operation)...)
		}
	}
	return slices.Concat(all, keyScenarios(), historyScenarios(), refusalsOfKeyChanges(), impacts(),
		policyScenarios(), accountScenarios(), scheduleScenarios(), bindings(), rebindings(), malformedBindings(), decisions(), malformedQuestions(), batches(), runs())
}

// vary is the proper request of an operation with one thing different.
func vary(operation string, status int, example string, change func(*scenario)) scenario {
	s := proper[operation]
	s.operation, s.status, s.example = operation, status, example
	change(&s)
	return s
}

func header(name, value string) func(*scenario) {
	return func(s *scenario) { s.call.headers = map[string]string{name: value} }
}

func body(text string) func(*scenario) {
	return func(s *scenario) { s.request, s.call.body = "", text }
}

func query(name, value string) func(*scenario) {
	return func(s *scenario) { s.call.query = map[string]string{name: value} }
}

func token(kind string) func(*scenario) { return func(s *scenario) { s.call.token = kind } }

func given(state func(*world)) func(*scenario) { return func(s *scenario) { s.given = state } }

func fault(fault func(*world)) func(*scenario) { return func(s *scenario) { s.fault = fault } }

func refusalsOfAnyRequest(operation string) []scenario {
	unknownField := map[string]string{
		"bindSchedule": `{"name":"my schedule"}`, "rebindSchedules": `{"name":"mine","fromKeyId":"` + firstKeyID + `"}`,
		"authorizeJob":  `{"name":"my job",` + jobWithoutKey + `,"credential":"x"}`,
		"authorizeJobs": `{"name":"my jobs","requests":[{` + jobWithoutKey + `,"credential":"x"}]}`,
	}[operation]
	if unknownField == "" {
		unknownField = `{"name":"mine"}`
	}
	otherRole, most := "JobRunner", httpapi.MaxBodyBytes
	if slices.Contains(jobs, operation) {
		otherRole = "Administrator"
	}
	if operation == "authorizeJobs" {
		most = 256 << 10
	}
	refusals := []scenario{
		vary(operation, 400, "unknownQueryParameter", query("page", "2")),
		vary(operation, 400, "unknownField", body(unknownField)),
		vary(operation, 401, "noToken", token("none")),
		vary(operation, 401, "expiredToken", token("expired")),
		vary(operation, 403, "roleRequired", token(otherRole)),
		vary(operation, 413, "payloadTooLarge", body("{"+strings.Repeat(" ", most-1)+"}")),
		vary(operation, 415, "unsupportedMediaType", func(s *scenario) {
			body("name=my+key")(s)
			header("Content-Type", "application/x-www-form-urlencoded")(s)
		}),
		vary(operation, 500, "internalError", fault(defectOf(operation))),
		vary(operation, 503, "issuerOutOfReach", fault(issuerOutOfReach)),
	}
	if slices.Contains(needBody, operation) {
		refusals = append(refusals, vary(operation, 400, "noBody", body("")))
	}
	if !slices.Contains(undecided, operation) {
		refusals = append(refusals, vary(operation, 503, "storeOutOfReach", fault(storeOutOfReach)))
	}
	return refusals
}

// defectOf is something that an operation cannot work without, or with.
func defectOf(operation string) func(*world) {
	switch operation {
	case "authorizeJob", "readRotationPolicy":
		return unreadableRing
	case "viewKeys", "viewImpact", "readSchedule", "renewRun":
		return unreadableItems
	case "viewHistory", "viewUserHistory", "listSchedules":
		return unreadableChange
	case "authorizeJobs", "endRun", "listUsers":
		return noClock
	default:
		return noRandomness
	}
}

func refusalsOfAnyChange(operation string) []scenario {
	return []scenario{
		vary(operation, 400, "malformedIfMatch", header("If-Match", "2")),
		vary(operation, 409, "conflict", fault(everyRaceLost)),
		vary(operation, 412, "revisionMismatch", header("If-Match", `"7"`)),
		vary(operation, 412, "revisionMismatch", header("If-Match", `W/"0", "8"`)),
	}
}

func refusalsOfAnyIssue(operation string) []scenario {
	const key = "8a5dd5c5-9c1c-4d43-a3a1-3c4c5f3d8a10"
	usedFor, usedUp := "rotateKey", allowanceUsedUp
	if operation == "rotateKey" {
		usedFor, usedUp = "createKey", allowanceUsedUpWithKey
	}
	return []scenario{
		vary(operation, 400, "longIdempotencyKey", header("Idempotency-Key", strings.Repeat("k", 65))),
		vary(operation, 422, "idempotencyKeyReused", func(s *scenario) {
			s.call.headers = map[string]string{"Idempotency-Key": key}
			s.given = func(w *world) {
				if usedFor == "rotateKey" {
					keyCreated(w)
				}
				w.must(201, call{operation: w.operation(usedFor), headers: s.call.headers})
			}
		}),
		vary(operation, 429, "rotationRateExceeded", given(usedUp)),
		vary(operation, 503, "materialOutOfReach", fault(materialOutOfReach)),
	}
}

// keyScenarios are what succeeds.
func keyScenarios() []scenario {
	again := map[string]string{"Idempotency-Key": "8a5dd5c5-9c1c-4d43-a3a1-3c4c5f3d8a10"}
	first := func(w *world, operation string) {
		w.must(201, call{operation: w.operation(operation), headers: again})
	}
	return []scenario{
		vary("viewKeys", 200, "activeAndPhasedOut", given(keyRotated)),
		vary("viewKeys", 200, "noKeys", given(nothingYet)),
		vary("viewKeys", 200, "suspended", given(ownerSuspended)),

		vary("createKey", 201, "created", given(nothingYet)),
		vary("createKey", 201, "created", func(s *scenario) { s.request = "emptyObject" }),
		vary("createKey", 201, "created", header("If-Match", `"0"`)),
		vary("createKey", 201, "created", header("If-Match", `*`)),
		vary("createKey", 201, "created", header("Idempotency-Key", strings.Repeat("~", 64))),
		vary("createKey", 201, "created", func(s *scenario) {
			s.call.headers = again
			s.given = func(w *world) { first(w, "createKey") }
		}),
		vary("createKey", 201, "repeatedLater", func(s *scenario) {
			s.call.headers = again
			s.given = func(w *world) {
				first(w, "createKey")
				w.must(201, call{operation: w.operation("rotateKey")})
			}
		}),
		vary("createKey", 201, "repeatedLater", func(s *scenario) {
			s.call.headers = again
			s.given = func(w *world) {
				first(w, "createKey")
				w.must(200, call{operation: w.operation("deleteAllKeys")})
			}
		}),

		vary("rotateKey", 201, "rotated", given(keyToRotate)),
		vary("rotateKey", 201, "rotated", func(s *scenario) { s.request = "emptyObject" }),
		vary("rotateKey", 201, "rotated", header("If-Match", `"0" , "1"`)),
		vary("rotateKey", 201, "rotated", func(s *scenario) {
			s.call.headers = again
			s.given = func(w *world) {
				keyToRotate(w)
				first(w, "rotateKey")
			}
		}),
		vary("rotateKey", 201, "repeatedLater", func(s *scenario) {
			s.call.headers = again
			s.given = func(w *world) {
				keyToRotate(w)
				first(w, "rotateKey")
				w.must(201, call{operation: w.operation("rotateKey")})
			}
		}),

		vary("deleteKey", 200, "deletedOne", given(keyRotated)),
		vary("deleteAllKeys", 200, "deletedAll", given(keyRotated)),
		vary("deleteAllKeys", 200, "deletedAll", header("If-Match", `"2"`)),
		vary("deleteAllKeys", 200, "nothingToDelete", given(allDeleted)),
	}
}

// historyScenarios leave out limits that the schema of an integer lets pass and
// the service does not, such as 1e1 and 010.
func historyScenarios() []scenario {
	return []scenario{
		vary("viewHistory", 200, "allChanges", given(keyRotated)),
		vary("viewHistory", 200, "allChanges", query("limit", "2")),
		vary("viewHistory", 200, "allChanges", query("limit", "100")),
		vary("viewHistory", 200, "firstPage", query("limit", "1")),
		vary("viewHistory", 200, "lastPage", query("cursor", sampleCursor)),
		vary("viewHistory", 200, "lastPage", func(s *scenario) {
			s.call.query = map[string]string{"cursor": sampleCursor, "limit": "1"}
		}),
		vary("viewHistory", 200, "noChanges", given(nothingYet)),
		vary("viewHistory", 400, "limitOutOfRange", query("limit", "101")),
		vary("viewHistory", 400, "limitOutOfRange", query("limit", "0")),
		vary("viewHistory", 400, "limitOutOfRange", query("limit", "-1")),
		vary("viewHistory", 400, "limitOutOfRange", query("limit", "1.5")),
		vary("viewHistory", 400, "limitOutOfRange", query("limit", "ten")),
		vary("viewHistory", 400, "limitOutOfRange", query("limit", "")),
		vary("viewHistory", 400, "foreignCursor", query("cursor", sampleCursor[1:])),
		vary("viewHistory", 400, "foreignCursor", query("cursor", sampleCursor+"!")),
		vary("viewHistory", 400, "foreignCursor", query("cursor", "")),
	}
}

func refusalsOfKeyChanges() []scenario {
	return []scenario{
		vary("createKey", 403, "ownerSuspended", given(ownerSuspended)),
		vary("createKey", 409, "activeKeyExists", given(keyCreated)),
		vary("rotateKey", 409, "noActiveKey", given(nothingYet)),
		vary("rotateKey", 409, "noActiveKey", given(allDeleted)),
		vary("rotateKey", 409, "tooManyPhasedOutKeys", given(fullOfPhasedOutKeys)),
		vary("deleteKey", 409, "keyActive", keyID(secondKeyID)),
		vary("deleteKey", 404, "keyNotFound", given(firstKeyDeleted)),
		vary("deleteKey", 404, "keyNotFound", keyID("01a1bfc0-1900-7bad-8d40-e857956f388f")),
	}
}
