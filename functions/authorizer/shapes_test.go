package authorizer_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// shape is a form in which the function is asked and answers.
type shape struct {
	// ask asks on behalf of an account, "" being every account.
	ask func(w world, q question, account string) decision
	// isAuthorizer: it is another API's gateway that asks, which has but a
	// credential to ask about and learns no more than whom it lets through.
	isAuthorizer bool
}

// shapes are all shapes, by the name of the event in events/authorizer/ that shows
// each.
var shapes = map[string]shape{
	"webhook": {ask: func(w world, q question, account string) decision { return w.asked(w.runnerOf(account), q) }},
	"webhook-batch": {ask: func(w world, q question, account string) decision {
		return w.amongOthers(w.decided(w.runnerOf(account), w.others(q)...))
	}},
	"direct": {ask: func(w world, q question, account string) decision { return w.invoked(onBehalfOf(account, q)) }},
	"direct-batch": {ask: func(w world, q question, account string) decision {
		return w.amongOthers(w.invokedBatch(onBehalfOf(account, question{}), w.others(q)...))
	}},
	"rest-token": {isAuthorizer: true, ask: func(w world, q question, _ string) decision { return w.protected(restToken(bearer(q))) }},
	"rest-request": {isAuthorizer: true, ask: func(w world, q question, _ string) decision {
		return w.protected(restRequest("Authorization", bearer(q)))
	}},
	"http-api-1.0": {isAuthorizer: true, ask: func(w world, q question, _ string) decision { return w.protected(httpAPI1("authorization", bearer(q))) }},
	"http-api":     {isAuthorizer: true, ask: func(w world, q question, _ string) decision { return w.protected(httpAPI2("authorization", bearer(q))) }},
}

// shapeOfEvent is the shape of an event in events/authorizer/, where it is not the
// event's name. What asks for no decision has none.
var shapeOfEvent = map[string]string{
	"direct-credential": "direct", "direct-owner": "direct", "direct-schedule": "direct",
	"rest-request-refused": "rest-request", "http-api-refused": "http-api",
	"webhook-renewal": "", "webhook-end": "", "direct-renewal": "", "direct-end": "",
}

