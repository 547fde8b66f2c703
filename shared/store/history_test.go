package store_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
)

// page is the revisions of a page of the history.
func (s *scene) page(before int64, limit int) (revisions []int64, more bool) {
	s.t.Helper()
	changes, more, err := s.store.History(s.t.Context(), s.owner.Locator(), before, limit)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, change := range changes {
		revisions = append(revisions, change.Revision)
	}
	return revisions, more
}

func TestAPageOfHistoryIsOneQuery(t *testing.T) {
	s := newScene(t)
	s.changes(6)
	for limit := 1; limit <= 7; limit++ {
		s.page(store.MaxRevision+1, limit)
		if diff := cmp.Diff([]string{"Query"}, s.engine.Transport.TakeCalls()); diff != "" {
			t.Errorf("a page of %d: %s", limit, diff)
		}
	}
}

// DynamoDB ends a page early when it has read 1 MB. What it was asked for is
// still to come.
func TestHistoryReadsOnAfterAPageThatEndedEarly(t *testing.T) {
	s := newScene(t)
	s.changes(6)
	for _, bytes := range []int{1, 1500, 3000, 1 << 20} {
		s.engine.SetPageBytes(bytes)
		for limit, want := range map[int]struct {
			revisions []int64
			more      bool
		}{
			1: {[]int64{6}, true},
			4: {[]int64{6, 5, 4, 3}, true},
			5: {[]int64{6, 5, 4, 3, 2}, true},
			6: {[]int64{6, 5, 4, 3, 2, 1}, false},
			9: {[]int64{6, 5, 4, 3, 2, 1}, false},
		} {
			revisions, more := s.page(store.MaxRevision+1, limit)
			if !slices.Equal(revisions, want.revisions) || more != want.more {
				t.Errorf("pages of %d bytes, %d changes asked for: %v, more: %v", bytes, limit, revisions, more)
			}
		}
	}
	s.engine.Transport.TakeCalls()
	s.engine.SetPageBytes(1)
	s.page(store.MaxRevision+1, 4)
	if calls := s.engine.Transport.TakeCalls(); len(calls) != 5 {
		t.Errorf("one change at a time, and one to know that there is more: %v", calls)
	}
}

func TestHistoryUnderFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault awstest.Fault
		code  apikey.Code
	}{
		"down":             {awstest.Reset, apikey.CodeUnavailable},
		"failing":          {awstest.Refuse(500, "InternalServerError"), apikey.CodeUnavailable},
		"throttled":        {awstest.Refuse(400, "ProvisionedThroughputExceededException"), apikey.CodeUnavailable},
		"access denied":    {awstest.Refuse(400, "AccessDeniedException"), apikey.CodeUnavailable},
		"fails once":       {awstest.Once(awstest.Reset), ""},
		"loses one answer": {awstest.Once(awstest.LoseAnswer), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.changes(3)
				s.engine.SetPageBytes(1)
				s.engine.Transport.SetFault(awstest.On("Query", test.fault))
				changes, more, err := s.store.History(t.Context(), s.owner.Locator(), store.MaxRevision+1, 2)
				if apikey.CodeOf(err) != test.code {
					t.Fatalf("answered %v", err)
				}
				if err == nil && (len(changes) != 2 || !more) || err != nil && len(changes) > 0 {
					t.Errorf("%d changes, more: %v", len(changes), more)
				}
			})
		})
	}
}

// Half a history would be taken for a whole one.
func TestHistoryThatBreaksOffIsNoHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.changes(3)
		s.engine.SetPageBytes(1)
		s.engine.Transport.SetFault(awstest.From(2, awstest.Reset))
		changes, _, err := s.store.History(t.Context(), s.owner.Locator(), store.MaxRevision+1, 3)
		if apikey.CodeOf(err) != apikey.CodeUnavailable || len(changes) > 0 {
			t.Errorf("%d changes, %v", len(changes), err)
		}
	})
}

// An event that cannot be read is a defect, not an outage to wait for; and
// another owner's is never shown.
func TestAnEventThatCannotBeUsedIsNotShown(t *testing.T) {
	for name, spoil := range map[string]func(event map[string]any){
		"as it was written":   nil,
		"another owner's":     func(event map[string]any) { event["owner"].(map[string]any)["M"] = ownerItem("account-2", "IBMid-2") },
		"without an owner":    func(event map[string]any) { delete(event, "owner") },
		"without an expiry":   func(event map[string]any) { delete(event, "expiresAt") },
		"expiry is no number": func(event map[string]any) { event["expiresAt"] = map[string]string{"S": "never"} },
		"without a revision":  func(event map[string]any) { delete(event, "revision") },
		"keys are no list":    func(event map[string]any) { event["keys"] = map[string]string{"S": "none"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.changes(1)
			event := s.storedEvent()
			want := apikey.Code("")
			if spoil != nil {
				spoil(event)
				want = apikey.CodeInternal
			}
			s.engine.Transport.SetFault(awstest.On("Query", func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
				return awstest.Answer(http.StatusOK, map[string]any{"Items": []any{event}}), nil
			}))
			changes, _, err := s.store.History(t.Context(), s.owner.Locator(), store.MaxRevision+1, 1)
			if apikey.CodeOf(err) != want || err != nil && len(changes) > 0 {
				t.Errorf("answered %v, %v", changes, err)
			}
		})
	}
}

func ownerItem(accountID, iamID string) map[string]any {
	return map[string]any{
		"accountId": map[string]string{"S": accountID}, "iamId": map[string]string{"S": iamID}, "username": map[string]string{"S": ""},
	}
}

// storedEvent is the item of the only event, in DynamoDB's JSON.
func (s *scene) storedEvent() map[string]any {
	s.t.Helper()
	for _, text := range s.engine.Items() {
		var item map[string]any
		if err := json.Unmarshal([]byte(text), &item); err != nil {
			s.t.Fatal(err)
		}
		if item["type"] != nil {
			return item
		}
	}
	s.t.Fatal("there is no event")
	return nil
}
