package schedules_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// invalid checks that the request is refused for the field, with no call made.
func (w world) invalid(r functest.Request, field string) {
	w.t.Helper()
	w.Calm()
	got := w.send(r)
	got.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	if got.Problem().Field != field {
		w.t.Errorf("%s: %s, want the field %s", r.Body, got.Body, field)
	}
	w.WantCalls()
}

func TestMalformedBindingIsRefusedNamingTheField(t *testing.T) {
	w := newWorld(t)
	active := w.active().String()
	both := `"keyId":"` + active + `","credential":"` + functest.SecondCredential + `"`
	for name, test := range map[string]struct{ body, field string }{
		"no body":                        {``, "body"},
		"a list":                         {`[]`, "body"},
		"null":                           {`null`, "body"},
		"two objects":                    {`{}{}`, "body"},
		"an unknown field":               {`{"enabled":true}`, "enabled"},
		"a field of the answer":          {`{"state":"ready"}`, "state"},
		"an id in the body":              {`{"id":"nightly"}`, "id"},
		"another case":                   {`{"Binding":"pinned"}`, "Binding"},
		"a field twice":                  {`{"binding":"pinned","binding":"follow_active"}`, "binding"},
		"another binding":                {`{"binding":"floating"}`, "binding"},
		"a binding in capitals":          {`{"binding":"PINNED","keyId":"` + active + `"}`, "binding"},
		"an empty binding":               {`{"binding":""}`, "binding"},
		"a number as binding":            {`{"binding":1}`, "binding"},
		"pinned to nothing":              {`{"binding":"pinned"}`, "keyId"},
		"pinned by both":                 {`{"binding":"pinned",` + both + `}`, "keyId"},
		"following an id":                {`{"binding":"follow_active","keyId":"` + active + `"}`, "binding"},
		"following by default an id":     {`{"keyId":"` + active + `"}`, "binding"},
		"following a credential":         {`{"credential":"` + functest.SecondCredential + `"}`, "binding"},
		"following both":                 {`{` + both + `}`, "binding"},
		"an empty id":                    {pinned(""), "keyId"},
		"an id in capitals":              {pinned(strings.ToUpper(active)), "keyId"},
		"an id with a blank":             {pinned(active + " "), "keyId"},
		"an id of another version":       {pinned("019df20e-8148-4e03-9b61-000000000000"), "keyId"},
		"a name as id":                   {pinned("cpd-apikey-x"), "keyId"},
		"a number as id":                 {`{"binding":"pinned","keyId":7}`, "keyId"},
		"a credential as id":             {pinned(functest.SecondCredential), "keyId"},
		"an empty credential":            {pinnedBy(""), "credential"},
		"an id as credential":            {pinnedBy(active), "credential"},
		"a credential cut off":           {pinnedBy(functest.SecondCredential[:97]), "credential"},
		"a credential mistyped":          {pinnedBy(strings.Replace(functest.SecondCredential, "W", "w", 1)), "credential"},
		"a credential with a line break": {pinnedBy(functest.SecondCredential + `\n`), "credential"},
		"an unknown jobType":             {`{"jobType":"coffee"}`, "jobType"},
		"a runtime service without name": {`{"jobType":"runtime_service"}`, "service"},
		"a service with another jobType": {`{"jobType":"pipeline","service":"watson"}`, "service"},
		"a service without jobType":      {`{"service":"watson"}`, "service"},
		"a long service":                 {`{"jobType":"runtime_service","service":"` + strings.Repeat("x", 129) + `"}`, "service"},
		"a service that does not print":  {`{"jobType":"runtime_service","service":"a\u0007"}`, "service"},
		"a long jobId":                   {`{"jobId":"` + strings.Repeat("x", 257) + `"}`, "jobId"},
		"a jobId long in bytes":          {`{"jobId":"` + strings.Repeat("ü", 129) + `"}`, "jobId"},
		"a jobId with a line break":      {`{"jobId":"a\nb"}`, "jobId"},
		"a long description":             {`{"description":"` + strings.Repeat("x", 257) + `"}`, "description"},
		"a description with NUL":         {`{"description":"a\u0000"}`, "description"},
		"an invisible description":       {`{"description":"\u202Etxt.exe"}`, "description"},
		"a lone surrogate":               {`{"description":"\ud800"}`, "description"},
		"a list as description":          {`{"description":["x"]}`, "description"},
		"a credential as jobId":          {`{"jobId":"` + functest.SecondCredential + `"}`, "jobId"},
		"a credential as service":        {`{"jobType":"runtime_service","service":"` + functest.SecondCredential + `"}`, "service"},
		"a credential in a description":  {`{"description":"with key ` + functest.SecondCredential + `!"}`, "description"},
	} {
		t.Run(name, func(t *testing.T) {
			world{w.World, t}.invalid(bind("nightly", test.body), test.field)
		})
	}
	w.wantRevision(2)
	for _, text := range []string{functest.SecondCredential, functest.SecondCredential[:97]} {
		if strings.Contains(w.Logged(), text[len(text)-30:]) {
			t.Error("the log holds a credential that was sent in the wrong place")
		}
	}
}

