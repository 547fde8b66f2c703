package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/localstack/deployed"
	"github.com/userapikey/service/proof"
	"github.com/userapikey/service/shared/apikey"
)

// emulated is the deployed table and the emulator's Secrets Manager, beneath
// functions in this process, where calls can be failed.
func emulated() servicetest.Backend {
	return servicetest.Backend{
		Table: emulator, Secrets: emulator, Getenv: cloud().Getenv, TableName: stack["TABLE_NAME"], SecretPrefix: "user-api-key/proof",
	}
}

// emulator keeps as many connections as cases run at once.
var emulator = &http.Transport{MaxIdleConnsPerHost: 64}

// The cases in which DynamoDB fails all run on its own engine (localstack/dynamodblocal);
// the emulator, which does one thing at a time, takes minutes for them. Calls of Secrets
// Manager meet no other engine that is not ours, and fail in every way here.
func TestFaultMatrixOnTheEmulator(t *testing.T) {
	oneIn := 7
	if os.Getenv("PROOF") == "full" { // make test PROOF=full
		oneIn = 1
	}
	proof.Matrix(t, emulated, false, oneIn)
}

func TestLinearizableOnTheEmulator(t *testing.T) {
	histories := 20
	if os.Getenv("PROOF") == "full" { // make prove
		histories = 200
	}
	proof.Linearizable(t, emulated, histories, false)
}

func TestCheckerCatchesBrokenStoresOnTheEmulator(t *testing.T) {
	for name, broken := range proof.BrokenStores {
		failures, summary := proof.Unexplained(t, emulated, broken, 10, false)
		t.Logf("proof: linearizability: of a store %s: %d of %s unexplained", name, len(failures), summary)
		if len(failures) == 0 {
			t.Errorf("%s: the checker found nothing wrong", name)
		}
	}
}

func TestZeroStaleOnTheEmulator(t *testing.T) {
	ada := newUser(t, "Administrator")
	runner := newUser(t, "JobRunner")
	api := proof.API{URL: stack["API_URL"], Administrator: ada.token, JobRunner: runner.token}
	if stale := proof.ZeroStale(t, api, api, func() {}); stale > 0 {
		t.Errorf("%d decisions were stale", stale)
	}
}

// What the deployed functions logged and wrote, and all that they answered but
// for the answers that show a credential, in a life with everything that
// clients do wrong.
func TestNoCredentialIsToldByTheDeployedFunctions(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	subscription := subscribe(t, ada)
	created := ada.create("Idempotency-Key", "key-1").want(t, 201)
	ada.create("Idempotency-Key", "key-1").want(t, 201)
	rotated := ada.rotate().want(t, 201)
	texts := map[string]string{}
	for _, credential := range []string{created.Credential, rotated.Credential} {
		texts["decision"] += runner.authorize(credential).body + runner.authorize(credential[:97]).body
		for _, body := range []string{
			`{"` + credential + `":1}`, `{"jobId":"` + credential + `"}`, `{"jobId":"x","trigger":"` + credential + `"}`, `"` + credential, credential,
		} {
			texts["refusal"] += runner.call("POST", "/v1/job-authorizations", body).want(t, 400).body
			answer, _ := invoke(t, `{"jobType":"`+credential+`"}`)
			texts["failed invocation"] += answer.body
		}
		texts["refusal"] += ada.call("DELETE", "/v1/user-api-keys/"+credential, "").want(t, 404).body
		texts["refusal"] += ada.call("GET", "/v1/user-api-keys?"+credential+"=1", "").want(t, 400).body
		texts["refusal"] += ada.rotate("If-Match", credential).want(t, 400).body
	}
	bound := ada.bind("report", map[string]any{"binding": "pinned", "credential": rotated.Credential}).want(t, 201)
	texts["schedule"] = bound.body + ada.readSchedule("report").body + runner.askSchedule(bound.ScheduleRef).body
	texts["refusal"] += ada.bind("report", map[string]any{"binding": rotated.Credential}).want(t, 400).body +
		ada.bind("report", map[string]any{"binding": "pinned", "credential": created.Credential}).body +
		runner.call("POST", "/v1/job-authorizations/batch", `{"requests":[{"`+created.Credential+`":1},`+jobRequest(map[string]any{"credential": created.Credential})+`]}`).body +
		runner.renew(rotated.Credential).body
	texts["view"] = ada.view().body + ada.history("").body + ada.call("GET", "/v1/user-api-keys/"+rotated.Key.ID+"/impact", "").body
	texts["deletion"] = ada.deleteAll().want(t, 200).body
	for _, notice := range noticesUntil(t, subscription, 20*time.Second, func(all []deployed.Notice) bool {
		return slices.ContainsFunc(all, func(n deployed.Notice) bool { return n.Type == apikey.EventAllDeleted })
	}) {
		texts["notices"] += notice.Text
	}
	var swept any
	if err := cloud().Invoke(t.Context(), stack["SWEEP_FUNCTION"], struct{}{}, &swept); err != nil {
		t.Fatal(err)
	}
	for name, function := range stack {
		if strings.HasSuffix(name, "_FUNCTION") {
			texts["log of "+function] = logOf(t, function)
		}
	}
	var err error
	if texts["table"], err = proof.Items(t.Context(), emulated(), ada.owner); err != nil {
		t.Fatal(err)
	}
	for place, text := range texts {
		if len(text) < 100 {
			t.Errorf("there is too little to search in: %s: %q", place, text)
		}
	}
	for _, credential := range []string{created.Credential, rotated.Credential} {
		if err := proof.Search(credential, texts); err != nil {
			t.Error(err)
		}
	}
}

// logOf is a function's log, which the emulator writes a little after the answer.
func logOf(t *testing.T, function string) string {
	t.Helper()
	var log struct{ Events []struct{ Message string } }
	for ctx := within(t, 20*time.Second); len(log.Events) == 0 && ctx.Err() == nil; {
		if err := cloud().Call(ctx, "logs", "Logs_20140328.FilterLogEvents", map[string]string{"logGroupName": "/aws/lambda/" + function}, &log); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprint(log)
}
