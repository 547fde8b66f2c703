package e2e

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pb33f/go-yaml"
)

// victim is somebody with something of every kind, and what others know of it.
type victim struct {
	*user
	runner     *user
	ids        map[string]string // by the contract's names of path parameters
	active     key
	credential string
	ref        string
	cursors    map[string]string // by path: where a second page begins
}

func newVictim(t *testing.T, in account) victim {
	t.Helper()
	ada, runner := in.user("ada", "Administrator"), in.user("runner", "JobRunner")
	old := ada.create().want(t, 201)
	rotated := ada.rotate().want(t, 201)
	bound := ada.bind("nightly-training", map[string]any{}).want(t, 201)
	ada.bind("weekly-report", map[string]any{"binding": "pinned", "keyId": rotated.Key.ID}).want(t, 201)
	ada.setPolicy(`{"maxAgeDays":90}`).want(t, 200)
	run := runner.start(map[string]any{"credential": rotated.Credential})
	v := victim{
		user: ada, runner: runner, active: rotated.Key, credential: rotated.Credential, ref: bound.ScheduleRef, cursors: map[string]string{},
		ids: map[string]string{"keyId": old.Key.ID, "scheduleId": "nightly-training", "runRef": run.Run.Ref, "iamId": ada.owner.IAMID},
	}
	for _, path := range []string{"/v1/user-api-keys/history", "/v1/schedules", "/v1/account/user-api-keys/ada/history"} {
		page := ada.call("GET", path+"?limit=1", "").want(t, 200)
		page.check(t, "there is another page", page.NextCursor != nil)
		v.cursors[path] = *page.NextCursor
	}
	return v
}

// attempt is an operation with something of the victim's in the request.
type attempt struct {
	cursor bool                    // the victim's
	bodies func(v victim) []string // one after the other; nil is none
	// refused is the answer that everybody gets to whom it does not belong, such as
	// "404 key_not_found"; "" is an answer about what is the caller's own.
	refused string
	// shared tells that it belongs to everybody of the account with the role.
	shared bool
}

// attempts has every operation of the contract, by its id.
var attempts = map[string]attempt{
	"viewKeys":           {},
	"createKey":          {},
	"rotateKey":          {},
	"deleteKey":          {refused: "404 key_not_found"},
	"viewImpact":         {refused: "404 key_not_found"},
	"viewHistory":        {cursor: true, refused: "400 invalid_request"},
	"readRotationPolicy": {},
	"setRotationPolicy":  {bodies: always(`{"maxAgeDays":30}`)},
	"listSchedules":      {cursor: true, refused: "400 invalid_request"},
	"readSchedule":       {refused: "404 schedule_not_found"},
	"unbindSchedule":     {refused: "404 schedule_not_found"},
	"bindSchedule": {refused: "404 key_not_found", bodies: func(v victim) []string {
		return []string{`{"binding":"pinned","keyId":"` + v.active.ID + `"}`, `{"binding":"pinned","credential":"` + v.credential + `"}`}
	}},
	// Whose key it was is not looked at: none of the caller's schedules is pinned to it.
	"rebindSchedules": {bodies: func(v victim) []string { return []string{`{"fromKeyId":"` + v.active.ID + `"}`} }},
	"deleteAllKeys":   {},
	"authorizeJob":    {shared: true, bodies: jobsOf},
	"authorizeJobs": {shared: true, bodies: func(v victim) []string {
		return []string{`{"requests":[` + strings.Join(jobsOf(v), ",") + `]}`}
	}},
	"renewRun":        {shared: true, refused: "404 run_not_found"},
	"endRun":          {shared: true, refused: "404 run_not_found"},
	"listUsers":       {shared: true},
	"viewUserHistory": {shared: true, refused: "404 user_not_found"},
	"offboardUser":    {shared: true, refused: "404 user_not_found"},
	"reinstateUser":   {shared: true, refused: "404 user_not_found"},
}

func always(body string) func(victim) []string {
	return func(victim) []string { return []string{body} }
}

