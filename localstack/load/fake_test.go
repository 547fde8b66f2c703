package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

type object = map[string]any

// fakeService is an issuer and a service in one that keeps every promise, except
// the one that is named in breaks. It stands in for the network, so that its
// clock can be a test's own.
type fakeService struct {
	mu      sync.Mutex
	rings   map[string]*fakeRing
	answers map[string]reply // by Idempotency-Key
	arrived []time.Time      // of all requests but those for tokens
	changes int              // creates and rotations
	deletes int

	breaks string
	// takes is how long a request takes, half of it before its effect.
	takes func(n int) time.Duration
	// loses tells whether the answer to a change is lost, or is 503, after its effect.
	loses func(n int) (lost, unavailable bool)
}

type fakeRing struct {
	keys     []object // the Active key is the last
	deleted  []object
	made     int // keys
	revision int
	schedule string
	// decisions about the ring, and its Active key when it was last read.
	decisions int
	cached    any
}

type reply struct {
	status  int
	body    object
	headers http.Header
}

func newFakeService(breaks string) *fakeService {
	return &fakeService{
		rings: map[string]*fakeRing{}, answers: map[string]reply{}, breaks: breaks,
		takes: func(int) time.Duration { return 5 * time.Millisecond },
		loses: func(int) (bool, bool) { return false, false },
	}
}

func (f *fakeService) RoundTrip(r *http.Request) (*http.Response, error) {
	var body object
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	if r.URL.Path == "/token" {
		account, _ := body["account"].(object)
		token := fmt.Sprintf("%v|%v|%v", account["bss"], body["iam_id"], body["roles"])
		return reply{status: 200, body: object{"access_token": token}}.response(), nil
	}
	f.mu.Lock()
	f.arrived = append(f.arrived, time.Now())
	half := f.takes(len(f.arrived)) / 2
	f.mu.Unlock()
	if err := passes(r.Context(), half); err != nil {
		return nil, err
	}
	answer, err := f.answer(r, body)
	if err != nil {
		return nil, err
	}
	if err := passes(r.Context(), half); err != nil {
		return nil, err
	}
	return answer.response(), nil
}

func passes(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r reply) response() *http.Response {
	text, err := json.Marshal(r.body)
	if err != nil {
		panic(err)
	}
	if r.headers == nil {
		r.headers = http.Header{}
	}
	return &http.Response{StatusCode: r.status, Header: r.headers, Body: io.NopCloser(strings.NewReader(string(text)))}
}

func problem(status int, code string) reply {
	return reply{status: status, body: object{"code": code}, headers: http.Header{"Retry-After": {"1"}}}
}

func (f *fakeService) answer(r *http.Request, body object) (reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	account, rest, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "|")
	iamID, role, _ := strings.Cut(rest, "|")
	if f.breaks == "token" {
		return problem(401, "unauthenticated"), nil
	}
	if r.URL.Path == jobsPath {
		if role != "[JobRunner]" {
			return problem(403, "role_required"), nil
		}
		return f.decide(body), nil
	}
	ring := f.ring(iamID)
	switch r.Method + " " + r.URL.Path {
	case "GET " + keysPath:
		return f.view(ring, account, iamID), nil
	case "DELETE " + keysPath:
		f.deletes++
		return f.lossy(f.deletes, f.delete(ring, ring.keys))
	case "PUT " + schedulesPath + "/load-abcdefghij":
		ring.revision++
		ring.schedule = "cpds_" + iamID
		return reply{status: 201, body: object{"scheduleRef": ring.schedule}}, nil
	case "DELETE " + schedulesPath + "/load-abcdefghij":
		ring.schedule = ""
		return reply{status: 204}, nil
	}
	if id, isKey := strings.CutPrefix(r.URL.Path, keysPath+"/"); isKey && r.Method == http.MethodDelete {
		f.deletes++
		return f.lossy(f.deletes, f.deleteOne(ring, id))
	}
	f.changes++
	id := r.Header.Get("Idempotency-Key")
	answer, repeated := f.answers[id]
	if !repeated {
		if answer = f.change(ring, r.URL.Path == rotationPath, iamID); answer.status == 201 {
			f.answers[id] = answer
		}
	}
	return f.lossy(f.changes, answer)
}

// lossy is what arrives of the answer to a change.
func (f *fakeService) lossy(n int, answer reply) (reply, error) {
	switch lost, unavailable := f.loses(n); {
	case lost:
		return reply{}, syscall.ECONNRESET
	case unavailable:
		return problem(503, "unavailable"), nil
	}
	return answer, nil
}

func (f *fakeService) ring(iamID string) *fakeRing {
	if f.rings[iamID] == nil {
		f.rings[iamID] = &fakeRing{}
	}
	return f.rings[iamID]
}

func (f *fakeService) view(ring *fakeRing, account, iamID string) reply {
	body := object{"owner": object{"accountId": account, "iamId": iamID}, "revision": ring.revision, "active": nil}
	if last := len(ring.keys) - 1; last >= 0 {
		body["active"] = ring.keys[last]
		switch {
		case f.breaks == "old revision":
			body["revision"] = ring.revision - 1
		case f.breaks == "old view" && last > 0:
			body["active"] = ring.keys[last-1]
		}
	}
	return reply{status: 200, body: body}
}

