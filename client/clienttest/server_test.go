package clienttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/client"
	"github.com/userapikey/service/client/clienttest"
)

// world is a service whose clock the test turns.
type world struct {
	t       *testing.T
	service *clienttest.Server
	ada     *clienttest.Owner
	now     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, service: clienttest.NewServer(), now: time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)}
	t.Cleanup(w.service.Close)
	w.service.SetClock(func() time.Time { return w.now })
	w.ada = w.service.AddOwner("acme", "IBMid-1")
	return w
}

// reply is an answer: a decision or a problem.
type reply struct {
	client.Decision
	Status int    `json:"-"`
	Code   string `json:"code"`
	Field  string `json:"field"`
}

func (w *world) send(method, path, body string) reply {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.service.Config().BaseURL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer token-1")
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := w.service.Config().Transport.RoundTrip(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	got := reply{Status: response.StatusCode}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			w.t.Fatalf("%s: %v", text, err)
		}
	}
	return got
}

const start = `{"jobId":"job-1","runId":"run-1","jobType":"pipeline","trigger":"ad_hoc","owner":{"accountId":"acme","iamId":"IBMid-1"}}`

func (w *world) start(leaseSeconds string) *client.RunState {
	w.t.Helper()
	got := w.send("POST", "/v1/job-authorizations", strings.Replace(start, "{", `{"leaseSeconds":`+leaseSeconds+`,`, 1))
	if got.Run == nil {
		w.t.Fatalf("got %+v", got)
	}
	return got.Run
}

func (w *world) renew(run *client.RunState) reply {
	w.t.Helper()
	return w.send("POST", "/v1/job-runs/"+run.Ref+"/renewal", "")
}

func TestTheSameRunKeepsItsStartAndItsLeaseAndTakesTheNewKey(t *testing.T) {
	w := newWorld(t)
	first := w.start("7200")
	w.now = w.now.Add(time.Minute)
	w.ada.Rotate()
	second := w.start("60")
	if second.Ref != first.Ref || !second.LeaseExpiresAt.Equal(first.LeaseExpiresAt) {
		t.Errorf("got %+v, then %+v", first, second)
	}
	runs := w.service.Runs()
	if len(runs) != 1 || runs[0].KeyID != w.ada.Active().ID || !runs[0].StartedAt.Equal(w.now.Add(-time.Minute)) {
		t.Errorf("got %+v", runs)
	}
}

func TestARunIsRenewedUntilItsKeyIsDeletedOrItIsEnded(t *testing.T) {
	w := newWorld(t)
	run := w.start("3600")
	old := w.ada.Active()
	w.now = w.now.Add(20 * time.Minute)
	if got := w.renew(run); !got.Allowed || got.Reason != client.KeyActive || !got.Run.LeaseExpiresAt.Equal(w.now.Add(time.Hour)) {
		t.Errorf("under the Active key: %+v", got)
	}
	w.ada.Rotate()
	if got := w.renew(run); !got.Allowed || got.Reason != client.KeyPhasedOut || got.Key.ID != old.ID {
		t.Errorf("under a Phased out key: %+v", got)
	}
	w.ada.Delete(old.ID)
	if got := w.renew(run); got.Status != 200 || got.Allowed || got.Reason != client.KeyDeleted || got.Key.Name != "" {
		t.Errorf("under a deleted key: %+v", got)
	}
	path := "/v1/job-runs/" + run.Ref
	if got := w.send("DELETE", path, ""); got.Status != 204 {
		t.Errorf("its end: %+v", got)
	}
	for _, got := range []reply{w.send("DELETE", path, ""), w.renew(run), w.renew(&client.RunState{Ref: "another"})} {
		if got.Status != 404 || got.Code != "run_not_found" {
			t.Errorf("after its end: %+v", got)
		}
	}
}

func TestALeaseThatHasRunOutMayBeRenewedForADay(t *testing.T) {
	for after, want := range map[time.Duration]int{25*time.Hour - time.Second: 200, 25 * time.Hour: 404} {
		w := newWorld(t)
		run := w.start("3600")
		w.now = w.now.Add(after)
		if got := w.renew(run); got.Status != want {
			t.Errorf("after %s: %+v", after, got)
		}
	}
}

func TestOfTheDeletedKeysTenAreRemembered(t *testing.T) {
	w := newWorld(t)
	oldest := w.ada.Active()
	for range 10 {
		old := w.ada.Active()
		w.ada.Rotate()
		w.ada.Delete(old.ID)
	}
	for _, want := range []client.Reason{client.KeyDeleted, client.KeyUnknown} {
		got := w.send("POST", "/v1/job-authorizations",
			`{"jobId":"job-1","jobType":"pipeline","trigger":"ad_hoc","credential":"`+oldest.Credential+`"}`)
		if got.Reason != want {
			t.Errorf("got %+v, want %s", got, want)
		}
		w.ada.DeleteAll()
		w.ada.Create()
	}
}

func TestASchedulesBindingOutlivesItsKey(t *testing.T) {
	w := newWorld(t)
	pinned, follows := w.ada.Pin("weekly"), w.ada.FollowActive("nightly")
	authorize := func(ref string) client.Reason {
		return w.send("POST", "/v1/job-authorizations",
			`{"jobId":"job-1","jobType":"pipeline","trigger":"scheduled","scheduleRef":"`+ref+`"}`).Reason
	}
	if got := authorize(pinned); got != client.KeyActive {
		t.Errorf("bound to the Active key: %s", got)
	}
	w.ada.DeleteAll()
	if pinned, follows := authorize(pinned), authorize(follows); pinned != client.ScheduleKeyDeleted || follows != client.NoActiveKey {
		t.Errorf("without keys: %s and %s", pinned, follows)
	}
	w.ada.Create()
	if again := w.ada.Pin("weekly"); again != pinned || authorize(pinned) != client.KeyActive {
		t.Errorf("bound again: %s", authorize(pinned))
	}
	w.ada.Unbind("weekly")
	if got := authorize(pinned); got != client.ScheduleUnknown {
		t.Errorf("unbound: %s", got)
	}
}

