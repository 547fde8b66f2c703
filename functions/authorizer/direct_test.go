package authorizer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

func TestCallerAccountIDNarrowsADirectInvocation(t *testing.T) {
	for name, q := range questionsThatNeedTheRing() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if got := w.invoked(q); !got.Allowed {
				t.Errorf("of every account: %+v", got)
			}
			if got := w.invoked(q.with("callerAccountId", functest.Jane.AccountID)); !got.Allowed {
				t.Errorf("of the owner's account: %+v", got)
			}
			for _, accountID := range []string{"another", " " + functest.Jane.AccountID, strings.ToUpper(functest.Jane.AccountID), functest.Jane.AccountID[1:], "*"} {
				got := w.invoked(q.with("callerAccountId", accountID))
				if got.Allowed || got.Key.ID != "" || got.Owner.IAMID != "" {
					t.Errorf("of account %q: %+v", accountID, got)
				}
			}
		})
	}
}

// A caller whose account is lost on the way must not be answered about all.
func TestCallerAccountIDThatNamesNoAccountIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, accountID := range []any{nil, "", 7, true, []string{functest.Jane.AccountID}, map[string]string{}} {
		answer, err := w.invoke(byOwner(functest.Jane).with("callerAccountId", accountID))
		w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
	}
	w.WantCalls()
}

// Over HTTP the account comes from the token alone.
func TestCallerAccountIDIsNoFieldOfTheWebhook(t *testing.T) {
	w := newWorld(t)
	got := w.ask(w.elsewhere(), byOwner(functest.Jane).with("callerAccountId", functest.Jane.AccountID))
	got.Refused(400, apikey.CodeInvalidRequest)
	if field := got.Problem().Field; field != "callerAccountId" {
		t.Errorf("the field is %q", field)
	}
}

func TestMalformedInvocationIsRefusedNamingTheField(t *testing.T) {
	good := byCredential(functest.SecondCredential)
	for field, q := range map[string]question{
		"jobName":    good.with("jobName", "x"),
		"JobID":      good.with("JobID", "x"),
		"runId":      good.with("runId", ""),
		"jobId":      good.with("jobId", 1),
		"jobType":    good.with("jobType", "training"),
		"service":    good.with("service", "x"),
		"trigger":    good.with("trigger", ""),
		"credential": good.with("credential", nil),
		"owner":      good.with("owner", map[string]string{"accountId": "a", "iamId": "b"}),
		"owner.id":   byOwner(functest.Jane).with("owner", map[string]string{"id": "b"}),
	} {
		t.Run(field, func(t *testing.T) {
			w := newWorld(t)
			answer, err := w.invoke(q)
			message := w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
			if !strings.HasPrefix(message, field+" ") {
				t.Errorf("the message %q does not begin with the field %q", message, field)
			}
		})
	}
}

// The function is easily subscribed or connected to what it does not answer.
// It says so instead of taking it for a question.
func TestEventOfAnotherKindIsRefused(t *testing.T) {
	for name, event := range map[string]string{
		"SQS": `{"Records":[{"messageId":"1","receiptHandle":"x","body":"{\"jobId\":\"job-1\"}","eventSource":"aws:sqs"}]}`,
		"S3":  `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`,
		"EventBridge": `{"version":"0","id":"1","detail-type":"User API Key Created","source":"userapikey","account":"1","time":"2026-11-16T09:30:00Z",` +
			`"region":"us-east-1","resources":[],"detail":{}}`,
		"a schedule's constant": `{"key":"value"}`,
		"no object":             `"warm up"`,
		"a list of questions":   `[{"jobId":"job-1"}]`,
		"null":                  `null`,
		"an empty object":       `{}`,
		"a broken gateway":      `{"requestContext":"x","jobId":"job-1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			answer, err := w.Invoke(w.function, []byte(event))
			message := w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
			if strings.Contains(message, "cpdk_") || strings.Contains(w.Logged(), functest.SecondCredential) {
				t.Errorf("the credential is told: %s", message)
			}
			w.WantCalls()
		})
	}
}

// Gateways other than a REST API send events with a request context too.
func TestEventOfAnotherGatewayIsRefused(t *testing.T) {
	question := `"jobId":"job-1","jobType":"pipeline","trigger":"ad_hoc","credential":"` + functest.SecondCredential + `"`
	body := strings.ReplaceAll("{"+question+"}", `"`, `\"`)
	for name, event := range map[string]string{
		"HTTP API": `{"version":"2.0","routeKey":"POST /v1/job-authorizations","rawPath":"/v1/job-authorizations",` +
			`"headers":{"authorization":"Bearer JOB_RUNNER_TOKEN","content-type":"application/json"},` +
			`"requestContext":{"http":{"method":"POST","path":"/v1/job-authorizations"}},"body":"` + body + `"}`,
		"load balancer": `{"requestContext":{"elb":{"targetGroupArn":"arn"}},"httpMethod":"POST","path":"/v1/job-authorizations",` +
			`"headers":{"authorization":"Bearer JOB_RUNNER_TOKEN","content-type":"application/json"},"body":"` + body + `"}`,
		"a question with a context":      `{"requestContext":{},` + question + `}`,
		"a question with a null context": `{"requestContext":null,` + question + `}`,
		"in another case":                `{"RequestContext":{},` + question + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			answer, err := w.Invoke(w.function, []byte(event))
			w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
			w.WantCalls()
		})
	}
}

// What a bare request says cannot make it an event of a gateway.
func TestQuestionThatMentionsARequestContextIsAQuestion(t *testing.T) {
	for _, jobID := range []string{"requestContext", `"requestContext":{}`, `{"requestContext":{"http":{}}}`} {
		w := newWorld(t)
		if got := w.invoked(byCredential(functest.SecondCredential).with("jobId", jobID)); !got.Allowed {
			t.Errorf("job %q: answered %+v", jobID, got)
		}
	}
	for _, q := range []string{
		`{"jobId":"1","jobType":"pipeline","trigger":"ad_hoc","owner":{"requestContext":{}}}`,
		`{"request\u0043ontext":{},"jobId":"1","jobType":"pipeline","trigger":"ad_hoc","owner":{"accountId":"a","iamId":"b"}}`,
	} {
		w := newWorld(t)
		answer, err := w.Invoke(w.function, []byte(q))
		w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
		w.WantCalls()
	}
}

func TestInvocationErrorHoldsNoCredential(t *testing.T) {
	w := newWorld(t)
	for _, q := range []question{
		{functest.SecondCredential: 1},
		{"owner": map[string]any{functest.SecondCredential: 1}},
		byCredential(functest.SecondCredential).with("trigger", functest.SecondCredential),
		byCredential(functest.SecondCredential).with("callerAccountId", []string{functest.SecondCredential}),
	} {
		answer, err := w.invoke(q)
		message := w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
		if strings.Contains(message+w.Logged(), functest.SecondCredential) {
			t.Errorf("the credential is told: %s, %s", message, w.Logged())
		}
	}
}

// The events that people are told to invoke with are bare requests of no more
// than they need: a direct invocation needs no token.
func TestDirectEventsNeedNoToken(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(functest.EventsFolder, "authorizer", "direct-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "TOKEN") {
			t.Errorf("%s holds a token", file)
		}
	}
}
