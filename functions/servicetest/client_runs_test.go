package servicetest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/client"
	"github.com/userapikey/service/functions/servicetest"
)

// outcome is what must be alike in the answers of both sides about a run.
type outcome struct {
	Status                                       int
	Allowed                                      bool
	Reason                                       client.Reason
	HasKey, HasName, HasOwner, HasRun, HasSecret bool
	Code, Field                                  string
}

// onRun asks both sides about a run of each, by the client's own requests.
func (s *sides) onRun(what, method, pathEnd, body string, asked, faked *client.Run) outcome {
	s.t.Helper()
	fake := httptest.NewServer(s.fake)
	defer fake.Close()
	got := s.outcomeOf(method, s.url+"/v1/job-runs/"+asked.Decision().Run.Ref+pathEnd, body)
	if diff := cmp.Diff(got, s.outcomeOf(method, fake.URL+"/v1/job-runs/"+faked.Decision().Run.Ref+pathEnd, body)); diff != "" {
		s.t.Errorf("%s (-functions +clienttest):\n%s", what, diff)
	}
	return got
}

func (s *sides) outcomeOf(method, url, body string) outcome {
	s.t.Helper()
	response := s.send(method, url, servicetest.Token(ada, "JobRunner"), body)
	defer func() { _ = response.Body.Close() }()
	got := outcome{Status: response.StatusCode}
	if got.Status == http.StatusNoContent {
		return got
	}
	var answer struct {
		client.Decision
		Code, Field string
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
	got.Allowed, got.Reason, got.Code, got.Field = answer.Allowed, answer.Reason, answer.Code, answer.Field
	got.HasKey, got.HasName = answer.Key != nil, answer.Key != nil && answer.Key.Name != ""
	got.HasOwner, got.HasRun, got.HasSecret = answer.Owner != nil, answer.Run != nil, answer.Secret != nil
	return got
}

// startRuns starts a run on each side.
func (s *sides) startRuns() (asked, faked *client.Run) {
	s.t.Helper()
	var runs []*client.Run
	for _, c := range []*client.Client{s.asked, s.faked} {
		run, err := c.StartRun(s.t.Context(), byOwner("acme", "IBMid-1"))
		if err != nil || run.Decision().Run == nil {
			s.t.Fatal(run, err)
		}
		s.t.Cleanup(func() { _ = run.Close() })
		runs = append(runs, run)
	}
	return runs[0], runs[1]
}

func TestTheGoClientsRunsGoOnAndEndAlikeWithTheFunctionsAndClienttest(t *testing.T) {
	s := newSides(t)
	created, fakeCreated := s.change("POST", "/v1/user-api-keys", ""), s.fakeOwner.Active()
	asked, faked := s.startRuns()
	want := outcome{Status: 200, Allowed: true, Reason: client.KeyActive, HasKey: true, HasName: true, HasOwner: true, HasRun: true, HasSecret: true}
	if diff := cmp.Diff(want, s.onRun("under the Active key", "POST", "/renewal", `{"leaseSeconds":60}`, asked, faked)); diff != "" {
		t.Errorf("under the Active key:\n%s", diff)
	}
	s.onRun("without a body", "POST", "/renewal", "", asked, faked)
	s.onRun("too long", "POST", "/renewal", `{"leaseSeconds":86401}`, asked, faked)
	s.change("POST", "/v1/user-api-keys/rotation", "")
	s.fakeOwner.Rotate()
	s.onRun("under a Phased out key", "POST", "/renewal", "", asked, faked)
	s.change("DELETE", "/v1/user-api-keys/"+created.Key.ID, "")
	s.fakeOwner.Delete(fakeCreated.ID)
	if got := s.onRun("under a deleted key", "POST", "/renewal", "", asked, faked); got.Allowed || got.Reason != client.KeyDeleted {
		t.Errorf("under a deleted key: %+v", got)
	}
	for _, run := range []*client.Run{asked, faked} {
		if err := run.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if got := s.onRun("after its end", "POST", "/renewal", "", asked, faked); got.Status != 404 || got.Code != string(client.CodeRunNotFound) {
		t.Errorf("after its end: %+v", got)
	}
	s.onRun("ended again", "DELETE", "", "", asked, faked)
}

func TestTheGoClientsSchedulesAreDecidedAlikeByTheFunctionsAndClienttest(t *testing.T) {
	s := newSides(t)
	s.change("POST", "/v1/user-api-keys", "")
	key := s.change("POST", "/v1/user-api-keys/rotation", "").Key
	s.fakeOwner.Rotate()
	bySchedule := func(ref string) client.Request {
		r := question()
		r.ScheduleRef = ref
		return r
	}
	follows, fakeFollows := s.change("PUT", "/v1/schedules/nightly", `{"binding":"follow_active"}`).ScheduleRef, s.fakeOwner.FollowActive("nightly")
	pinned, fakePinned := s.change("PUT", "/v1/schedules/weekly", `{"binding":"pinned","keyId":"`+key.ID+`"}`).ScheduleRef, s.fakeOwner.Pin("weekly")
	both := func(what string) {
		t.Helper()
		s.alike(what+", follows", bySchedule(follows), bySchedule(fakeFollows))
		s.alike(what+", pinned", bySchedule(pinned), bySchedule(fakePinned))
	}
	both("bound")
	s.change("POST", "/v1/user-api-keys/rotation", "")
	s.fakeOwner.Rotate()
	both("rotated")
	s.change("DELETE", "/v1/user-api-keys", "")
	s.fakeOwner.DeleteAll()
	both("deleted")
	s.alike("no such", bySchedule("nothing"), bySchedule("nothing"))
}

func TestTheGoClientsBatchesAreDecidedAlikeByTheFunctionsAndClienttest(t *testing.T) {
	s := newSides(t)
	s.change("POST", "/v1/user-api-keys", "")
	recorded := byOwner("acme", "IBMid-1")
	recorded.RunID = "run-1"
	leased := byOwner("acme", "IBMid-1")
	leased.Lease = client.DefaultLease
	requests := []client.Request{recorded, {}, byCredential("x"), leased, byOwner("acme", "IBMid-2")}
	var shapes [2][]outcome
	for side, c := range []*client.Client{s.asked, s.faked} {
		decisions, err := c.AuthorizeBatch(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range decisions {
			shapes[side] = append(shapes[side], outcome{
				Allowed: d.Allowed, Reason: d.Reason, HasKey: d.Key != nil, HasOwner: d.Owner != nil, HasRun: d.Run != nil,
				HasSecret: d.Secret != nil, HasName: d.Detail != "",
			})
		}
	}
	if diff := cmp.Diff(shapes[0], shapes[1]); diff != "" {
		t.Errorf("-functions +clienttest:\n%s", diff)
	}
}
