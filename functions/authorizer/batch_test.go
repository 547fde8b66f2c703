package authorizer_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

var batchRequest = functest.Request{Method: http.MethodPost, Resource: "/v1/job-authorizations/batch", Token: "JOB_RUNNER_TOKEN"}

// people are so many owners of Jane's account, each with a key and a schedule that
// follows it.
type person struct {
	owner      apikey.Owner
	credential string
	schedule   apikey.ScheduleRef
}

func (w world) people(n int) []person {
	w.t.Helper()
	all := make([]person, n)
	for i := range all {
		owner := apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: fmt.Sprintf("IBMid-%d", i), Username: fmt.Sprintf("user-%d", i)}
		all[i] = person{
			owner: owner, credential: w.Create(owner).Credential.Reveal(),
			schedule: bind(w.t, w.World, owner, apikey.Schedule{ID: "nightly", Binding: apikey.FollowActive}),
		}
	}
	w.Calm()
	return all
}

// asking is a request about each of the people.
func asking(people []person, ask func(person) question) []any {
	requests := make([]any, len(people))
	for i, p := range people {
		requests[i] = ask(p)
	}
	return requests
}

func TestBatchKeepsTheOrder(t *testing.T) {
	w := newWorld(t)
	people := w.people(30)
	requests := make([]any, 100)
	want := make([]string, 100)
	for i := range requests {
		p := people[i*7%30]
		want[i] = "key_active " + p.owner.IAMID
		switch i % 5 {
		case 0:
			requests[i] = byCredential(p.credential)
		case 1:
			requests[i] = bySchedule(p.schedule).run(fmt.Sprintf("run-%d", i))
		case 2:
			requests[i] = byOwner(p.owner)
		case 3:
			requests[i], want[i] = byCredential(functest.FirstCredential), "key_phased_out "+functest.Jane.IAMID
		case 4:
			requests[i], want[i] = byOwner(p.owner).with("trigger", i), "invalid_request "
		}
	}
	for way, decisions := range map[string][]decision{
		"over HTTP": w.decided("JOB_RUNNER_TOKEN", requests...), "directly": w.invokedBatch(question{}, requests...),
	} {
		got := make([]string, len(decisions))
		for i, d := range decisions {
			got[i] = string(d.Reason) + " " + d.Owner.IAMID
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want (-) and answered (+): %s", way, diff)
		}
	}
}

// A batch answers each request as it would be answered alone.
func TestBatchAnswersAsOneByOne(t *testing.T) {
	w := newWorld(t)
	following(w)
	var requests []any
	for _, q := range []question{
		byOwner(functest.Jane), byCredential(functest.FirstCredential), byCredential(w.forged()), byCredential("cpdk_"), ofJane("nightly")(w),
		ofJane("weekly")(w), byOwner(functest.Jane).run("run-1"), byOwner(functest.Jane).run("run-1"),
	} {
		requests = append(requests, q)
	}
	for account, token := range map[string]string{functest.Jane.AccountID: "JOB_RUNNER_TOKEN", "another": w.elsewhere(), "": w.platform()} {
		var alone []decision
		for _, q := range requests {
			alone = append(alone, w.asked(token, q.(question)))
		}
		if diff := cmp.Diff(alone, w.decided(token, requests...)); diff != "" {
			t.Errorf("of account %q: one by one (-) and in a batch (+): %s", account, diff)
		}
		if diff := cmp.Diff(alone, w.invokedBatch(onBehalfOf(account, question{}), requests...)); diff != "" {
			t.Errorf("of account %q: one by one (-) and in a direct batch (+): %s", account, diff)
		}
	}
}