// jobsOf ask in every way for a job under a key of the victim's.
func jobsOf(v victim) []string {
	return []string{
		jobRequest(map[string]any{"runId": "taken", "credential": v.credential}),
		jobRequest(map[string]any{"runId": "taken", "scheduleRef": v.ref, "trigger": "scheduled"}),
		jobRequest(map[string]any{"runId": "taken", "owner": map[string]string{"accountId": v.owner.AccountID, "iamId": v.owner.IAMID}}),
	}
}

// Everything of somebody's that a request can name is tried, with every operation
// of the contract, by a colleague with every role and by somebody of another
// account: they learn nothing of it, and change nothing.
func TestNobodyElseGetsAtWhatHasAnId(t *testing.T) {
	home, elsewhere := newAccount(t), newAccount(t)
	v := newVictim(t, home)
	everyRole := []string{"Administrator", "AccountOwner", "JobRunner"}
	callers := map[string]*user{"colleague": home.user("bob", everyRole...), "stranger": elsewhere.user("eve", everyRole...)}
	before := v.view()
	operations := contractOperations(t)
	for _, op := range operations {
		a, known := attempts[op.id]
		if !known {
			t.Errorf("%s: nobody has said what others get of it", op.id)
		}
		for name, caller := range callers {
			if known && (name == "stranger" || !a.shared) {
				t.Run(op.id+" by a "+name, func(t *testing.T) {
					a.try(t, op, v, &user{t: t, owner: caller.owner, token: caller.token})
					if after := v.view(); after.body != before.body {
						t.Errorf("it has changed what was\n%s\ninto\n%s", before.body, after.body)
					}
				})
			}
		}
	}
	if len(operations) != len(attempts) {
		t.Errorf("the contract has %d operations, and %d are tried", len(operations), len(attempts))
	}
	renewed := v.runner.renew(v.ids["runRef"]).want(t, 200)
	renewed.check(t, "the run goes on", renewed.Allowed)
	impact := v.call("GET", "/v1/user-api-keys/"+v.active.ID+"/impact", "").want(t, 200)
	impact.check(t, "no other run was begun", impact.OnDelete.RunCount == 1 && impact.OnDelete.Runs[0].Ref == v.ids["runRef"])
	for id, binding := range map[string]string{"nightly-training": "follow_active", "weekly-report": "pinned"} {
		schedule := v.readSchedule(id)
		schedule.check(t, "it is bound as it was", schedule.Binding == binding)
	}
}

// contractOperation is one method of one path.
type contractOperation struct{ id, method, path string }

func contractOperations(t *testing.T) (all []contractOperation) {
	t.Helper()
	text, err := os.ReadFile("../../infra/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct {
		Paths map[string]map[string]struct {
			OperationID string `yaml:"operationId"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	for path, methods := range contract.Paths {
		for method, op := range methods {
			all = append(all, contractOperation{op.OperationID, strings.ToUpper(method), path})
		}
	}
	return all
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// try sends the operation's requests as the caller.
func (a attempt) try(t *testing.T, op contractOperation, v victim, caller *user) {
	path := pathParameter.ReplaceAllStringFunc(op.path, func(name string) string {
		id, known := v.ids[strings.Trim(name, "{}")]
		if !known {
			t.Errorf("%s: what is the victim's %s?", op.id, name)
		}
		return id
	})
	if a.cursor {
		path += "?cursor=" + url.QueryEscape(v.cursors[path])
	}
	bodies := []string{""}
	if a.bodies != nil {
		bodies = a.bodies(v)
	}
	for _, body := range bodies {
		r := caller.call(op.method, path, body)
		if got := fmt.Sprint(r.status, " ", r.Code); a.refused != "" && got != a.refused {
			t.Errorf("%s %s %s: %s", op.method, path, body, r.body)
		}
		// The victim's names of what the caller has not sent; and no yes.
		for _, told := range []string{v.active.ID, v.ids["keyId"], v.credential, v.ref, v.ids["runRef"], `"ada"`, `"allowed":true`} {
			if strings.Contains(r.body, told) {
				t.Errorf("%s %s tells %s: %s", op.method, path, told, r.body)
			}
		}
	}
}