func TestAMalformedRequestIsRefusedByTheFieldsName(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		"{":     "body",
		"[]":    "body",
		"{} {}": "body",
		strings.Replace(start, `"jobId":"job-1"`, `"jobId":""`, 1):                       "jobId",
		strings.Replace(start, `"jobId":"job-1"`, `"jobId":7`, 1):                        "jobId",
		strings.Replace(start, `"run-1"`, `"`+strings.Repeat("x", 129)+`"`, 1):           "runId",
		strings.Replace(start, "{", `{"leaseSeconds":0,`, 1):                             "leaseSeconds",
		strings.Replace(start, "{", `{"leaseSeconds":86401,`, 1):                         "leaseSeconds",
		strings.Replace(start, "pipeline", "other", 1):                                   "jobType",
		strings.Replace(start, "pipeline", "runtime_service", 1):                         "service",
		strings.Replace(start, "{", `{"service":"x",`, 1):                                "service",
		strings.Replace(start, "ad_hoc", "now", 1):                                       "trigger",
		strings.Replace(start, "{", `{"credential":"",`, 1):                              "owner",
		strings.Replace(start, `,"owner":{"accountId":"acme","iamId":"IBMid-1"}`, "", 1): "credential",
		strings.Replace(start, `"acme"`, `""`, 1):                                        "owner.accountId",
		strings.Replace(start, `"IBMid-1"`, `""`, 1):                                     "owner.iamId",
		strings.Replace(start, `"runId":"run-1"`, `"leaseSeconds":60`, 1):                "leaseSeconds",
		strings.Replace(start, `"run-1"`, `""`, 1):                                       "runId",
		strings.Replace(start, "{", `{"other":1,`, 1):                                    "other",
	} {
		if got := w.send("POST", "/v1/job-authorizations", body); got.Status != 400 || got.Code != "invalid_request" || got.Field != want {
			t.Errorf("%s: %+v, want the field %s", body, got, want)
		}
	}
	for _, body := range []string{`{"requests":[]}`, `{"requests":[` + strings.Repeat("{},", 100) + `{}]}`, `{}`} {
		if got := w.send("POST", "/v1/job-authorizations/batch", body); got.Status != 400 || got.Field != "requests" {
			t.Errorf("%.40s: %+v", body, got)
		}
	}
	if got := w.send("POST", "/v1/job-authorizations", `{"jobId":"`+strings.Repeat("x", 16<<10)+`"}`); got.Status != 413 {
		t.Errorf("too long: %+v", got)
	}
	if got := w.send("GET", "/v1/job-authorizations", ""); got.Status != 404 && got.Status != 405 {
		t.Errorf("another method: %+v", got)
	}
}

func TestRequestsAreOnRecordWithTheirAnswers(t *testing.T) {
	// In a bubble, for the waits between the attempts.
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.service.AcceptTokens("token-2")
		w.send("POST", "/v1/job-authorizations", start)
		w.service.AcceptTokens()
		w.send("POST", "/v1/job-authorizations", start)
		w.service.SetUnreachable(true)
		if _, err := w.service.Client().Authorize(t.Context(), client.Request{}); err == nil {
			t.Error("an unreachable service answered")
		}
		w.service.SetUnreachable(false)
		w.send("DELETE", "/v1/job-runs/another", "")
		var statuses []int
		got := w.service.Requests()
		for _, request := range got {
			statuses = append(statuses, request.Status)
		}
		if want := []int{401, 200, 0, 0, 0, 0, 404}; !slices.Equal(statuses, want) {
			t.Fatalf("answered with %v, want %v", statuses, want)
		}
		if got[1].Body != start || got[1].Path != "/v1/job-authorizations" || got[1].Token != "token-1" || !got[1].At.Equal(w.now) {
			t.Errorf("got %+v", got[1])
		}
	})
}

func TestAServerServesOverTheNetworkToo(t *testing.T) {
	w := newWorld(t)
	network := httptest.NewServer(w.service)
	defer network.Close()
	c, err := client.New(client.Config{BaseURL: network.URL, Tokens: client.StaticToken("token-1")})
	if err != nil {
		t.Fatal(err)
	}
	run, err := c.StartRun(t.Context(), client.Request{
		JobID: "job-1", JobType: client.Pipeline, Trigger: client.AdHoc, Credential: client.NewCredential(w.ada.Active().Credential),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Close(); err != nil || w.service.Runs()[0].EndedAt.IsZero() || !errors.Is(context.Cause(run.Context()), client.ErrRunClosed) {
		t.Errorf("the run was not ended: %v", err)
	}
}

func TestATestThatAsksForTheImpossiblePanics(t *testing.T) {
	for name, ask := range map[string]func(*clienttest.Owner){
		"a second Active key":                func(o *clienttest.Owner) { o.Create() },
		"deletion of the Active key":         func(o *clienttest.Owner) { o.Delete(o.Active().ID) },
		"rotation without an Active key":     func(o *clienttest.Owner) { o.DeleteAll(); o.Rotate() },
		"a schedule pinned to no key":        func(o *clienttest.Owner) { o.DeleteAll(); o.Pin("nightly") },
		"the Active key of one who has none": func(o *clienttest.Owner) { o.DeleteAll(); o.Active() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "clienttest: the owner IBMid-1 has ") {
					t.Errorf("panicked with %q", text)
				}
			}()
			ask(w.ada)
		})
	}
}
