package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/userapikey/service/shared/awsclient"
)

// callLambda sends a signed request to the emulator's Lambda API.
func callLambda(t *testing.T, method, path, body string) (*http.Response, []byte) {
	t.Helper()
	config := awsclient.Config(getenv, "lambda")
	call, err := http.NewRequestWithContext(t.Context(), method, stack["AWS_ENDPOINT_URL"]+"/2015-03-31/functions/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, call, hex.EncodeToString(sum[:]), "lambda", config.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, path, response.Status, content, err)
	}
	return response, content
}

// invoke calls the authorizer directly, as a job runner inside AWS does.
func invoke(t *testing.T, request string) (r reply, failed bool) {
	t.Helper()
	response, content := callLambda(t, http.MethodPost, stack["AUTHORIZER_FUNCTION"]+"/invocations", request)
	r = reply{status: response.StatusCode, body: string(content)}
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	return r, response.Header.Get("X-Amz-Function-Error") != ""
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
	for _, unknown := range []string{`{}`, `{"Records":[]}`, jobRequest(map[string]any{"credential": "x", "more": 1})} {
		if r, failed := invoke(t, unknown); !failed {
			t.Errorf("the event %s was answered with %s", unknown, r.body)
		}
	}
}

func TestJobRunnersSeeTheirOwnAccountOnly(t *testing.T) {
	ada := newUser(t, "Administrator")
	created := ada.create().want(t, 201)
	elsewhere := func(role string) *user {
		return &user{t: t, token: token(t, map[string]any{
			"iam_id": "runner", "account": map[string]string{"bss": "account-2"}, "roles": []string{role},
		})}
	}
	if r := elsewhere("JobRunner").authorize(created.Credential); r.Allowed || r.Reason != "key_unknown" || r.Owner.IAMID != "" {
		t.Errorf("a runner of another account: %s", r.body)
	}
	if r := elsewhere("PlatformJobRunner").authorize(created.Credential); !r.Allowed {
		t.Errorf("a runner of the platform: %s", r.body)
	}
	forged := []byte(created.Credential)
	forged[20] ^= 1
	if r := newUser(t, "JobRunner").authorize(string(forged)); r.Reason != "credential_malformed" {
		t.Errorf("a mistyped credential: %s", r.body)
	}
}