// raw is JSON as it stands.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestMalformedRequestOfABatchIsToldOfThatRequestAlone(t *testing.T) {
	good := byOwner(functest.Jane)
	for _, c := range []struct {
		detail  string // what it begins with
		request any
	}{
		{"request must be a JSON object.", nil},
		{"request must be a JSON object.", 7},
		{"request must be a JSON object.", "job-1"},
		{"request must be a JSON object.", []any{good}},
		{"jobId is missing or empty.", question{}},
		{"jobId has the wrong type.", good.with("jobId", 1)},
		{"jobId is longer than 256 characters.", good.with("jobId", strings.Repeat("x", 257))},
		{"jobId contains a character that cannot be", good.with("jobId", "a\nb")},
		{"runId is missing or empty.", good.with("runId", "")},
		{"runId is longer than 128 characters.", good.with("runId", strings.Repeat("x", 129))},
		{"leaseSeconds goes with a runId only.", good.with("leaseSeconds", 60)},
		{"leaseSeconds must be a whole number from 1", good.run("r").with("leaseSeconds", 0)},
		{"leaseSeconds has the wrong type.", good.run("r").with("leaseSeconds", "60")},
		{"jobType must be one of model_training,", good.with("jobType", "training")},
		{"service goes with the jobType runtime_service", good.with("service", "x")},
		{"service is missing or empty.", good.with("jobType", "runtime_service")},
		{"trigger must be one of scheduled, ad_hoc.", good.with("trigger", nil)},
		{"credential or scheduleRef or owner is missing", good.with("owner", nil)},
		{"owner is given beside credential", good.with("credential", "x")},
		{"owner is given beside scheduleRef", good.with("scheduleRef", "x")},
		{"scheduleRef has the wrong type.", good.with("owner", nil).with("scheduleRef", map[string]any{})},
		{"owner has the wrong type.", good.with("owner", "IBMid-1")},
		{"owner.accountId is missing or empty.", good.with("owner", map[string]any{"iamId": "b"})},
		{"owner.iamId is missing or empty.", good.with("owner", map[string]any{"accountId": "a"})},
		{"owner.username is no field of this request.", good.with("owner", map[string]any{"accountId": "a", "iamId": "b", "username": "c"})},
		{"callerAccountId is no field of this request.", good.with("callerAccountId", functest.Jane.AccountID)},
		{"renewRun is no field of this request.", good.with("renewRun", "cpdr_x")},
		{"requests is no field of this request.", good.with("requests", []any{})},
		{"JobId is no field of this request.", good.with("JobId", "x")},
		{`"" is no field of this request.`, good.with("", "x")},
		{"jobId is given twice.", raw(`{"jobId":"a","jobId":"b","jobType":"pipeline","trigger":"ad_hoc","owner":{"accountId":"a","iamId":"b"}}`)},
		{"owner.iamId is given twice.", raw(`{"jobId":"a","jobType":"pipeline","trigger":"ad_hoc","owner":{"accountId":"a","iamId":"b","iamId":"c"}}`)},
		{"jobId is not valid JSON.", raw(`{"jobId":"\ud800","jobType":"pipeline","trigger":"ad_hoc","owner":{"accountId":"a","iamId":"b"}}`)},
		{"[credential redacted] is no field of this", good.with(functest.SecondCredential, 1)},
		{strings.Repeat("y", 100) + "… is no field of this", good.with(strings.Repeat("y", 5000), 1)},
		// Cut between characters: half of one could not be answered.
		{"y" + strings.Repeat("é", 49) + "… is no field of this", good.with("y"+strings.Repeat("é", 60), 1)},
	} {
		t.Run(c.detail, func(t *testing.T) {
			w := newWorld(t)
			want := w.invoked(good)
			for way, got := range map[string][]decision{
				"over HTTP": w.decided("JOB_RUNNER_TOKEN", good, c.request, good), "directly": w.invokedBatch(question{}, good, c.request, good),
			} {
				if got[0] != want || got[2] != want {
					t.Errorf("%s: the others are answered %+v", way, got)
				}
				shown := got[1].Detail
				got[1].Detail = ""
				if got[1] != (decision{Reason: jobauth.InvalidRequest}) || !strings.HasPrefix(shown, c.detail) {
					t.Errorf("%s: answered %q, %+v", way, shown, got[1])
				}
			}
			if strings.Contains(w.Logged(), functest.SecondCredential) {
				t.Error("the log holds a credential")
			}
		})
	}
}

func TestBatchHasOneToAHundredRequests(t *testing.T) {
	w := newWorld(t)
	q := byCredential("cpdk_") // needs nothing
	for _, n := range []int{1, 100} {
		w.decided("JOB_RUNNER_TOKEN", slices.Repeat([]any{q}, n)...)
		w.invokedBatch(question{}, slices.Repeat([]any{q}, n)...)
	}
	for _, n := range []int{0, 101, 1000} {
		body := question{"requests": slices.Repeat([]any{raw("0")}, n)}
		request := batchRequest
		request.Body = w.encode(body)
		w.Send(w.function, request).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		answer, err := w.invoke(body)
		w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
	}
	w.WantCalls()
}