func TestNotesOfFullLengthAreKept(t *testing.T) {
	w := newWorld(t)
	body := `{"jobType":"runtime_service","service":"` + strings.Repeat("ü", 128) + `","jobId":"` + strings.Repeat("ü", 128) +
		`","description":"` + strings.Repeat(`\"`, 256) + `"}`
	w.send(bind("nightly", body)).Must(http.StatusCreated)
	if got := w.shown(w.send(read("nightly")).Must(http.StatusOK)); got.Description != strings.Repeat(`"`, 256) || len(got.JobID) != 256 || len(got.Service) != 256 {
		t.Errorf("kept %+v", got)
	}
	w.send(bind("nightly", `{"jobId":"","jobType":"","service":"","description":""}`)).Must(http.StatusOK)
	if got := w.shown(w.send(read("nightly")).Must(http.StatusOK)); got.Description+got.JobID+got.Service+got.JobType != "" {
		t.Errorf("kept %+v", got)
	}
}

// The id is the last part of the path, as the gateway hands it on: decoded once,
// or not at all, and sometimes with more than one expects.
func TestScheduleIDIsOneTo128OfItsCharacters(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"a", "Z9", "a.b_c-d", "...", "-", "_", "RING", "EVENT", "0", "null", strings.Repeat("x", 128)} {
		w.send(bind(id, following)).Must(http.StatusCreated)
		if got := w.shown(w.send(read(id)).Must(http.StatusOK)); got.ID != id || got.ScheduleRef != w.ref(id) {
			t.Errorf("%q is shown as %+v", id, got)
		}
		w.send(unbind(id)).Must(http.StatusNoContent)
	}
	revision := w.Ring(functest.Jane).Revision
	for _, id := range []string{
		"", ".", "..", " ", "a b", "a ", "a/b", "/", "../ring", "a%2Fb", "%2e%2e", "a%", "a+b", "a#b", "a?b", "a~b", "a*", "a,b", "a:b", "a@b",
		"a\\b", `a"b`, "a\nb", "a\x00", "a\x7f", "\xff", "ä", "ａ", "а", "a\u200b", "١", "\U0001f511", "{scheduleId}", "SCHEDULE#a",
		strings.Repeat("x", 129), strings.Repeat("x", 100_000), functest.SecondCredential[:50] + "…",
		functest.SecondCredential, functest.SecondCredential[:97], "x-" + functest.SecondCredential,
	} {
		w.invalid(bind(id, following), "scheduleId")
		for _, request := range []functest.Request{read(id), unbind(id)} {
			w.Calm()
			w.send(request).Refused(http.StatusNotFound, apikey.CodeScheduleNotFound)
			w.WantCalls()
		}
	}
	w.wantRevision(revision)
}

func TestMalformedRebindingIsRefusedNamingTheField(t *testing.T) {
	w := newWorld(t)
	for body, field := range map[string]string{
		``:                     "body",
		`[]`:                   "body",
		`{}`:                   "fromKeyId",
		`{"fromKeyId":null}`:   "fromKeyId",
		`{"fromKeyId":""}`:     "fromKeyId",
		`{"fromKeyId":"*"}`:    "fromKeyId",
		`{"fromKeyId":7}`:      "fromKeyId",
		`{"fromKeyID":"x"}`:    "fromKeyID",
		`{"scheduleId":"x"}`:   "scheduleId",
		`{"fromKeyId":["x"]}`:  "fromKeyId",
		`{"fromKeyId":"x"} {}`: "body",
	} {
		request := rebind("")
		request.Body = body
		w.invalid(request, field)
	}
	w.invalid(rebind(functest.FirstCredential), "fromKeyId")
	w.invalid(rebind(w.phasedOut().String()).With("If-Match", "2"), "If-Match")
	w.wantRevision(2)
}

// A body or a query that nobody reads would leave its sender believing in it.
func TestRequestThatSaysTooMuchIsRefused(t *testing.T) {
	w := newWorld(t)
	w.Bind(functest.Jane, "nightly", apikey.KeyID{})
	for _, request := range []functest.Request{read("nightly"), unbind("nightly"), list} {
		request.Body = `{"id":"nightly"}`
		w.invalid(request, "id")
	}
	for _, request := range []functest.Request{read("nightly"), unbind("nightly"), bind("nightly", following), rebind(unknownKey)} {
		request.Query = map[string][]string{"limit": {"1"}}
		w.invalid(request, "limit")
	}
	for _, request := range []functest.Request{unbind("nightly"), bind("nightly", following), rebind(unknownKey)} {
		w.invalid(request.With("If-Match", ""), "If-Match")
		w.invalid(request.With("If-Match", "3"), "If-Match")
	}
	tooLarge := bind("nightly", `{"description":"`+strings.Repeat("x", httpapi.MaxBodyBytes)+`"}`)
	w.send(tooLarge).Refused(http.StatusRequestEntityTooLarge, httpapi.CodePayloadTooLarge)
	w.send(bind("nightly", following).With("Content-Type", "text/plain")).
		Refused(http.StatusUnsupportedMediaType, httpapi.CodeUnsupportedMediaType)
	w.wantRevision(3)
}

func TestOtherMethodsAreAnsweredHere(t *testing.T) {
	w := newWorld(t)
	for resource, allowed := range map[string]string{
		"/v1/schedules": "GET", onePath: "GET, PUT, DELETE", "/v1/schedule-rebindings": "POST",
	} {
		got := w.send(functest.Request{Method: http.MethodPatch, Resource: resource, ScheduleID: "nightly", Token: administers})
		got.Refused(http.StatusMethodNotAllowed, httpapi.CodeMethodNotAllowed)
		if got.Headers["Allow"] != allowed {
			t.Errorf("%s allows %s", resource, got.Headers["Allow"])
		}
	}
}
