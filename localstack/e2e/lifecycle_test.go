package e2e

import (
	"strings"
	"testing"
)

// The product page as one script, from the first view to the last refusal.
func TestLifecycle(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")

	view := ada.view()
	view.check(t, "before the first key there is none",
		view.Active == nil && view.Revision == 0 && view.header.Get("ETag") == `"0"` && view.Owner.IAMID == ada.owner.IAMID)

	created := ada.create().want(t, 201)
	created.check(t, "the new key is Active and named after its owner and time",
		created.Key.Status == "ACTIVE" && strings.HasPrefix(created.Key.Name, "cpd-apikey-"+ada.owner.IAMID+"-20"))
	decision := runner.authorize(created.Credential)
	decision.check(t, "it authorizes jobs", decision.Allowed && decision.Reason == "key_active" && decision.Key.ID == created.Key.ID)
	ada.create().refused(t, 409, "active_key_exists")

	rotated := ada.rotate("If-Match", `"1"`).want(t, 201)
	decision = runner.authorize(created.Credential)
	decision.check(t, "a Phased out key is not used for authorization", !decision.Allowed && decision.Reason == "key_phased_out")
	decision = runner.authorize(rotated.Credential)
	decision.check(t, "the new key is", decision.Allowed && decision.Key.ID == rotated.Key.ID)
	ada.rotate("If-Match", `"1"`).refused(t, 412, "revision_mismatch")

	view = ada.view()
	phasedOut := view.phasedOut(t)
	view.check(t, "the Active key and the Phased out one are shown",
		view.Active.ID == rotated.Key.ID && view.header.Get("ETag") == `"2"` &&
			len(phasedOut) == 1 && phasedOut[0].ID == created.Key.ID && phasedOut[0].Status == "PHASED_OUT")

	ada.call("DELETE", "/v1/user-api-keys/"+rotated.Key.ID, "").refused(t, 409, "key_active")
	deleted := ada.call("DELETE", "/v1/user-api-keys/"+created.Key.ID, "").want(t, 200)
	deleted.check(t, "the Phased out key is deleted",
		len(deleted.Deleted) == 1 && deleted.Deleted[0].ID == created.Key.ID && deleted.Revision == 3)
	decision = runner.authorize(created.Credential)
	decision.check(t, "a deleted key is remembered", !decision.Allowed && decision.Reason == "key_deleted")
	ada.call("DELETE", "/v1/user-api-keys/"+created.Key.ID, "").refused(t, 404, "key_not_found")

	all := ada.deleteAll().want(t, 200)
	all.check(t, "all keys are deleted", len(all.Deleted) == 1 && all.Revision == 4)
	none := ada.deleteAll().want(t, 200)
	none.check(t, "deleting all again changes nothing", len(none.Deleted) == 0 && none.Revision == 4)
	decision = runner.authorize(rotated.Credential)
	decision.check(t, "no key authorizes any more", !decision.Allowed && decision.Reason == "key_deleted")
	ada.rotate().refused(t, 409, "no_active_key")
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
	if len(view.phasedOut(t)) != counts[201] {
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
