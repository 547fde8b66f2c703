package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// history is a page of a user's history.
type history struct {
	reply
	Changes []struct {
		ID, Type, OccurredAt, CorrelationID string
		Revision                            int64
		Actor                               struct{ Kind, ID string }
		Keys                                []key
		RotationPolicy                      *struct{ DeletePhasedOutAfterDays int }
	}
	NextCursor *string
}

func (u *user) history(query string) history {
	u.t.Helper()
	return u.historyAt("/v1/user-api-keys/history" + query)
}

func (u *user) historyAt(path string) history {
	u.t.Helper()
	page := history{reply: u.call("GET", path, "").want(u.t, 200)}
	if err := json.Unmarshal([]byte(page.body), &page); err != nil {
		u.t.Fatalf("%s: %v", page.body, err)
	}
	return page
}

func (h history) revisions() []int64 {
	var revisions []int64
	for _, change := range h.Changes {
		revisions = append(revisions, change.Revision)
	}
	return revisions
}

// All changes of a user's keys, in one page and in several.
func TestHistory(t *testing.T) {
	ada := newUser(t, "Administrator")
	none := ada.history("")
	none.check(t, "before the first key there is no change", none.body == `{"changes":[],"nextCursor":null}`)

	first := ada.create().want(t, 201)
	second := ada.rotate().want(t, 201)
	third := ada.rotate().want(t, 201)
	ada.call("DELETE", "/v1/user-api-keys/"+first.Key.ID, "").want(t, 200)
	ada.deleteAll().want(t, 200)

	all := ada.history("")
	all.check(t, "every revision is there, newest first", slices.Equal(all.revisions(), []int64{5, 4, 3, 2, 1}) && all.NextCursor == nil)
	var told []string
	for _, change := range all.Changes {
		line := change.Type
		for _, key := range change.Keys {
			line += fmt.Sprintf(", %s %s", key.ID, key.Status)
		}
		told = append(told, line)
		all.check(t, "a change says who made it, when, and with which request",
			change.Actor.Kind == "user" && change.Actor.ID == ada.owner.IAMID && change.ID != "" && change.CorrelationID != "" &&
				strings.HasSuffix(change.OccurredAt, "Z"))
	}
	all.check(t, "it tells what was done, and to which keys", slices.Equal(told, []string{
		"User API Key All Deleted, " + second.Key.ID + " PHASED_OUT, " + third.Key.ID + " ACTIVE",
		"User API Key Deleted, " + first.Key.ID + " PHASED_OUT",
		"User API Key Rotated, " + third.Key.ID + " ACTIVE, " + second.Key.ID + " PHASED_OUT",
		"User API Key Rotated, " + second.Key.ID + " ACTIVE, " + first.Key.ID + " PHASED_OUT",
		"User API Key Created, " + first.Key.ID + " ACTIVE",
	}))
	all.check(t, "it tells nothing of credentials", !strings.Contains(all.body, "cpdk_") && !strings.Contains(all.body, "arn:"))

	page := ada.history("?limit=2")
	revisions := page.revisions()
	for page.NextCursor != nil {
		page.check(t, "a page is full", len(page.Changes) == 2)
		ada.create() // the first time; then there is a key
		page = ada.history("?limit=2&cursor=" + *page.NextCursor)
		revisions = append(revisions, page.revisions()...)
	}
	page.check(t, "the pages are what the one page was", slices.Equal(revisions, []int64{5, 4, 3, 2, 1}))
	exact := ada.history("?limit=6")
	exact.check(t, "a page of all changes is the last one", len(exact.Changes) == 6 && exact.NextCursor == nil)
}

func TestHistoryIsAskedForProperly(t *testing.T) {
	ada, bob := newUser(t, "Administrator"), newUser(t, "Administrator")
	for _, u := range []*user{ada, bob} {
		u.create().want(t, 201)
		u.rotate().want(t, 201)
	}
	cursor := *ada.history("?limit=1").NextCursor
	for query, field := range map[string]string{
		"limit=0":                      "limit",
		"limit=101":                    "limit",
		"limit=abc":                    "limit",
		"limit=1e1":                    "limit",
		"limit=":                       "limit",
		"cursor=":                      "cursor",
		"limit=%31%20":                 "limit",
		"limit=1&limit=2":              "limit",
		"cursor=" + cursor[1:]:         "cursor",
		"cursor=" + cursor + "%0A":     "cursor",
		"cursor=x":                     "cursor",
		"cursor=x&cursor=" + cursor:    "cursor",
		"offset=1":                     "offset",
		"limit=1&keyId=" + cursor:      "keyId",
		"Limit=1":                      "Limit",
		"cursor=" + cursor + "&cursor": "cursor",
	} {
		var problem struct{ Field string }
		r := ada.call("GET", "/v1/user-api-keys/history?"+query, "")
		if err := json.Unmarshal([]byte(r.body), &problem); err != nil || r.status != 400 || r.Code != "invalid_request" || problem.Field != field {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	bob.call("GET", "/v1/user-api-keys/history?cursor="+cursor, "").refused(t, 400, "invalid_request")
	newUser(t, "JobRunner").call("GET", "/v1/user-api-keys/history", "").refused(t, 403, "role_required")
	(&user{t: t}).call("GET", "/v1/user-api-keys/history", "").refused(t, 401, "unauthenticated")
	again := ada.history("?limit=%31&cursor=" + cursor)
	again.check(t, "the cursor is still good", slices.Equal(again.revisions(), []int64{1}) && again.NextCursor == nil)
}
