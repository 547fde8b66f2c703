package e2e

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func TestWrongMethodsAndPathsAreAnsweredWithProblems(t *testing.T) {
	ada := newUser(t, "Administrator")
	for path, allow := range map[string]string{
		"/v1/user-api-keys":                                 "GET, POST, DELETE",
		"/v1/user-api-keys/some-key":                        "DELETE",
		"/v1/user-api-keys/some-key/impact":                 "GET",
		"/v1/user-api-keys/history":                         "GET",
		"/v1/user-api-keys/rotation":                        "POST",
		"/v1/rotation-policy":                               "GET, PUT",
		"/v1/account/user-api-keys":                         "GET",
		"/v1/account/user-api-keys/some-user":               "DELETE",
		"/v1/account/user-api-keys/some-user/history":       "GET",
		"/v1/account/user-api-keys/some-user/reinstatement": "POST",
		"/v1/account":                                       "",
		"/v1/schedules":                                     "GET",
		"/v1/schedules/some-schedule":                       "GET, PUT, DELETE",
		"/v1/schedule-rebindings":                           "POST",
		"/v1/job-authorizations":                            "POST",
		"/v1/job-authorizations/batch":                      "POST",
		"/v1/job-runs/some-run":                             "DELETE",
		"/v1/job-runs/some-run/renewal":                     "POST",
		"/":                                                 "",
		"/v1":                                               "",
		"/v1/user-api-keys/a/b":                             "",
		"/v1/schedules/a/b":                                 "",
		"/v1/job-runs":                                      "",
		"/nothing":                                          "",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if strings.Contains(allow, method) {
				continue
			}
			want, code := 405, "method_not_allowed"
			if allow == "" {
				want, code = 404, "not_found"
			}
			r := ada.call(method, path, "")
			if r.status != want || r.Code != code || r.header.Get("Allow") != allow || r.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %d, Allow %q: %s", method, path, r.status, r.header.Get("Allow"), r.body)
			}
		}
	}
}

func TestWhoMayNot(t *testing.T) {
	ada := newUser(t, "Administrator")
	ada.create().want(t, 201)
	claims := func(change map[string]any) map[string]any {
		all := map[string]any{"iam_id": ada.owner.IAMID, "account": map[string]string{"bss": ada.owner.AccountID}, "roles": []string{"Administrator"}}
		maps.Copy(all, change)
		return all
	}
	for name, test := range map[string]struct {
		token  string
		status int
		code   string
	}{
		"no token":        {"", 401, "unauthenticated"},
		"no JWT":          {"abc", 401, "unauthenticated"},
		"alg none":        {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", 401, "unauthenticated"},
		"expired":         {token(t, claims(map[string]any{"expires_in": -120})), 401, "unauthenticated"},
		"not yet valid":   {token(t, claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})), 401, "unauthenticated"},
		"other issuer":    {token(t, claims(map[string]any{"iss": "https://issuer.example"})), 401, "unauthenticated"},
		"other audience":  {token(t, claims(map[string]any{"aud": "another-service"})), 401, "unauthenticated"},
		"no account":      {token(t, claims(map[string]any{"account": nil})), 401, "unauthenticated"},
		"role of a guest": {token(t, claims(map[string]any{"roles": "Viewer"})), 403, "role_required"},
		"job runner":      {token(t, claims(map[string]any{"roles": []string{"JobRunner"}})), 403, "role_required"},
	} {
		somebody := &user{t: t, token: test.token}
		r := somebody.call("GET", "/v1/user-api-keys", "", "X-Iam-Id", ada.owner.IAMID)
		if r.status != test.status || r.Code != test.code {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if (r.status == 401) != (r.header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate %q", name, r.header.Get("WWW-Authenticate"))
		}
	}
	if r := ada.call("POST", "/v1/job-authorizations", jobRequest(map[string]any{"credential": "x"})); r.status != 403 {
		t.Errorf("an Administrator asks for a job: %d %s", r.status, r.body)
	}
}

func TestAnotherOwnersKeyIsNotFound(t *testing.T) {
	ada, bob := newUser(t, "Administrator"), newUser(t, "Administrator")
	ada.create().want(t, 201)
	old := ada.rotate().want(t, 201)
	ada.rotate().want(t, 201)
	if r := bob.call("DELETE", "/v1/user-api-keys/"+old.Key.ID, ""); r.status != 404 || r.Code != "key_not_found" {
		t.Errorf("deleting another owner's key: %s", r.body)
	}
	if view := bob.view(); view.Active != nil {
		t.Errorf("another owner's keys: %s", view.body)
	}
}

func TestBadBodiesChangeNothing(t *testing.T) {
	ada := newUser(t, "Administrator")
	for name, test := range map[string]struct {
		body, contentType string
		status            int
	}{
		"an unknown field": {`{"name":"mine"}`, "application/json", 400},
		"trailing data":    {`{} {}`, "application/json", 400},
		"a list":           {`[]`, "application/json", 400},
		"cut off":          {`{`, "application/json", 400},
		"another type":     {`{}`, "text/plain", 415},
		"a byte too many":  {strings.Repeat(" ", 16<<10-1) + "{}", "application/json", 413},
		"invalid UTF-8":    {"{\"\xff\":1}", "application/json", 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := ada.call("POST", "/v1/user-api-keys", test.body, "Content-Type", test.contentType)
			if r.status != test.status {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	t.Run("invalid UTF-8 in a text", func(t *testing.T) {
		if r := ada.call("PUT", "/v1/schedules/nightly", "{\"description\":\"a\xff\"}"); r.status != 400 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	if r := ada.call("DELETE", "/v1/user-api-keys", `{"keyId":"x"}`); r.status != 400 {
		t.Errorf("a deletion of all with a body: %d %s", r.status, r.body)
	}
	if view := ada.view(); view.Revision != 0 {
		t.Errorf("something changed: %s", view.body)
	}
	ada.call("POST", "/v1/user-api-keys", "{}", "Content-Type", "application/json; charset=utf-8").want(t, 201)
}

func TestAnswersAreNotCachedNorSniffed(t *testing.T) {
	ada := newUser(t, "Administrator")
	for _, r := range []reply{ada.view(), ada.call("GET", "/nothing", "")} {
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers: %v", r.header)
		}
	}
}
