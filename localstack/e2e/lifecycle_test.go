package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// The product page as one script, from the first view to the last refusal.
func TestLifecycle(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")

	view := ada.view()
	if view.Active != nil || view.Revision != 0 || view.header.Get("ETag") != `"0"` || view.Owner.IAMID != ada.owner.IAMID {
		t.Errorf("before the first key: %s", view.body)
	}

	created := ada.create().want(t, 201)
	if created.Key.Status != "ACTIVE" || !strings.HasPrefix(created.Key.Name, "cpd-apikey-"+ada.owner.IAMID+"-20") {
		t.Errorf("created %s", created.body)
	}
	if decision := runner.authorize(created.Credential); !decision.Allowed || decision.Reason != "key_active" || decision.Key.ID != created.Key.ID {
		t.Errorf("a job with the Active key: %s", decision.body)
	}
	if again := ada.create(); again.status != 409 || again.Code != "active_key_exists" {
		t.Errorf("a second create: %s", again.body)
	}

	rotated := ada.rotate("If-Match", `"1"`).want(t, 201)
	if decision := runner.authorize(created.Credential); decision.Allowed || decision.Reason != "key_phased_out" {
		t.Errorf("a job with the Phased out key: %s", decision.body)
	}
	if decision := runner.authorize(rotated.Credential); !decision.Allowed {
		t.Errorf("a job with the new key: %s", decision.body)
	}
	if stale := ada.rotate("If-Match", `"1"`); stale.status != 412 || stale.Code != "revision_mismatch" {
		t.Errorf("a rotation at a revision of the past: %s", stale.body)
	}

	view = ada.view()
	var phasedOut []key
	if err := json.Unmarshal(view.PhasedOut, &phasedOut); err != nil || len(phasedOut) != 1 || phasedOut[0].ID != created.Key.ID || phasedOut[0].Status != "PHASED_OUT" {
		t.Errorf("after the rotation: %s", view.body)
	}
	if view.Active.ID != rotated.Key.ID || view.header.Get("ETag") != `"2"` {
		t.Errorf("after the rotation: %s", view.body)
	}

	if refused := ada.call("DELETE", "/v1/user-api-keys/"+rotated.Key.ID, ""); refused.status != 409 || refused.Code != "key_active" {
		t.Errorf("deleting the Active key: %s", refused.body)
	}
	deleted := ada.call("DELETE", "/v1/user-api-keys/"+created.Key.ID, "").want(t, 200)
	if len(deleted.Deleted) != 1 || deleted.Deleted[0].ID != created.Key.ID || deleted.Revision != 3 {
		t.Errorf("deleting the Phased out key: %s", deleted.body)
	}
	if decision := runner.authorize(created.Credential); decision.Allowed || decision.Reason != "key_deleted" {
		t.Errorf("a job with the deleted key: %s", decision.body)
	}
	if again := ada.call("DELETE", "/v1/user-api-keys/"+created.Key.ID, ""); again.status != 404 || again.Code != "key_not_found" {
		t.Errorf("deleting it again: %s", again.body)
	}

	if all := ada.deleteAll().want(t, 200); len(all.Deleted) != 1 || all.Revision != 4 {
		t.Errorf("deleting all: %s", all.body)
	}
	if none := ada.deleteAll().want(t, 200); len(none.Deleted) != 0 || none.Revision != 4 {
		t.Errorf("deleting all again: %s", none.body)
	}
	if decision := runner.authorize(rotated.Credential); decision.Allowed || decision.Reason != "key_deleted" {
		t.Errorf("a job after everything was deleted: %s", decision.body)
	}
	if refused := ada.rotate(); refused.status != 409 || refused.Code != "no_active_key" {
		t.Errorf("rotating nothing: %s", refused.body)
	}
	ada.create().want(t, 201)
}

func TestReplayOfALostAnswer(t *testing.T) {
	ada := newUser(t, "AccountOwner")
	id := uniqueKey()
	first := ada.create("Idempotency-Key", id).want(t, 201)
	again := ada.create("idempotency-key", id).want(t, 201)
	if again.body != first.body || first.Credential == "" {
		t.Errorf("the first answer %s and its replay %s", first.body, again.body)
	}
	if reused := ada.rotate("Idempotency-Key", id); reused.status != 422 || reused.Code != "idempotency_key_reused" {
		t.Errorf("the key for another operation: %s", reused.body)
	}
	ada.rotate().want(t, 201)
	again = ada.create("Idempotency-Key", id).want(t, 201)
	if again.Key.ID != first.Key.ID || again.Credential != "" {
		t.Errorf("the replay once the key is Phased out: %s", again.body)
	}
}

func TestOneOfFiftyCreatesWins(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	replies := atOnce(50, func() reply { return ada.create("Idempotency-Key", uniqueKey()) })
	if counts := statuses(replies); counts[201] != 1 || counts[409] != 49 {
		t.Errorf("statuses: %v", counts)
	}
	for _, r := range replies {
		if r.status == 201 && !runner.authorize(r.Credential).Allowed {
			t.Error("the winner's credential is refused")
		}
	}
}

func TestTwentyRotationsLeaveOneActiveKey(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	first := ada.create().want(t, 201)
	replies := atOnce(20, func() reply { return ada.rotate() })
	counts := statuses(replies)
	if counts[201] < 1 || counts[201] > 9 || counts[201]+counts[409]+counts[429] != 20 {
		t.Errorf("statuses: %v", counts)
	}
	view := ada.view()
	var phasedOut []key
	if err := json.Unmarshal(view.PhasedOut, &phasedOut); err != nil || len(phasedOut) != counts[201] {
		t.Errorf("%d rotations and %s", counts[201], view.body)
	}
	allowed := 0
	for _, r := range append(replies, first) {
		if r.status == 201 && runner.authorize(r.Credential).Allowed {
			allowed++
			if r.Key.ID != view.Active.ID {
				t.Errorf("key %s is allowed, %s is Active", r.Key.ID, view.Active.ID)
			}
		}
	}
	if allowed != 1 {
		t.Errorf("%d credentials are allowed", allowed)
	}
	checkSecret(t, ada, runner)
}

func TestOneIdempotencyKeyIsOneKey(t *testing.T) {
	ada := newUser(t, "Administrator")
	for _, operation := range []struct {
		name   string
		change func(...string) reply
	}{{"create", ada.create}, {"rotate", ada.rotate}} {
		id := uniqueKey()
		replies := atOnce(20, func() reply { return operation.change("Idempotency-Key", id) })
		credentials := map[string]bool{}
		for _, r := range replies {
			if r.status == 201 {
				credentials[r.Credential] = true
			}
		}
		if counts := statuses(replies); len(credentials) != 1 || counts[201]+counts[409] != 20 {
			t.Errorf("%s: %d credentials, statuses %v", operation.name, len(credentials), counts)
		}
	}
	if view := ada.view(); view.Revision != 2 {
		t.Errorf("one create and one rotation: %s", view.body)
	}
}

func TestAllowanceIsTenAtOnce(t *testing.T) {
	ada := newUser(t, "Administrator")
	ada.create().want(t, 201)
	for range 9 {
		ada.rotate().want(t, 201)
	}
	refused := ada.rotate()
	if refused.status != 429 || refused.Code != "rotation_rate_exceeded" || refused.header.Get("Retry-After") == "" {
		t.Errorf("the eleventh key: %s", refused.body)
	}
}
