package infra_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

func (s scenario) name() string { return fmt.Sprintf("%s %d %s", s.operation, s.status, s.example) }

// Every answer that the contract documents is given by the real functions, to a
// request that the contract allows (or does not, when the answer says so), and
// looks as the contract shows it.
func TestEveryDocumentedAnswerIsGiven(t *testing.T) {
	c := loadContract(t)
	all := scenarios()
	if diff := cmp.Diff(documentedAnswers(c), namesOf(all), sorted); diff != "" {
		t.Errorf("documented (-) and brought about (+): %s", diff)
	}
	for _, s := range all {
		t.Run(s.name(), func(t *testing.T) {
			t.Parallel()
			checkScenario(t, c, s)
		})
	}
}

// noContent stands for the example of an answer that has none, for it is empty.
const noContent = "noContent"

func documentedAnswers(c *contract) []string {
	var names []string
	for _, op := range c.operations() {
		for status, response := range op.answers() {
			if response.Content == nil {
				names = append(names, op.id+" "+status+" "+noContent)
			}
			for _, media := range response.Content.FromOldest() {
				for example := range media.Examples.FromOldest() {
					names = append(names, op.id+" "+status+" "+example)
				}
			}
		}
	}
	return names
}

func namesOf(all []scenario) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.name())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func checkScenario(t *testing.T, c *contract, s scenario) {
	t.Helper()
	got := bringAbout(t, c, s)
	if got.status != s.status {
		t.Fatalf("the answer is %d %s", got.status, got.body)
	}
	if ok, errs := c.validator.ValidateHttpResponse(got.request, got.response()); !ok {
		t.Errorf("the answer breaks the contract: %v", asError(errs))
	}
	ok, errs := c.validator.ValidateHttpRequest(got.request)
	switch refused := got.refusesForm(); {
	case got.status == 413, s.example == "noticeTooEarly": // no schema can express the size of a body, nor compare two numbers
	case refused && ok:
		t.Error("the contract allows the request")
	case !refused && !ok:
		t.Errorf("the request breaks the contract: %v", asError(errs))
	}
	if diff := cmp.Diff(masked(exampleOf(t, c, s)), masked(got.body)); diff != "" {
		t.Errorf("the example (-) and the answer (+): %s", diff)
	}
	checkHeaders(t, got)
}

// bringAbout sends a scenario's request in a world of its own.
func bringAbout(t *testing.T, c *contract, s scenario) answer {
	t.Helper()
	w := newWorld(t)
	s.given(w)
	w.start()
	if s.fault != nil {
		s.fault(w)
	}
	return w.send(s.asCall(c, t))
}

// asCall is the scenario's request.
func (s scenario) asCall(c *contract, t *testing.T) call {
	t.Helper()
	request := s.call
	request.operation = c.operation(t, s.operation)
	if s.request != "" {
		request.body = request.operation.bodyLike(t, s.request)
	}
	return request
}

// bodyLike is the body that an example of the contract's requests shows.
func (o operation) bodyLike(t *testing.T, example string) string {
	t.Helper()
	shown := o.RequestBody.Content.GetOrZero("application/json").Examples.GetOrZero(example)
	if shown == nil {
		t.Fatalf("the contract has no request %q", example)
	}
	return asJSON(t, shown.Value)
}

func TestEveryRequestExampleIsSent(t *testing.T) {
	sent := map[string]bool{}
	for _, s := range scenarios() {
		sent[s.operation+" "+s.request] = true
	}
	for _, op := range loadContract(t).operations() {
		if op.RequestBody == nil {
			continue
		}
		for _, media := range op.RequestBody.Content.FromOldest() {
			for name := range media.Examples.FromOldest() {
				if !sent[op.id+" "+name] {
					t.Errorf("%s: the request %s is never sent", op.id, name)
				}
			}
		}
	}
}

func exampleOf(t *testing.T, c *contract, s scenario) string {
	t.Helper()
	response := c.operation(t, s.operation).Responses.Codes.GetOrZero(fmt.Sprint(s.status))
	if response == nil {
		t.Fatalf("the contract has no answer %d", s.status)
	}
	if s.example == noContent && response.Content == nil {
		return ""
	}
	for _, media := range response.Content.FromOldest() {
		if example := media.Examples.GetOrZero(s.example); example != nil {
			return asJSON(t, example.Value)
		}
	}
	t.Fatalf("the contract has no example %q", s.example)
	return ""
}

// refusesForm tells whether the answer is about the request's form, or that of a
// request in a batch, which the contract then must not allow.
func (a answer) refusesForm() bool {
	_, token := a.request.Header["Authorization"]
	return a.status == 400 || a.status == 415 || !token ||
		a.status == 200 && strings.Contains(a.body, `"reason":"invalid_request"`)
}

