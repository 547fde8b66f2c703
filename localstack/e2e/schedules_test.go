package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

func (u *user) bind(id string, binding map[string]any) reply {
	u.t.Helper()
	body, err := json.Marshal(binding)
	if err != nil {
		u.t.Fatal(err)
	}
	return u.call("PUT", "/v1/schedules/"+id, string(body))
}

func (u *user) readSchedule(id string) reply {
	u.t.Helper()
	return u.call("GET", "/v1/schedules/"+id, "").want(u.t, 200)
}

func (u *user) askSchedule(ref string) reply {
	u.t.Helper()
	return u.ask(map[string]any{"scheduleRef": ref, "trigger": "scheduled"})
}

// A schedule that follows the Active key: bound once, it needs nothing more.
func TestScheduleThatFollowsOutlivesRotations(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	created := ada.create().want(t, 201)
	bound := ada.bind("nightly-training", map[string]any{}).want(t, 201)
	bound.check(t, "it follows the Active key",
		bound.Binding == "follow_active" && bound.State == "ready" && bound.header.Get("ETag") == `"2"`)
	decision := runner.askSchedule(bound.ScheduleRef)
	decision.check(t, "its jobs run under the Active key", decision.Allowed && decision.Key.ID == created.Key.ID && decision.Secret.VersionID != "")

	rotated := ada.rotate().want(t, 201)
	rotated.check(t, "a rotation stops nothing", rotated.Affected.ScheduleCount == 0)
	decision = runner.askSchedule(bound.ScheduleRef)
	decision.check(t, "its jobs run under the new key", decision.Allowed && decision.Key.ID == rotated.Key.ID)

	all := ada.deleteAll().want(t, 200)
	all.check(t, "a deletion of all keys stops it", slices.Equal(all.Affected.scheduleIDs(), []string{"nightly-training"}))
	decision = runner.askSchedule(bound.ScheduleRef)
	decision.check(t, "without a key no job runs", !decision.Allowed && decision.Reason == "no_active_key")
	read := ada.readSchedule("nightly-training")
	read.check(t, "its state says so", read.State == "no_active_key" && read.ScheduleRef == bound.ScheduleRef)

	ada.create().want(t, 201)
	decision = runner.askSchedule(bound.ScheduleRef)
	decision.check(t, "with a new key they do", decision.Allowed)
	ada.call("DELETE", "/v1/schedules/nightly-training", "").want(t, 204)
	decision = runner.askSchedule(bound.ScheduleRef)
	decision.check(t, "unbound it is unknown", !decision.Allowed && decision.body == `{"allowed":false,"reason":"schedule_unknown"}`)
	ada.call("DELETE", "/v1/schedules/nightly-training", "").refused(t, 404, "schedule_not_found")
	ada.call("GET", "/v1/schedules/nightly-training", "").refused(t, 404, "schedule_not_found")
}