// deleteOne deletes a Phased out key.
func (f *fakeService) deleteOne(ring *fakeRing, id string) reply {
	if f.breaks == "wrong deletion" {
		return f.delete(ring, ring.keys[len(ring.keys)-1:])
	}
	at := slices.IndexFunc(ring.keys, func(key object) bool { return key["id"] == id })
	switch {
	case at < 0 || f.breaks == "forgetful":
		return problem(404, "key_not_found")
	case at == len(ring.keys)-1:
		return problem(409, "key_active")
	}
	return f.delete(ring, ring.keys[at:at+1])
}

func (f *fakeService) delete(ring *fakeRing, keys []object) reply {
	keys = slices.Clone(keys)
	switch {
	case f.breaks == "deletion":
		return problem(500, "internal_error")
	case f.breaks == "idle deletion":
		keys = nil
	case f.breaks != "undone deletion":
		ring.keys = slices.DeleteFunc(slices.Clone(ring.keys), func(key object) bool {
			return slices.ContainsFunc(keys, func(other object) bool { return other["id"] == key["id"] })
		})
		ring.deleted = append(ring.deleted, keys...)
	}
	if len(keys) > 0 {
		ring.revision++
	}
	return reply{status: 200, body: object{"deleted": keys, "revision": ring.revision}}
}

// change is a create or a rotation.
func (f *fakeService) change(ring *fakeRing, isRotation bool, iamID string) reply {
	made := ring.made
	switch {
	case f.breaks == "gateway":
		return problem(429, "too_many_requests")
	case f.breaks == "emulated gateway":
		return reply{status: 429, body: object{"message": "Too Many Requests"}}
	case f.breaks == "defect":
		return problem(500, "internal_error")
	case f.breaks == "no Retry-After":
		answer := problem(503, "unavailable")
		answer.headers = nil
		return answer
	case isRotation && len(ring.keys) == 0:
		return problem(409, "no_active_key")
	case !isRotation && len(ring.keys) > 0 && f.breaks != "second key":
		return problem(409, "active_key_exists")
	case made >= allowance && f.breaks != "lavish", made >= 3 && f.breaks == "stingy":
		return problem(429, "rotation_rate_exceeded")
	}
	ring.revision++
	ring.made++
	id := fmt.Sprintf("key-%s-%d", iamID, ring.made)
	key := object{"id": id}
	ring.keys = append(ring.keys, key)
	answer := object{"key": key, "credential": "cpdk_" + id + "_secret", "revision": ring.revision}
	if f.breaks == "no credential" {
		delete(answer, "credential")
	}
	return reply{status: 201, body: answer}
}

func (f *fakeService) decide(body object) reply {
	owner, named := body["owner"].(object)
	ref, _ := body["scheduleRef"].(string)
	if iamID, isRef := strings.CutPrefix(ref, "cpds_"); isRef {
		if f.breaks == "lost schedule" {
			return decision("schedule_unknown", object{})
		}
		owner, named = object{"iamId": iamID}, true
	}
	if named {
		ring := f.ring(fmt.Sprint(owner["iamId"]))
		last := len(ring.keys) - 1
		if last < 0 || f.breaks == "gap" && last > 0 {
			return decision("no_active_key", object{})
		}
		if f.breaks == "old owner" && ref == "" || f.breaks == "old schedule" && ref != "" {
			last = 0
		}
		return decision("key_active", ring.keys[last])
	}
	credential, _ := body["credential"].(string)
	for _, ring := range f.rings {
		for i, key := range ring.keys {
			if credential == fmt.Sprintf("cpdk_%s_secret", key["id"]) {
				return f.presented(ring, i, key)
			}
		}
		for _, key := range ring.deleted {
			if credential == fmt.Sprintf("cpdk_%s_secret", key["id"]) {
				return f.dead(key)
			}
		}
	}
	return decision("key_unknown", object{})
}

// dead is the decision about the credential of a deleted key.
func (f *fakeService) dead(key object) reply {
	switch f.breaks {
	case "revenant":
		return decision("key_active", key)
	case "other death":
		return decision("key_phased_out", key)
	}
	return decision("key_deleted", key)
}

// presented is the decision about a credential of the ring.
func (f *fakeService) presented(ring *fakeRing, at int, key object) reply {
	active := at == len(ring.keys)-1
	switch f.breaks {
	case "stale": // it reads a ring every fifteenth time only
		if ring.decisions%15 == 0 {
			ring.cached = ring.keys[len(ring.keys)-1]["id"]
		}
		ring.decisions++
		active = key["id"] == ring.cached
	case "refusal":
		active = false
	case "contradiction":
		return reply{status: 200, body: object{"allowed": !active, "reason": "key_active", "key": key}}
	case "other key":
		key = object{"id": "key-of-somebody-else"}
	case "other reason":
		if !active {
			return decision("key_deleted", key)
		}
	}
	if active {
		return decision("key_active", key)
	}
	return decision("key_phased_out", key)
}

func decision(reason string, key object) reply {
	return reply{status: 200, body: object{"allowed": reason == "key_active", "reason": reason, "key": key}}
}