// checkHeaders holds headers to the body that they come with.
func checkHeaders(t *testing.T, a answer) {
	t.Helper()
	var body struct {
		Code     apikey.Code
		Revision *int64
	}
	if a.status != http.StatusNoContent {
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			t.Fatal(err)
		}
	}
	comesAgain := []apikey.Code{apikey.CodeConflict, apikey.CodeUnavailable, apikey.CodeRotationRateExceeded}
	if _, told := a.headers["Retry-After"]; told != slices.Contains(comesAgain, body.Code) {
		t.Errorf("with the code %q, Retry-After is %q", body.Code, a.headers["Retry-After"])
	}
	if tag, tagged := a.headers["ETag"]; tagged && body.Revision != nil && tag != httpapi.ETag(*body.Revision) {
		t.Errorf("ETag is %s with %s", tag, a.body)
	}
}

// Whatever the state and the request, no answer is given that the contract does
// not document.
func TestNoOtherAnswerIsGiven(t *testing.T) {
	c := loadContract(t)
	states := map[string]func(*world){
		"nothing yet": nothingYet, "a key": keyCreated, "a rotated key": keyRotated, "the first key deleted": firstKeyDeleted,
		"all deleted": allDeleted, "the owner suspended": ownerSuspended, "the allowance used up": allowanceUsedUp,
		"the allowance used up with a key": allowanceUsedUpWithKey, "full of Phased out keys": fullOfPhasedOutKeys,
		"a run of the Active key": runStarted, "a schedule and a run of a Phased out key": runAfterRotation,
		"a schedule and a run of a deleted key": runAfterDeletion, "schedules and a run without a key": runAfterDeletionOfAll,
		"a colleague with a key and jobs": colleagueRunsJobs, "a colleague who was off-boarded": colleagueOffboarded,
		"an administrator who was off-boarded": administratorSuspended, "a policy": policySet,
	}
	for state, given := range states {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			unchanged := newWorld(t)
			given(unchanged)
			sent := map[string]bool{}
			for _, s := range scenarios() {
				request := fmt.Sprint(s.operation, s.request, s.call)
				if s.fault != nil || s.isRefusedBeforeState() || sent[request] {
					continue
				}
				sent[request] = true
				w := unchanged
				if s.mayChangeState() {
					w = newWorld(t)
					given(w)
				}
				got := w.send(s.asCall(c, t))
				if ok, errs := c.validator.ValidateHttpResponse(got.request, got.response()); !ok {
					t.Errorf("%s is answered %d %s: %v", s.name(), got.status, got.body, asError(errs))
				}
			}
		})
	}
}

// isRefusedBeforeState tells whether it is the request alone that is refused: who
// sends it, or its form in general.
func (s scenario) isRefusedBeforeState() bool {
	return slices.Contains([]int{401, 413, 415}, s.status) ||
		slices.Contains([]string{"roleRequired", "unknownQueryParameter", "unknownField"}, s.example)
}

// mayChangeState tells whether the request can leave another state behind for
// the next one. That of a decision only knows of one more use, or run.
func (s scenario) mayChangeState() bool {
	return slices.Contains(changes, s.operation) || s.operation == "endRun"
}

// Who needs which role is the same in the contract and in the code.
func TestRolesOfTheContractAreThoseOfTheCode(t *testing.T) {
	c := loadContract(t)
	roles := texts([]apikey.Role{apikey.RoleAdministrator, apikey.RoleAccountOwner, apikey.RoleJobRunner, apikey.RolePlatformJobRunner, "Viewer"})
	for _, op := range c.operations() {
		var permitted []string
		for _, role := range roles {
			s := proper[op.id]
			s.operation, s.call.token = op.id, role
			if bringAbout(t, c, s).status != 403 {
				permitted = append(permitted, role)
			}
		}
		if diff := cmp.Diff(permitted, op.roles(), sorted); diff != "" {
			t.Errorf("%s: permitted (-) and documented (+): %s", op.id, diff)
		}
	}
}

func decodeProblem(t *testing.T, body string) httpapi.Problem {
	t.Helper()
	var problem httpapi.Problem
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return problem
}

var (
	credentialText = regexp.MustCompile(apikey.CredentialPattern)
	arnText        = regexp.MustCompile(`arn:aws:secretsmanager:[^"]+`)
	uuidText       = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// masked is a body with everything that is new each time made the same: a
// credential, an ARN, and ids, which are numbered in the order in which they
// first come, so that the same id stays the same.
func masked(body string) string {
	if body == "" {
		return ""
	}
	var value any
	if err := json.Unmarshal([]byte(body), &value); err != nil {
		return "not JSON: " + body
	}
	indented, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err.Error()
	}
	text := credentialText.ReplaceAllString(string(indented), "(credential)")
	text = arnText.ReplaceAllString(text, "(arn)")
	numbers := map[string]int{}
	return uuidText.ReplaceAllStringFunc(text, func(id string) string {
		if numbers[id] == 0 {
			numbers[id] = len(numbers) + 1
		}
		return fmt.Sprintf("(id %d)", numbers[id])
	})
}
