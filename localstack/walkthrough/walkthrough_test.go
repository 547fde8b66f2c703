package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// service is an issuer and a service in one, which keeps the service's promises
// about a single user, except the one that is named in breaks.
type service struct {
	owner fields
	keys  []fields // the Active key is the last
	gone  []fields
	// changes are the newest first.
	changes []fields
	breaks  string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IAMID      string          `json:"iam_id"`
		Credential string          `json:"credential"`
		Owner      json.RawMessage `json:"owner"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	status, answer := http.StatusOK, fields{}
	switch r.Method + " " + r.URL.Path {
	case "POST /token":
		s.owner = fields{"iamId": body.IAMID}
		answer["access_token"] = "header.payload.signature"
	case "GET " + keysPath:
		answer = fields{"owner": s.owner, "active": nil, "phasedOut": []fields{}}
		if last := len(s.keys) - 1; last >= 0 {
			answer["active"], answer["phasedOut"] = s.keys[last], s.keys[:last]
		}
	case "GET " + historyPath:
		answer = fields{"changes": s.changes, "nextCursor": nil}
		if s.breaks == "history" {
			answer["changes"] = s.changes[:3]
		}
	case "POST " + keysPath, "POST " + rotationPath:
		status, answer = http.StatusCreated, s.issue()
	case "POST " + jobsPath:
		reason := s.reason(body.Credential)
		if s.breaks == "refusal" {
			reason = "key_active"
		}
		answer = fields{"allowed": reason == "key_active", "reason": reason}
	case "DELETE " + keysPath:
		s.changed("All Deleted", s.keys...)
		answer["deleted"], s.gone, s.keys = s.keys, s.keys, nil
	default:
		s.changed("Deleted", s.keys[0])
		answer["deleted"], s.keys = s.keys[:1], s.keys[1:]
	}
	if s.breaks == "status" {
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *service) issue() fields {
	name := fmt.Sprintf("key%d", len(s.keys))
	key := fields{"id": name, "status": "ACTIVE"}
	answer := fields{"key": key, "credential": "cpdk_ownerowner00" + name + "_secret" + name}
	if len(s.keys) > 0 {
		s.keys[len(s.keys)-1]["status"] = "PHASED_OUT"
		answer["phasedOut"] = s.keys[len(s.keys)-1]
		s.changed("Rotated", key)
	} else {
		s.changed("Created", key)
	}
	s.keys = append(s.keys, key)
	return answer
}

func (s *service) changed(what string, keys ...fields) {
	change := fields{"type": "User API Key " + what, "actor": fields{"id": s.owner["iamId"]}, "keys": keys}
	s.changes = slices.Insert(s.changes, 0, change)
}

func (s *service) reason(credential string) string {
	for _, key := range s.gone {
		if strings.HasSuffix(credential, key["id"].(string)) {
			return "key_deleted"
		}
	}
	for _, key := range s.keys {
		if strings.HasSuffix(credential, key["id"].(string)) && key["status"] != "ACTIVE" {
			return "key_phased_out"
		}
	}
	return "key_active"
}

func walk(t *testing.T, breaks string) (string, error) {
	t.Helper()
	server := httptest.NewServer(&service{breaks: breaks})
	t.Cleanup(server.Close)
	envFile := filepath.Join(t.TempDir(), "local.env")
	if err := os.WriteFile(envFile, []byte("API_URL="+server.URL+"\nISSUER_URL="+server.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := run(&out, envFile, 1)
	return out.String(), err
}

func TestShowsEveryStepAndNoSecret(t *testing.T) {
	out, err := walk(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The first job was authorized", "All 12 answers are as promised.", `"credential": "cpdk_owne...00key1_..."`} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if leak := regexp.MustCompile(`secret|payload`).FindString(out); leak != "" {
		t.Errorf("the output shows a credential or a token:\n%s", out)
	}
}

func TestFailsAtTheFirstBrokenPromise(t *testing.T) {
	for breaks, want := range map[string]string{
		"status":  "step 1, GET /v1/user-api-keys: the answer is 503, and 200 was promised",
		"history": "step 12, GET /v1/user-api-keys/history: the answer has no changes.3.actor.id",
		"refusal": "step 6, POST /v1/job-authorizations: allowed is true, and false was promised",
	} {
		t.Run(breaks, func(t *testing.T) {
			if out, err := walk(t, breaks); err == nil || err.Error() != want {
				t.Errorf("got error %v, want %q; output:\n%s", err, want, out)
			}
		})
	}
}

func TestSaysWhenStackDoesNotRun(t *testing.T) {
	err := run(&strings.Builder{}, filepath.Join(t.TempDir(), "local.env"), 0)
	if err == nil || !strings.Contains(err.Error(), "the local stack is not running") {
		t.Errorf("unclear: %v", err)
	}
}
