package httpapi

import (
	"slices"
	"strings"
)

// Paths are the resource paths of the whole API, with the methods of each. A
// function that is asked for something else answers 404 or 405 by this table,
// so it does not matter which function the gateway sends a stray request to.
var Paths = map[string][]string{
	"/v1/user-api-keys":                               {"GET", "POST", "DELETE"},
	"/v1/user-api-keys/{keyId}":                       {"DELETE"},
	"/v1/user-api-keys/{keyId}/impact":                {"GET"},
	"/v1/user-api-keys/history":                       {"GET"},
	"/v1/user-api-keys/rotation":                      {"POST"},
	"/v1/rotation-policy":                             {"GET", "PUT"},
	"/v1/account/user-api-keys":                       {"GET"},
	"/v1/account/user-api-keys/{iamId}":               {"DELETE"},
	"/v1/account/user-api-keys/{iamId}/history":       {"GET"},
	"/v1/account/user-api-keys/{iamId}/reinstatement": {"POST"},
	"/v1/schedules":                                   {"GET"},
	"/v1/schedules/{scheduleId}":                      {"GET", "PUT", "DELETE"},
	"/v1/schedule-rebindings":                         {"POST"},
	"/v1/job-authorizations":                          {"POST"},
	"/v1/job-authorizations/batch":                    {"POST"},
	"/v1/job-runs/{runRef}":                           {"DELETE"},
	"/v1/job-runs/{runRef}/renewal":                   {"POST"},
}

// strayRequest tells why no route of this function fits.
func strayRequest(resource, method string) error {
	allowed, known := Paths[resource]
	if !known {
		return problem(CodeNotFound, "There is nothing at this path.")
	}
	if slices.Contains(allowed, method) {
		return problem(CodeNotFound, "This path and method are answered by another function of this API.")
	}
	return problem(CodeMethodNotAllowed, "This path allows "+allowedMethods(resource)+".")
}

// allowedMethods is the value of the Allow header for a path.
func allowedMethods(resource string) string { return strings.Join(Paths[resource], ", ") }