func TestWhatIsNoBatchIsRefusedNamingTheField(t *testing.T) {
	w := newWorld(t)
	item := w.encode(byOwner(functest.Jane))
	for body, field := range map[string]string{
		`{}`: "requests", `{"requests":null}`: "requests", `{"requests":{}}`: "requests", `{"requests":"x"}`: "requests", `{"requests":7}`: "requests",
		`{"requests":[` + item + `],"requests":[` + item + `]}`: "requests", `{"requests":[` + item + `],"more":1}`: "more",
		`{"Requests":[` + item + `]}`: "Requests", `{"requests":[` + item + `],"jobId":"x"}`: "jobId", item: "jobId",
		`[` + item + `]`: "body", `null`: "body", ``: "body", `{"requests":[` + item + `]}{}`: "body", `{"requests":[` + item: "requests",
		`{"requests":[` + item + `,]}`: "requests", `{"requests":[{"jobId":}]}`: "requests.0.jobId",
		`{"requests":[` + item + `],"callerAccountId":"` + functest.Jane.AccountID + `"}`: "callerAccountId",
	} {
		request := batchRequest
		request.Body = body
		got := w.Send(w.function, request)
		got.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		if problem := got.Problem(); problem.Field != field {
			t.Errorf("%s: the field is %q, %s", body, problem.Field, problem.Detail)
		}
	}
	for _, body := range []string{
		`{"requests":[],"callerAccountId":null}`, `{"callerAccountId":"","requests":[` + item + `]}`, `{"requests":[` + item + `],"callerAccountId":7}`,
		`{"requests":[` + item + `],"requests":[]}`, `{"requests":[` + item + `],"callerAccountId":"a","callerAccountId":"a"}`,
		`{"requests":[` + item + `],"renewRun":"x"}`, `{"renewRun":"x","requests":[` + item + `]}`, `{"requests":[` + item + `]} x`, `{"request\u0073":[` + item + `]}`,
		item[:len(item)-1] + `,"requests":null}`,
	} {
		answer, err := w.Invoke(w.function, []byte(body))
		w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
	}
	w.WantCalls()
}

// Only the name of a member makes an invocation a batch.
func TestQuestionThatMentionsRequestsIsAQuestion(t *testing.T) {
	w := newWorld(t)
	for _, jobID := range []string{"requests", `"requests"`, `{"requests":[]}`} {
		if got := w.invoked(byOwner(functest.Jane).with("jobId", jobID)); !got.Allowed {
			t.Errorf("job %q: answered %+v", jobID, got)
		}
	}
}

func TestBatchIsBoundedIn256KiB(t *testing.T) {
	w := newWorld(t)
	body := `{"requests":[` + w.encode(byOwner(functest.Jane)) + `]}`
	padded := func(size int) string { return body[:len(body)-1] + strings.Repeat(" ", size-len(body)) + "}" }
	request := batchRequest
	request.Body = padded(256 << 10)
	w.Send(w.function, request).Must(http.StatusOK)
	w.Calm()
	request.Body = padded(256<<10 + 1)
	w.Send(w.function, request).Refused(http.StatusRequestEntityTooLarge, "payload_too_large")
	single := authorize
	single.Body = w.encode(byOwner(functest.Jane))
	single.Body += strings.Repeat(" ", 16<<10+1-len(single.Body))
	w.Send(w.function, single).Refused(http.StatusRequestEntityTooLarge, "payload_too_large")
	w.WantCalls()
}

func TestOnlyJobRunnersAskAboutMany(t *testing.T) {
	w := newWorld(t)
	w.batch("ADMINISTRATOR_TOKEN", byOwner(functest.Jane)).Refused(http.StatusForbidden, apikey.CodeRoleRequired)
	w.batch("", byOwner(functest.Jane)).Refused(http.StatusUnauthorized, apikey.CodeUnauthenticated)
	w.WantCalls()
}

func TestEventOfABatchMayBeBase64(t *testing.T) {
	w := newWorld(t)
	request := batchRequest
	request.Body = "eyJyZXF1ZXN0cyI6W251bGxdfQ==" // {"requests":[null]}
	event := request.Event()
	event.IsBase64Encoded = true
	var got struct{ Decisions []decision }
	w.Deliver(w.function, event).Must(http.StatusOK).Decode(&got)
	if len(got.Decisions) != 1 || got.Decisions[0].Reason != jobauth.InvalidRequest {
		t.Errorf("answered %+v", got)
	}
}
