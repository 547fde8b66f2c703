package servicetest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/client"
	"github.com/userapikey/service/client/clienttest"
	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
)

// sides are the functions and the service that the client's users test against,
// with the same owner on both, each asked through the Go client.
type sides struct {
	t            *testing.T
	url          string
	fake         *clienttest.Server
	fakeOwner    *clienttest.Owner
	asked, faked *client.Client
}

var ada = apikey.Owner{AccountID: "acme", IAMID: "IBMid-1"}

func newSides(t *testing.T) *sides {
	t.Helper()
	s := &sides{t: t, fake: clienttest.NewServer()}
	t.Cleanup(s.fake.Close)
	server := httptest.NewServer(servicetest.InMemory().Start().Gateway())
	t.Cleanup(server.Close)
	s.url = server.URL
	s.fakeOwner = s.fake.AddOwner(ada.AccountID, ada.IAMID)
	s.asked, s.faked = s.as("JobRunner"), s.fake.Client()
	return s
}

// as is a client of the functions with a token of the role.
func (s *sides) as(role apikey.Role) *client.Client {
	s.t.Helper()
	c, err := client.New(client.Config{BaseURL: s.url, Tokens: client.StaticToken(servicetest.Token(ada, role))})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// changed is what an answer to a change tells of the key.
type changed struct {
	Key         struct{ ID string }
	Credential  string
	ScheduleRef string
}

// change changes the owner's keys on the functions' side.
func (s *sides) change(method, path, body string) changed {
	s.t.Helper()
	response := s.send(method, s.url+path, servicetest.Token(ada, "Administrator"), body)
	defer func() { _ = response.Body.Close() }()
	var answer changed
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s, %v", method, path, response.Status, err)
	}
	return answer
}

func (s *sides) send(method, url, token, body string) *http.Response {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	return response
}

// shape is what must be alike in a decision of both sides: all of it but ids.
type shape struct {
	Allowed                       bool
	Reason                        client.Reason
	HasKey, HasName, HasSecret    bool
	AccountID, IAMID, Code, Field string
	Status                        int
}

func (s *sides) shapeOf(c *client.Client, request client.Request) shape {
	s.t.Helper()
	d, err := c.Authorize(s.t.Context(), request)
	got := shape{Allowed: d.Allowed, Reason: d.Reason, HasKey: d.Key != nil, HasName: d.Key != nil && d.Key.Name != "", HasSecret: d.Secret != nil}
	if d.Owner != nil {
		got.AccountID, got.IAMID = d.Owner.AccountID, d.Owner.IAMID
	}
	if failure, ok := errors.AsType[*client.Error](err); ok {
		got.Code, got.Field, got.Status = string(failure.Code), failure.Field, failure.Status
	} else if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func (s *sides) alike(what string, asked, faked client.Request) shape {
	s.t.Helper()
	got := s.shapeOf(s.asked, asked)
	if diff := cmp.Diff(got, s.shapeOf(s.faked, faked)); diff != "" {
		s.t.Errorf("%s (-functions +clienttest):\n%s", what, diff)
	}
	return got
}

func question() client.Request {
	return client.Request{JobID: "job-1", JobType: client.Pipeline, Trigger: client.AdHoc}
}

func byCredential(text string) client.Request {
	r := question()
	r.Credential = client.NewCredential(text)
	return r
}

func byOwner(accountID, iamID string) client.Request {
	r := question()
	r.Owner = &client.OwnerRef{AccountID: accountID, IAMID: iamID}
	return r
}

func TestTheGoClientIsToldTheSameByTheFunctionsAndByClienttest(t *testing.T) {
	s := newSides(t)
	created, fakeCreated := s.change("POST", "/v1/user-api-keys", ""), s.fakeOwner.Active()
	want := shape{Allowed: true, Reason: client.KeyActive, HasKey: true, HasName: true, HasSecret: true, AccountID: "acme", IAMID: "IBMid-1"}
	if diff := cmp.Diff(want, s.alike("an Active key", byCredential(created.Credential), byCredential(fakeCreated.Credential))); diff != "" {
		t.Errorf("an Active key:\n%s", diff)
	}
	s.alike("an owner", byOwner("acme", "IBMid-1"), byOwner("acme", "IBMid-1"))
	s.alike("another owner", byOwner("acme", "IBMid-2"), byOwner("acme", "IBMid-2"))
	s.alike("no credential", byCredential("cpdk_x"), byCredential("cpdk_x"))

	rotated, fakeRotated := s.change("POST", "/v1/user-api-keys/rotation", ""), s.fakeOwner.Rotate()
	s.alike("a Phased out key", byCredential(created.Credential), byCredential(fakeCreated.Credential))
	s.change("DELETE", "/v1/user-api-keys/"+created.Key.ID, "")
	s.fakeOwner.Delete(fakeCreated.ID)
	s.alike("a deleted key", byCredential(created.Credential), byCredential(fakeCreated.Credential))
	s.change("DELETE", "/v1/user-api-keys", "")
	s.fakeOwner.DeleteAll()
	s.alike("all deleted", byCredential(rotated.Credential), byCredential(fakeRotated.Credential))
	s.alike("an owner without keys", byOwner("acme", "IBMid-1"), byOwner("acme", "IBMid-1"))
}

func TestTheGoClientIsRefusedTheSameByTheFunctionsAndByClienttest(t *testing.T) {
	s := newSides(t)
	for what, spoil := range map[string]func(*client.Request){
		"no job":             func(r *client.Request) { r.JobID = "" },
		"no kind":            func(r *client.Request) { r.JobType = "" },
		"another kind":       func(r *client.Request) { r.JobType = "other" },
		"no service":         func(r *client.Request) { r.JobType = client.RuntimeService },
		"a service too many": func(r *client.Request) { r.Service = "x" },
		"no trigger":         func(r *client.Request) { r.Trigger = "" },
		"no key":             func(r *client.Request) { r.Owner = nil },
	} {
		request := byOwner("acme", "IBMid-1")
		spoil(&request)
		if got := s.alike(what, request, request); got.Code != string(client.CodeInvalidRequest) || got.Field == "" {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestTheGoClientTellsTheFunctionsErrors(t *testing.T) {
	s := newSides(t)
	if got := s.shapeOf(s.as("Administrator"), byOwner("acme", "IBMid-1")); got != (shape{Code: "role_required", Status: http.StatusForbidden}) {
		t.Errorf("another role: %+v", got)
	}
	stranger, err := client.New(client.Config{BaseURL: s.url, Tokens: client.StaticToken("nobody")})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.shapeOf(stranger, byOwner("acme", "IBMid-1")); got != (shape{Code: "unauthenticated", Status: http.StatusUnauthorized}) {
		t.Errorf("a token that does not hold: %+v", got)
	}
}
