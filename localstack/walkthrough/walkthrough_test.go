package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// service is an issuer and a service in one, which keeps the service's promises
// about a single user, except the one that is named in breaks.
type service struct {
	owner fields
	keys  []fields // the Active key is the last
	gone  []fields
	// pinned is the key that the pinned schedule is bound to, held the run's.
	pinned, held string
	// changes are the newest first; so many of them, the oldest, were received.
	changes  []fields
	received int
	breaks   string
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
	serve("POST "+keysPath, http.StatusCreated, func(asked) fields { return s.issue("Created", "user") })
	serve("POST "+rotationPath, http.StatusCreated, func(asked) fields { return s.issue("Rotated", "user") })
	serve("PUT "+policyPath, http.StatusOK, func(asked) fields {
		s.change("Rotation Policy Changed", "user", nil)
		return fields{"maxAgeDays": 30, "noticeDays": 7, "inherited": false}
	})
	serve("GET "+keysPath+"/{keyId}/impact", http.StatusOK, func(asked) fields {
		return fields{"onDelete": s.affected(s.keys[:1]), "onRotate": nil}
	})
	serve("DELETE "+keysPath+"/{keyId}", http.StatusOK, func(asked) fields { return s.remove("Deleted", s.keys[:1]) })
	serve("DELETE "+keysPath, http.StatusOK, func(asked) fields { return s.remove("All Deleted", s.keys) })
	serve("GET "+historyPath, http.StatusOK, func(asked) fields { return s.history() })
	serve("PUT "+schedulesPath+"/{id}", http.StatusCreated, func(body asked) fields {
		s.pinned = body.KeyID
		s.change("Schedule Bound", "user", nil)
		return fields{"state": "ready", "keyId": body.KeyID, "scheduleRef": "cpds_" + body.KeyID}
	})
	serve("POST "+rebindingsPath, http.StatusOK, func(asked) fields {
		s.pinned = s.active()
		s.change("Schedule Bound", "user", nil)
		return fields{"rebound": 1, "remaining": 0}
	})
	serve("POST "+jobsPath, http.StatusOK, s.decide)
	serve("POST "+runsPath+"/cpdr_run/renewal", http.StatusOK, func(asked) fields { return s.renew() })
	s.serveAWS(mux)
	return mux
}

// serveAWS is the emulator: a queue of what has changed, a table and the sweep.
func (s *service) serveAWS(mux *http.ServeMux) {
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		answer := fields{}
		switch r.Header.Get("X-Amz-Target") {
		case "AmazonSQS.CreateQueue":
			answer["QueueUrl"] = "queue"
		case "AmazonSQS.ReceiveMessage":
			answer["Messages"] = s.messages()
		case "DynamoDB_20120810.GetItem":
			answer["Item"] = fields{"active": fields{"M": fields{"createdAt": fields{"S": "2026-11-24T12:00:00.000Z"}}}, "dueAt": fields{"N": "0"}}
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("POST /2015-03-31/functions/sweep/invocations", func(w http.ResponseWriter, _ *http.Request) {
		if s.breaks != "clock" {
			s.issue("Rotated", "schedule")
		}
		_ = json.NewEncoder(w).Encode(fields{"rotated": 1})
	})
}

// messages are the notices that have not been received, the newest first and
// each twice, and one that is no change.
func (s *service) messages() (messages []fields) {
	changes := slices.Clone(s.changes[:len(s.changes)-s.received])
	s.received = len(s.changes)
	if s.breaks == "notice" { // the second never comes
		changes = slices.DeleteFunc(changes, func(change fields) bool { return change["revision"] == 2 })
	}
	for _, change := range append(changes, fields{"type": "User API Key Use Refused", "actor": fields{}, "revision": 1}) {
		body, _ := json.Marshal(fields{"detail-type": change["type"], "detail": fields{
			"revision": change["revision"], "metadata": fields{
				"id": fmt.Sprint(change["type"], change["revision"]), "actor": change["actor"], "occurredAt": "2026-11-24T12:00:00Z",
			},
		}})
		message := fields{"Body": string(body), "Attributes": fields{"SentTimestamp": "1795550000000"}}
		messages = append(messages, message, message)
	}
	return messages
}

// change notes a change, and answers its revision.
func (s *service) change(what, actor string, more fields) int {
	change := fields{"type": "User API Key " + what, "revision": len(s.changes) + 1, "actor": fields{"kind": actor, "id": s.owner["iamId"]}}
	maps.Copy(change, more)
	s.changes = slices.Insert(s.changes, 0, change)
	return len(s.changes)
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

func (s *service) issue(what, actor string) fields {
	name := fmt.Sprintf("key%d", len(s.keys)+len(s.gone))
	key := fields{"id": name, "status": "ACTIVE", "createdBy": fields{"kind": actor}}
	s.change(what, actor, fields{"keys": []fields{key}})
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
	revision := s.change(what, "user", fields{"keys": keys, "affectedRunCount": affected["runCount"]})
	s.gone = append(s.gone, keys...)
	s.keys = s.keys[len(keys):]
	return fields{"deleted": keys, "affected": affected, "revision": revision}
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
	if err := os.WriteFile(envFile, []byte(strings.ReplaceAll("API_URL=$\nISSUER_URL=$\nAWS_ENDPOINT_URL=$\nTABLE_NAME=table\nEVENT_BUS_NAME=bus\nSWEEP_FUNCTION=sweep\n", "$", server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	patience := time.Minute
	if breaks == "notice" {
		patience = 100 * time.Millisecond
	}
	err := run(&out, envFile, 1, patience)
	return out.String(), err
}

func TestShowsEveryStepAndNoSecret(t *testing.T) {
	out, err := walk(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The first job was authorized", "All 23 answers are as promised.", `"credential": "cpdk_owne...00key1_..."`} {
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
		"history": "step 23, GET /v1/user-api-keys/history?limit=2: the answer has no changes.1.actor.kind",
		"refusal": "step 8, POST /v1/job-authorizations: allowed is true, and false was promised",
		"impact":  "step 15, GET /v1/user-api-keys/key0/impact: onDelete.runCount is 0, and 1 was promised",
		"notice":  "no notice of revision ",
		"clock":   "step 19, GET /v1/user-api-keys: active.createdBy.kind is user, and schedule was promised",
		"run":     "step 17, POST /v1/job-runs/cpdr_run/renewal: allowed is true, and false was promised",
	} {
		t.Run(breaks, func(t *testing.T) {
			if out, err := walk(t, breaks); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got error %v, want %q; output:\n%s", err, want, out)
			}
		})
	}
}

func TestSaysWhenStackDoesNotRun(t *testing.T) {
	err := run(&strings.Builder{}, filepath.Join(t.TempDir(), "local.env"), 0, time.Minute)
	if err == nil || !strings.Contains(err.Error(), "the local stack is not running; start it with `make up`") {
		t.Errorf("unclear: %v", err)
	}
}
