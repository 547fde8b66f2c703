package view_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/httpapi"
)

var viewHistory = functest.Request{Method: http.MethodGet, Resource: "/v1/user-api-keys/history", Token: "ADMINISTRATOR_TOKEN"}

// history is an answer's body; nothing else is in one.
type history struct {
	Changes []struct {
		ID            string
		Revision      int64
		Type          apikey.EventType
		OccurredAt    time.Time
		Actor         apikey.Actor
		CorrelationID string
		Keys          []functest.Key
		Schedules     []boundSchedule

		RotationPolicy *struct {
			MaxAgeDays, NoticeDays, DeletePhasedOutAfterDays *int
			Inherited                                        bool
		}
		AffectedScheduleCount, AffectedRunCount int
	}
	NextCursor *string
}

func (w world) history(t *testing.T, query url.Values) history {
	t.Helper()
	var body history
	decodeStrictly(t, w.send(viewHistory.WithQuery(query)).Must(http.StatusOK).Body, &body)
	return body
}

// decodeStrictly reads a body that has nothing else in it.
func decodeStrictly(t *testing.T, body string, target any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
}

// revisions are those of all changes that the request shows, page by page.
func (w world) revisions(t *testing.T, r functest.Request, limit int, between func()) []int64 {
	t.Helper()
	return functest.Walk(t, limit, func(query url.Values) (revisions []int64, next *string) {
		var page history
		decodeStrictly(t, w.send(r.WithQuery(query)).Must(http.StatusOK).Body, &page)
		for _, change := range page.Changes {
			revisions = append(revisions, change.Revision)
		}
		return revisions, page.NextCursor
	}, between)
}

// janesStory is a create, two rotations and both deletions: revisions 1 to 5.
func (w world) janesStory() {
	w.JaneHasRotated()
	phasedOut := w.Ring(functest.Jane).PhasedOut[0].ID
	w.Rotate(functest.Jane)
	w.DeleteOne(functest.Jane, phasedOut)
	w.DeleteAll(functest.Jane)
}