// A shape that people are shown is among those that the tests ask in, and the
// reverse.
func TestEveryShapeHasAnEventAndEveryEventAShape(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(functest.EventsFolder, "authorizer", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, file := range files {
		name := filepath.Base(file[:len(file)-len(".json")])
		if other, known := shapeOfEvent[name]; known {
			name = other
		}
		if name != "" {
			shown[name] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(shapes)), slices.Sorted(maps.Keys(shown))); diff != "" {
		t.Errorf("shapes that are asked in (-) and shown in events/authorizer (+): %s", diff)
	}
}

// runnerOf is a token of the account's job runner, and with "" of the platform's.
func (w world) runnerOf(account string) string {
	if account == "" {
		return w.platform()
	}
	return w.Token(apikey.Owner{AccountID: account, IAMID: "iam-ServiceId-1"}, apikey.RoleJobRunner)
}

func onBehalfOf(account string, q question) question {
	if account == "" {
		return q
	}
	return q.with("callerAccountId", account)
}

// others has a question in the middle of others: one that is malformed, and one
// about somebody without keys.
func (w world) others(q question) []any {
	return []any{nil, q, byOwner(apikey.Owner{AccountID: "another", IAMID: "nobody"})}
}

func (w world) amongOthers(all []decision) decision {
	w.t.Helper()
	if all[0].Reason != jobauth.InvalidRequest || all[2] != (decision{Reason: jobauth.NoActiveKey}) {
		w.t.Errorf("the others are answered %+v", all)
	}
	return all[1]
}

func bearer(q question) string { return "Bearer " + q["credential"].(string) }

// The questions of gateways of other APIs, as events/authorizer/ has them, with
// another token or header.
func restToken(token string) question {
	return shown("rest-token").with("authorizationToken", token)
}

func restRequest(header, value string) question {
	return shown("rest-request").
		with("headers", map[string]string{"Accept": "*/*", header: value}).
		with("multiValueHeaders", map[string][]string{"Accept": {"*/*"}, header: {value}})
}

func httpAPI1(header, value string) question {
	return shown("http-api-1.0").with("headers", map[string]string{"accept": "*/*", header: value}).
		with("identitySource", value).with("authorizationToken", value)
}

func httpAPI2(header, value string) question {
	return shown("http-api").with("headers", map[string]string{"accept": "*/*", header: value}).with("identitySource", []string{value})
}

// questionsOfGateways are questions about a request with the bearer token, from
// every kind of gateway.
func questionsOfGateways(token string) map[string]question {
	return map[string]question{
		"REST, TOKEN": restToken(token), "REST, REQUEST": restRequest("Authorization", token),
		"HTTP, 1.0": httpAPI1("authorization", token), "HTTP, 2.0": httpAPI2("authorization", token),
	}
}

func shown(event string) (q question) {
	text, err := os.ReadFile(filepath.Join(functest.EventsFolder, "authorizer", event+".json"))
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil {
		panic(err)
	}
	return q
}

// answerToGateway is an answer to a gateway of another API: a policy, or a simple
// one.
type answerToGateway struct {
	PrincipalID    string
	PolicyDocument *struct {
		Version   string
		Statement []struct {
			Action, Resource []string
			Effect           string
		}
	}
	IsAuthorized *bool
	Context      map[string]string
}

// protected has a gateway ask, checks the form of the answer, and returns what it
// says as a decision.
func (w world) protected(event question) decision {
	w.t.Helper()
	answer, err := w.invoke(event)
	if err != nil {
		if message := w.refusedInvocation(apikey.CodeUnauthenticated, answer, err); message != "Unauthorized" {
			w.t.Errorf("the gateway is told %q", message)
		}
		return decision{Reason: jobauth.CredentialMalformed}
	}
	var got answerToGateway
	w.decode(&got)(answer, nil)
	allowed := w.letThrough(event, got)
	if !allowed {
		if len(got.Context) != 1 {
			w.t.Errorf("with the refusal: %v", got.Context)
		}
		return decision{Reason: jobauth.Reason(got.Context["reason"])}
	}
	d := decision{Allowed: true, Reason: jobauth.KeyActive}
	d.Key.ID, d.Key.Name = got.Context["keyId"], got.Context["keyName"]
	d.Owner = apikey.Owner{AccountID: got.Context["accountId"], IAMID: got.Context["iamId"], Username: got.Context["username"]}
	if got.PolicyDocument != nil && got.PrincipalID != d.Owner.IAMID || len(got.Context) != 5 {
		w.t.Errorf("the gateway is answered %s", answer)
	}
	return d
}

// letThrough tells whether the gateway lets the request through, and checks that
// the answer is about the whole stage and nothing else.
func (w world) letThrough(event question, got answerToGateway) bool {
	w.t.Helper()
	if event["version"] == "2.0" {
		if got.IsAuthorized == nil || got.PolicyDocument != nil || got.PrincipalID != "" {
			w.t.Fatalf("not a simple answer: %+v", got)
		}
		return *got.IsAuthorized
	}
	if got.IsAuthorized != nil || got.PolicyDocument == nil || got.PrincipalID == "" {
		w.t.Fatalf("not a policy: %+v", got)
	}
	stage := "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/*"
	if event["version"] == "1.0" {
		stage = "arn:aws:execute-api:us-east-1:123456789012:h1i2j3k4l5/$default/*"
	}
	policy := *got.PolicyDocument
	if policy.Version != "2012-10-17" || len(policy.Statement) != 1 ||
		!slices.Equal(policy.Statement[0].Action, []string{"execute-api:Invoke"}) || !slices.Equal(policy.Statement[0].Resource, []string{stage}) {
		w.t.Errorf("the policy is %+v", policy)
	}
	return policy.Statement[0].Effect == "Allow"
}
