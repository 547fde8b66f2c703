package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// invoke calls the authorizer directly, as a job runner inside AWS does.
func invoke(t *testing.T, request string) (r reply, failed bool) {
	t.Helper()
	header, content := callAWS(t, "lambda", http.MethodPost, functionsPath+stack["AUTHORIZER_FUNCTION"]+"/invocations", "application/json", request)
	r = reply{status: http.StatusOK, body: string(content)}
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	return r, header.Get("X-Amz-Function-Error") != ""
}

func TestDirectInvocation(t *testing.T) {
	ada := newUser(t, "Administrator")
	created := ada.create().want(t, 201)
	byCredential := map[string]any{"credential": created.Credential}
	byOwner := map[string]any{"owner": map[string]string{"accountId": ada.owner.AccountID, "iamId": ada.owner.IAMID}}
	for name, naming := range map[string]map[string]any{"by credential": byCredential, "by owner": byOwner} {
		r, failed := invoke(t, jobRequest(naming))
		if failed || !r.Allowed || r.Key.ID != created.Key.ID || r.Secret.ARN == "" || r.Secret.VersionID == "" {
			t.Errorf("%s: %s", name, r.body)
		}
		naming["callerAccountId"] = "account-2"
		if r, failed = invoke(t, jobRequest(naming)); failed || r.Allowed || r.Owner.IAMID != "" {
			t.Errorf("%s, for another account: %s", name, r.body)
		}
	}
	byCredential = map[string]any{"credential": created.Credential, "runId": "run-1", "callerAccountId": ada.owner.AccountID}
	started, failed := invoke(t, jobRequest(byCredential))
	if failed || started.Run.Ref == "" {
		t.Fatalf("a run: %s", started.body)
	}
	if r, failed := invoke(t, `{"renewRun":"`+started.Run.Ref+`","leaseSeconds":7200}`); failed || !r.Allowed || r.Run.LeaseExpiresAt <= started.Run.LeaseExpiresAt {
		t.Errorf("its renewal: %s", r.body)
	}
	if r, failed := invoke(t, `{"renewRun":"`+started.Run.Ref+`","callerAccountId":"account-2"}`); !failed {
		t.Errorf("its renewal, for another account: %s", r.body)
	}
	if r, failed := invoke(t, `{"endRun":"`+started.Run.Ref+`"}`); failed {
		t.Errorf("its end: %s", r.body)
	}
	if r, failed := invoke(t, `{"renewRun":"`+started.Run.Ref+`"}`); !failed || !strings.Contains(r.body, "run_not_found") {
		t.Errorf("a renewal after the end: %s", r.body)
	}
	for _, unknown := range []string{`{}`, `{"Records":[]}`, jobRequest(map[string]any{"credential": "x", "more": 1})} {
		if r, failed := invoke(t, unknown); !failed {
			t.Errorf("the event %s was answered with %s", unknown, r.body)
		}
	}
}

func TestJobRunnersSeeTheirOwnAccountOnly(t *testing.T) {
	ada := newUser(t, "Administrator")
	created := ada.create().want(t, 201)
	elsewhere := newAccount(t)
	if r := elsewhere.user("runner", "JobRunner").authorize(created.Credential); r.Allowed || r.Reason != "key_unknown" || r.Owner.IAMID != "" {
		t.Errorf("a runner of another account: %s", r.body)
	}
	if r := elsewhere.user("runner", "PlatformJobRunner").authorize(created.Credential); !r.Allowed {
		t.Errorf("a runner of the platform: %s", r.body)
	}
	forged := []byte(created.Credential)
	forged[20] ^= 1
	if r := newUser(t, "JobRunner").authorize(string(forged)); r.Reason != "credential_malformed" {
		t.Errorf("a mistyped credential: %s", r.body)
	}
}
