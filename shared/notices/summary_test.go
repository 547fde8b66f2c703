package notices_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/notices"
)

// ids are texts that an issuer may name users and accounts by.
func ids() *rapid.Generator[string] {
	special := rapid.SampledFrom([]rune("\"\\<>{}$'&%/`\u00e9\U0001F319"))
	return rapid.StringOfN(rapid.OneOf(special, rapid.RuneFrom(nil, unicode.PrintRanges...)), 1, 20, apikey.MaxIAMIDBytes).
		Filter(func(id string) bool { return apikey.Owner{AccountID: id, IAMID: id}.Validate() == nil })
}

// No user misses a mail for the shape of an id: the summary is the JSON text that
// EventBridge passes on, and tells the id as it is.
func TestNoIDSpoilsASummary(t *testing.T) {
	for name, event := range samples(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				event := namedAnew(event, ids().Draw(r, "iamId"), ids().Draw(r, "accountId"), ids().Draw(r, "actor"))
				owner, summary := event.Owner, summaryOf(t, event)
				if summary != "" && !strings.Contains(summary, "user "+owner.IAMID+" of account "+owner.AccountID) {
					r.Errorf("the summary of %+v is %s", owner, summary)
				}
			})
		})
	}
}

// summaryOf is the summary in the event's notice; "" is none.
func summaryOf(t *testing.T, event apikey.Event) string {
	t.Helper()
	var detail struct{ Summary string }
	if err := json.Unmarshal(encoded(t, event), &detail); err != nil {
		t.Fatal(err)
	}
	return detail.Summary
}

// namedAnew is the event with other ids, wherever they are in it.
func namedAnew(event apikey.Event, iamID, accountID, actor string) apikey.Event {
	was := event.Owner.IAMID
	event.Owner.IAMID, event.Owner.AccountID, event.Actor.ID = iamID, accountID, actor
	keys := make([]apikey.Key, len(event.Keys))
	for i, key := range event.Keys {
		key.Name = strings.Replace(key.Name, was, iamID, 1)
		keys[i] = key
	}
	event.Keys = keys
	return event
}

// A username is a text of the user's choice: no mail of ours says it.
func TestNoSummaryHasTheUsername(t *testing.T) {
	for name, event := range samples(t) {
		if summary := summaryOf(t, event); strings.Contains(summary, event.Owner.Username) {
			t.Errorf("%s: %s", name, summary)
		}
	}
}

// A damaged event is announced as far as it goes: those behind it wait.
func TestEventWithoutItsKeysIsAnnounced(t *testing.T) {
	for name, event := range samples(t) {
		event.Keys = nil
		if _, err := notices.Encode(event); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