// Schedules that are pinned to a key wait after its rotation, and after its
// deletion, until they are bound again: one by one, or all at once.
func TestPinnedSchedulesWaitToBeBoundAgain(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	created := ada.create().want(t, 201)
	byID := map[string]any{"binding": "pinned", "keyId": created.Key.ID, "jobType": "pipeline", "description": "Goes to the board"}
	first := ada.bind("report-1", byID).want(t, 201)
	second := ada.bind("report-2", map[string]any{"binding": "pinned", "credential": created.Credential}).want(t, 201)
	second.check(t, "a credential names its key", second.KeyID == created.Key.ID)
	for _, bound := range []reply{first, second} {
		decision := runner.askSchedule(bound.ScheduleRef)
		decision.check(t, "jobs of a pinned schedule run", decision.Allowed && decision.Key.ID == created.Key.ID)
	}

	rotated := ada.rotate().want(t, 201)
	rotated.check(t, "the rotation lists them", slices.Equal(rotated.Affected.scheduleIDs(), []string{"report-1", "report-2"}) &&
		rotated.Affected.Schedules[0].State == "key_phased_out" && rotated.Affected.RunCount == 0)
	for _, bound := range []reply{first, second} {
		decision := runner.askSchedule(bound.ScheduleRef)
		decision.check(t, "jobs are refused after it",
			!decision.Allowed && decision.Reason == "schedule_key_phased_out" && decision.Key.ID == created.Key.ID)
	}
	ada.bind("report-3", byID).refused(t, 409, "key_not_active")

	ada.bind("report-1", map[string]any{"binding": "pinned", "keyId": rotated.Key.ID}).want(t, 200)
	decision := runner.askSchedule(first.ScheduleRef)
	decision.check(t, "bound again, its jobs run", decision.Allowed && decision.Key.ID == rotated.Key.ID)
	decision = runner.askSchedule(second.ScheduleRef)
	decision.check(t, "the other one still waits", decision.Reason == "schedule_key_phased_out")
	rebinding := fmt.Sprintf(`{"fromKeyId":%q}`, created.Key.ID)
	rebound := ada.call("POST", "/v1/schedule-rebindings", rebinding).want(t, 200)
	rebound.check(t, "all that wait are bound again", rebound.Rebound == 1 && rebound.Remaining == 0)
	decision = runner.askSchedule(second.ScheduleRef)
	decision.check(t, "its jobs run as well", decision.Allowed && decision.Key.ID == rotated.Key.ID)
	again := ada.call("POST", "/v1/schedule-rebindings", rebinding).want(t, 200)
	again.check(t, "to rebind again changes nothing", again.Rebound == 0 && ada.view().Revision == 6)

	ada.rotate().want(t, 201)
	ada.call("DELETE", "/v1/user-api-keys/"+rotated.Key.ID, "").want(t, 200)
	decision = runner.askSchedule(second.ScheduleRef)
	decision.check(t, "jobs of a deleted key are refused", decision.Reason == "schedule_key_deleted")
	rebound = ada.call("POST", "/v1/schedule-rebindings", fmt.Sprintf(`{"fromKeyId":%q}`, rotated.Key.ID)).want(t, 200)
	rebound.check(t, "they can be bound again too", rebound.Rebound == 2)
}

func TestSchedulesAreListedInPages(t *testing.T) {
	ada := newUser(t, "Administrator")
	none := ada.call("GET", "/v1/schedules", "").want(t, 200)
	none.check(t, "at first there is none", none.body == `{"schedules":[],"nextCursor":null}`)
	var want []string
	for i := range 7 {
		id := fmt.Sprintf("schedule-%d", i)
		ada.bind(id, map[string]any{"binding": "follow_active"}).want(t, 201)
		want = append(want, id)
	}
	page := ada.call("GET", "/v1/schedules?limit=3", "").want(t, 200)
	ids := affected{Schedules: page.Schedules}.scheduleIDs()
	for page.NextCursor != nil {
		page.check(t, "a page is full", len(page.Schedules) == 3)
		page = ada.call("GET", "/v1/schedules?limit=3&cursor="+*page.NextCursor, "").want(t, 200)
		ids = append(ids, affected{Schedules: page.Schedules}.scheduleIDs()...)
	}
	page.check(t, "each is listed once, in order", slices.Equal(ids, want))
	cursor := *ada.call("GET", "/v1/schedules?limit=3", "").want(t, 200).NextCursor
	newUser(t, "Administrator").call("GET", "/v1/schedules?cursor="+cursor, "").refused(t, 400, "invalid_request")
	ada.call("GET", "/v1/user-api-keys/history?cursor="+cursor, "").refused(t, 400, "invalid_request")
}

// The state that a change was meant for is the one that it is made in.
func TestSchedulesHonourIfMatch(t *testing.T) {
	ada := newUser(t, "Administrator")
	tag := ada.bind("report", map[string]any{}).want(t, 201).header.Get("ETag")
	ada.create().want(t, 201)
	ada.call("PUT", "/v1/schedules/report", `{"description":"mine"}`, "If-Match", tag).refused(t, 412, "revision_mismatch")
	ada.call("DELETE", "/v1/schedules/report", "", "If-Match", tag).refused(t, 412, "revision_mismatch")
	ada.call("DELETE", "/v1/schedules/report", "", "If-Match", ada.readSchedule("report").header.Get("ETag")).want(t, 204)
}
