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
	// pinned is the key that the pinned schedule is bound to, held the run's.
	pinned, held string
	// changes are the newest first.
	changes []fields
	breaks  string
}

// asked is what the service reads of any body.
type asked struct {
	IAMID       string `json:"iam_id"`
	Credential  string `json:"credential"`
	ScheduleRef string `json:"scheduleRef"`
	RunID       string `json:"runId"`
	KeyID       string `json:"keyId"`
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	serve := func(pattern string, status int, answer func(asked) fields) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var body asked
			_ = json.NewDecoder(r.Body).Decode(&body)
			if s.breaks == "status" && pattern != "POST /token" {
				status = http.StatusServiceUnavailable
			}
			content := answer(body)
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(content)
		})
	}
	serve("POST /token", http.StatusOK, func(body asked) fields {
		s.owner = fields{"iamId": body.IAMID}
		return fields{"access_token": "header.payload.signature"}
	})
	serve("GET "+keysPath, http.StatusOK, func(asked) fields { return s.view() })
	serve("POST "+keysPath, http.StatusCreated, func(asked) fields { return s.issue() })
	serve("POST "+rotationPath, http.StatusCreated, func(asked) fields { return s.issue() })
	serve("GET "+keysPath+"/{keyId}/impact", http.StatusOK, func(asked) fields {
		return fields{"onDelete": s.affected(s.keys[:1]), "onRotate": nil}
	})
	serve("DELETE "+keysPath+"/{keyId}", http.StatusOK, func(asked) fields { return s.remove("Deleted", s.keys[:1]) })
	serve("DELETE "+keysPath, http.StatusOK, func(asked) fields { return s.remove("All Deleted", s.keys) })
	serve("GET "+historyPath, http.StatusOK, func(asked) fields { return s.history() })
	serve("PUT "+schedulesPath+"/{id}", http.StatusCreated, func(body asked) fields {
		s.pinned = body.KeyID
		return fields{"state": "ready", "keyId": body.KeyID, "scheduleRef": "cpds_" + body.KeyID}
	})
	serve("POST "+rebindingsPath, http.StatusOK, func(asked) fields {
		s.pinned = s.active()
		return fields{"rebound": 1, "remaining": 0}
	})
	serve("POST "+jobsPath, http.StatusOK, s.decide)
	serve("POST "+runsPath+"/cpdr_run/renewal", http.StatusOK, func(asked) fields { return s.renew() })
	return mux
}

func (s *service) active() string { return s.keys[len(s.keys)-1]["id"].(string) }

func (s *service) view() fields {
	if len(s.keys) == 0 {
		return fields{"owner": s.owner, "active": nil, "phasedOut": []fields{}}
	}
	last := len(s.keys) - 1
	return fields{"owner": s.owner, "active": s.keys[last], "phasedOut": s.keys[:last]}
}

func (s *service) history() fields {
	if s.breaks == "history" {
		return fields{"changes": s.changes[:1]}
	}
	return fields{"changes": s.changes[:2]}
}

func (s *service) issue() fields {
	name := fmt.Sprintf("key%d", len(s.keys))
	key := fields{"id": name, "status": "ACTIVE"}
	answer := fields{"key": key, "credential": "cpdk_ownerowner00" + name + "_secret" + name}
	if len(s.keys) > 0 {
		old := s.keys[len(s.keys)-1]
		old["status"] = "PHASED_OUT"
		answer["phasedOut"] = old
		answer["affected"] = fields{"schedules": []fields{{"id": pinnedID}}, "scheduleCount": 1}
	}
	s.keys = append(s.keys, key)
	return answer
}

// affected is what the deletion of keys hits; with the last of them both
// schedules are without a key.
func (s *service) affected(keys []fields) fields {
	affected := fields{"runCount": 0, "scheduleCount": 0}
	for _, key := range keys {
		if key["id"] == s.held && s.breaks != "impact" {
			affected["runCount"], affected["runs"] = 1, []fields{{"runId": "run-1"}}
		}
		if key["id"] == s.active() {
			affected["scheduleCount"] = 2
		}
	}
	return affected
}

func (s *service) remove(what string, keys []fields) fields {
	affected := s.affected(keys)
	s.changes = slices.Insert(s.changes, 0, fields{
		"type": "User API Key " + what, "actor": fields{"id": s.owner["iamId"]}, "keys": keys, "affectedRunCount": affected["runCount"],
	})
	s.gone = append(s.gone, keys...)
	s.keys = s.keys[len(keys):]
	return fields{"deleted": keys, "affected": affected}
}

func (s *service) decide(body asked) fields {
	_, key, _ := strings.Cut(body.Credential, "_secret")
	prefix := ""
	switch body.ScheduleRef {
	case "":
	case "cpds_": // it follows
		key = s.active()
		if body.RunID != "" {
			s.held = key
		}
	default:
		key, prefix = s.pinned, "schedule_"
	}
	reason := s.reason(key)
	if s.breaks == "refusal" {
		reason = "key_active"
	}
	if reason == "key_active" {
		return decision(true, reason, key)
	}
	return decision(false, prefix+reason, key)
}

func (s *service) renew() fields {
	reason := s.reason(s.held)
	return decision(reason != "key_deleted" || s.breaks == "run", reason, s.held)
}

func decision(allowed bool, reason, key string) fields {
	return fields{"allowed": allowed, "reason": reason, "key": fields{"id": key}, "run": fields{"ref": "cpdr_run"}}
}

func (s *service) reason(key string) string {
	switch {
	case slices.ContainsFunc(s.gone, func(k fields) bool { return k["id"] == key }):
		return "key_deleted"
	case key != s.active():
		return "key_phased_out"
	}
	return "key_active"
}

func walk(t *testing.T, breaks string) (string, error) {
	t.Helper()
	server := httptest.NewServer((&service{breaks: breaks}).handler())
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
	for _, want := range []string{"The first job was authorized", "All 20 answers are as promised.", `"credential": "cpdk_owne...00key1_..."`} {
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
		"history": "step 20, GET /v1/user-api-keys/history?limit=2: the answer has no changes.1.affectedRunCount",
		"refusal": "step 8, POST /v1/job-authorizations: allowed is true, and false was promised",
		"impact":  "step 15, GET /v1/user-api-keys/key0/impact: onDelete.runCount is 0, and 1 was promised",
		"run":     "step 17, POST /v1/job-runs/cpdr_run/renewal: allowed is true, and false was promised",
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
