package e2e

import (
	"testing"
)

const (
	noPolicy     = `{"maxAgeDays":null,"noticeDays":null,"deletePhasedOutAfterDays":null,"inherited":true}`
	everyQuarter = `{"maxAgeDays":90,"noticeDays":14,"deletePhasedOutAfterDays":30}`
)

func (u *user) setPolicy(body string, headers ...string) reply {
	u.t.Helper()
	return u.call("PUT", "/v1/rotation-policy", body, headers...)
}

func (u *user) policy() reply {
	u.t.Helper()
	return u.call("GET", "/v1/rotation-policy", "").want(u.t, 200)
}

// A policy is replaced as a whole, is part of the history, and outlives the keys.
func TestRotationPolicy(t *testing.T) {
	ada := newUser(t, "Administrator")
	none := ada.policy()
	none.check(t, "at first it is the deployment's, which is off", none.body == noPolicy && none.header.Get("ETag") == `"0"`)
	ada.create().want(t, 201)
	set := ada.setPolicy(everyQuarter, "If-Match", `"1"`).want(t, 200)
	set.check(t, "it is set as asked for",
		set.body == `{"maxAgeDays":90,"noticeDays":14,"deletePhasedOutAfterDays":30,"inherited":false}` && set.header.Get("ETag") == `"2"`)
	again := ada.setPolicy(everyQuarter).want(t, 200)
	again.check(t, "the same again changes nothing", again.header.Get("ETag") == `"2"`)
	ada.setPolicy(`{}`, "If-Match", `"1"`).refused(t, 412, "revision_mismatch")

	ada.setPolicy(`{"deletePhasedOutAfterDays":365}`).want(t, 200)
	ada.deleteAll().want(t, 200)
	ada.create().want(t, 201)
	kept := ada.policy()
	kept.check(t, "what was left out is off, and all keys deleted it stays",
		kept.body == `{"maxAgeDays":null,"noticeDays":null,"deletePhasedOutAfterDays":365,"inherited":false}`)

	told := ada.history("")
	if len(told.Changes) != 5 {
		t.Fatal(told.body)
	}
	second := told.Changes[2]
	told.check(t, "the history tells what was set", second.Type == "User API Key Rotation Policy Changed" &&
		second.RotationPolicy != nil && second.RotationPolicy.DeletePhasedOutAfterDays == 365)
}

func TestMalformedPoliciesChangeNothing(t *testing.T) {
	ada := newUser(t, "Administrator")
	for _, body := range []string{
		``, `[]`, `{"maxAgeDays":0}`, `{"maxAgeDays":3651}`, `{"maxAgeDays":"90"}`, `{"noticeDays":1}`, `{"maxAgeDays":7,"noticeDays":7}`,
		`{"deletePhasedOutAfterDays":-1}`, `{"inherited":true}`, `{"maxAgeDays":1,"maxAgeDays":2}`,
	} {
		if r := ada.setPolicy(body); r.status != 400 || r.Code != "invalid_request" {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	newUser(t, "JobRunner").setPolicy(everyQuarter).refused(t, 403, "role_required")
	none := ada.policy()
	none.check(t, "nothing was set", none.body == noPolicy && none.header.Get("ETag") == `"0"`)
}