func TestHistoryOfAUserWithoutKeysIsEmpty(t *testing.T) {
	w := newWorld(t)
	w.Create(apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"})
	w.send(viewHistory).Is(http.StatusOK, `{"changes": [], "nextCursor": null}`)
}

func TestHistoryShowsEveryKindOfChangeNewestFirst(t *testing.T) {
	w := newWorld(t)
	w.janesStory()
	page := w.history(t, nil)
	if page.NextCursor != nil {
		t.Errorf("five changes, and more at %s", *page.NextCursor)
	}
	var got []string
	for _, change := range page.Changes {
		line := fmt.Sprint(change.Revision, " ", change.Type)
		for _, key := range change.Keys {
			line += " " + string(key.Status)
		}
		got = append(got, line)
		if change.ID == "" || change.OccurredAt.IsZero() || change.CorrelationID != "story" ||
			change.Actor != (apikey.Actor{Kind: apikey.ActorUser, ID: functest.Jane.IAMID}) {
			t.Errorf("%+v", change)
		}
	}
	if diff := cmp.Diff([]string{
		"5 User API Key All Deleted PHASED_OUT ACTIVE",
		"4 User API Key Deleted PHASED_OUT",
		"3 User API Key Rotated ACTIVE PHASED_OUT",
		"2 User API Key Rotated ACTIVE PHASED_OUT",
		"1 User API Key Created ACTIVE",
	}, got); diff != "" {
		t.Errorf("want (-) and shown (+): %s", diff)
	}
}

// A key in the history is what the answer to its change showed.
func TestHistoryShowsKeysAsTheChangeLeftThem(t *testing.T) {
	w := newWorld(t)
	created := httpapi.KeyOf(w.Create(functest.Jane).Key)
	w.Pass(time.Hour)
	rotated := w.Rotate(functest.Jane)
	w.Pass(time.Hour)
	w.DeleteAll(functest.Jane)
	var got struct {
		Changes []struct{ Keys []json.RawMessage }
	}
	w.send(viewHistory).Must(http.StatusOK).Decode(&got)
	newKey, oldKey := httpapi.KeyOf(rotated.Key), httpapi.KeyOf(*rotated.PhasedOut)
	for i, want := range [][]httpapi.Key{{oldKey, newKey}, {newKey, oldKey}, {created}} {
		for j, key := range want {
			text, err := json.Marshal(key)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(text, got.Changes[i].Keys[j]) {
				t.Errorf("change %d, key %d: want %s, shown %s", i, j, text, got.Changes[i].Keys[j])
			}
		}
	}
}

func TestHistoryTellsNothingOfCredentialsAndWhereTheyAre(t *testing.T) {
	w := newWorld(t)
	w.janesStory()
	got := w.send(viewHistory.WithQuery(url.Values{"limit": {"3"}})).Must(http.StatusOK)
	for _, kept := range []string{"cpdk_", "arn:", "secret", "digest", "version", functest.Jane.Locator().String(), functest.Jane.AccountID} {
		if strings.Contains(strings.ToLower(got.Body), kept) {
			t.Errorf("the history holds %s: %s", kept, got.Body)
		}
	}
}

func TestHistoryPagesMissAndRepeatNothing(t *testing.T) {
	w := newWorld(t)
	w.janesStory()
	for limit := 1; limit <= 6; limit++ {
		if got := w.revisions(t, viewHistory, limit, func() {}); !slices.Equal(got, []int64{5, 4, 3, 2, 1}) {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
}

func TestChangesBetweenPagesDisturbNoPage(t *testing.T) {
	w := newWorld(t)
	w.janesStory()
	w.Create(functest.Jane)
	if got := w.revisions(t, viewHistory, 2, func() { w.Rotate(functest.Jane) }); !slices.Equal(got, []int64{6, 5, 4, 3, 2, 1}) {
		t.Errorf("revisions %v", got)
	}
}

func TestPageOfHistoryHas50ChangesUnlessAskedOtherwise(t *testing.T) {
	w := newWorld(t)
	for range 51 {
		w.Create(functest.Jane)
		w.DeleteAll(functest.Jane)
		w.Pass(apikey.AllowanceRefillPeriod)
	}
	for limit, want := range map[string]int{"": 50, "100": 100} {
		query := url.Values{}
		if limit != "" {
			query.Set("limit", limit)
		}
		if page := w.history(t, query); len(page.Changes) != want || page.NextCursor == nil {
			t.Errorf("limit %q: %d changes of 102", limit, len(page.Changes))
		}
	}
}

func TestHistoryIsOver400DaysAfterTheChange(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	w.Pass(400*24*time.Hour - time.Second)
	w.Rotate(functest.Jane)
	if got := w.revisions(t, viewHistory, 1, func() {}); !slices.Equal(got, []int64{2, 1}) {
		t.Errorf("revisions %v", got)
	}
	w.Pass(time.Second)
	if got := w.revisions(t, viewHistory, 1, func() {}); !slices.Equal(got, []int64{2}) {
		t.Errorf("revisions %v", got)
	}
}

func TestHistoryIsOneConsistentRead(t *testing.T) {
	w := newWorld(t)
	w.janesStory()
	w.Calm()
	w.Table.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		var read struct{ ConsistentRead bool }
		if err := json.Unmarshal(call.Body, &read); err != nil || !read.ConsistentRead {
			t.Errorf("%s %s", call.Operation, call.Body)
		}
		return next()
	})
	w.history(t, url.Values{"limit": {"2"}})
	w.WantCalls("Query")
}

func TestForgedCursorLeadsNowhereElse(t *testing.T) {
	w := newWorld(t)
	w.janesStory()
	for position, want := range map[string]int{"1": 0, "3": 2, "6": 5, "7": 5, "9999999999": 5} {
		if page := w.history(t, url.Values{"cursor": {w.ForgedCursor(viewHistory, "history", position)}}); len(page.Changes) != want {
			t.Errorf("after %s: %+v", position, page)
		}
	}
	w.Calm()
	for _, position := range []string{
		"0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e1", "٣", "abc", "RING", "EVENT#0000000003", "\x00",
		"10000000000", "9223372036854775807", "9223372036854775808", strings.Repeat("9", 1000),
	} {
		got := w.send(viewHistory.WithQuery(url.Values{"cursor": {w.ForgedCursor(viewHistory, "history", position)}}))
		got.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		if got.Problem().Field != "cursor" {
			t.Errorf("%q: %s", position, got.Body)
		}
	}
	w.WantCalls()
}

func TestHistoryRefusesWhatItCannotRead(t *testing.T) {
	w := newWorld(t)
	w.janesStory()
	cursor := *w.history(t, url.Values{"limit": {"2"}}).NextCursor
	other := w.send(viewHistory.As(w.Token(apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}, apikey.RoleAdministrator)).WithQuery(url.Values{"cursor": {cursor}}))
	other.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.Calm()
	for name, test := range map[string]struct {
		query url.Values
		field string
	}{
		"limit below":         {url.Values{"limit": {"0"}}, "limit"},
		"limit above":         {url.Values{"limit": {"101"}}, "limit"},
		"limit is a word":     {url.Values{"limit": {"abc"}}, "limit"},
		"limit is a power":    {url.Values{"limit": {"1e1"}}, "limit"},
		"limit is empty":      {url.Values{"limit": {""}}, "limit"},
		"two limits":          {url.Values{"limit": {"1", "2"}}, "limit"},
		"cursor is empty":     {url.Values{"cursor": {""}}, "cursor"},
		"cursor is cut off":   {url.Values{"cursor": {cursor[:len(cursor)-1]}}, "cursor"},
		"cursor is malformed": {url.Values{"cursor": {"!"}}, "cursor"},
		"other listing's":     {url.Values{"cursor": {w.ForgedCursor(viewHistory, "schedules", "3")}}, "cursor"},
		"two cursors":         {url.Values{"cursor": {cursor, w.ForgedCursor(viewHistory, "history", "3")}}, "cursor"},
		"good limit, though":  {url.Values{"limit": {"2"}, "cursor": {"x"}}, "cursor"},
		"unknown parameter":   {url.Values{"limit": {"2"}, "keyId": {"x"}}, "keyId"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.send(viewHistory.WithQuery(test.query))
			got.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
			if got.Problem().Field != test.field {
				t.Errorf("%s", got.Body)
			}
		})
	}
	withBody := viewHistory
	withBody.Body = `{"limit":1}`
	w.send(withBody).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.WantCalls()
	if page := w.history(t, url.Values{"limit": {"2", "2"}, "cursor": {cursor, cursor}}); len(page.Changes) != 2 {
		t.Errorf("the same values twice: %+v", page)
	}
}

func TestOnlyKeyManagersReadTheHistory(t *testing.T) {
	w := newWorld(t)
	w.JaneHasAKey()
	for _, role := range []apikey.Role{apikey.RoleAdministrator, apikey.RoleAccountOwner} {
		w.send(viewHistory.As(w.Token(functest.Jane, role))).Must(http.StatusOK)
	}
	w.ForKeyManagersOnly(w.function(), viewHistory)
}

// The history is at a path where a key's id could stand.
func TestHistoryIsNoKey(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := viewHistory
		other.Method = method
		got := w.send(other)
		got.Refused(http.StatusMethodNotAllowed, httpapi.CodeMethodNotAllowed)
		if got.Headers["Allow"] != http.MethodGet {
			t.Errorf("%s: Allow is %q", method, got.Headers["Allow"])
		}
	}
	aKey := functest.Request{Method: http.MethodGet, Resource: "/v1/user-api-keys/{keyId}", KeyID: "history", Token: viewHistory.Token}
	w.send(aKey).Refused(http.StatusMethodNotAllowed, httpapi.CodeMethodNotAllowed)
}
