package store_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/sourcetest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// record is the stream's record of a new item.
func record(t testing.TB, item attributes) events.DynamoDBEventRecord {
	t.Helper()
	text, err := json.Marshal(attributes{"eventName": "INSERT", "dynamodb": attributes{"SequenceNumber": "1", "NewImage": item}})
	var decoded events.DynamoDBEventRecord
	if err == nil {
		err = json.Unmarshal(text, &decoded)
	}
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// The relay announces what was written: every change, and what is announced
// beside them.
func TestAnEventComesOutOfTheStreamAsItWasWritten(t *testing.T) {
	s := newScene(t)
	want := map[string]apikey.Event{}
	change := func(change func(apikey.Ring) (apikey.Ring, *apikey.Event, error)) {
		result := s.change(change)
		want[fmt.Sprintf("EVENT#%010d", result.Event.Revision)] = *result.Event
	}
	issue := func(change func(apikey.Ring, apikey.Command) (apikey.Ring, apikey.Event, error)) func(apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		return func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, err := change(ring, now())
			event.AffectedRuns = 7
			event.AffectedSchedules = apikey.AffectedSchedules{Count: 3, First: []apikey.Schedule{{ID: "s", Binding: apikey.Pinned, KeyID: apikey.KeyID{6: 0x70, 8: 0x80}}}}
			return next, &event, err
		}
	}
	change(issue(func(r apikey.Ring, c apikey.Command) (apikey.Ring, apikey.Event, error) {
		return r.Create(c, s.material())
	}))
	change(func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, _, err := r.Bind(now(), nil, apikey.Schedule{
			ID: "nightly", Binding: apikey.Pinned, KeyID: r.Active.ID, JobID: "job-1", JobType: "pipeline", Description: "every night",
		})
		return next, event, err
	})
	change(issue(func(r apikey.Ring, c apikey.Command) (apikey.Ring, apikey.Event, error) {
		return r.Rotate(c, s.material())
	}))
	change(issue(func(r apikey.Ring, c apikey.Command) (apikey.Ring, apikey.Event, error) {
		return r.Rotate(c, s.material())
	}))
	ring := s.ring()
	for prefix, event := range announcements(ring, now()) {
		if _, err := s.store.Announce(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		want[prefix] = event
	}
	change(issue(func(r apikey.Ring, c apikey.Command) (apikey.Ring, apikey.Event, error) {
		return r.DeleteOne(c, r.PhasedOut[0].ID)
	}))
	change(func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		return r.SetPolicy(now(), apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 7, DeletePhasedOutAfterDays: 30})
	})
	change(func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		return r.SetPolicy(now(), apikey.RotationPolicy{})
	})
	bound, err := s.store.AllSchedules(t.Context(), s.owner.Locator())
	if err != nil || len(bound) != 1 {
		t.Fatal(bound, err)
	}
	change(func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event := r.Unbind(now(), bound[0])
		return next, event, nil
	})
	for range 2 {
		change(func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event := r.Suspend(now())
			if r.Suspended {
				next, event = r.Reinstate(now())
			}
			return next, event, nil
		})
	}
	change(issue(func(r apikey.Ring, c apikey.Command) (apikey.Ring, apikey.Event, error) {
		return r.Create(c, s.material())
	}))
	change(func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, err := r.Restore(now(), apikey.RestoreStep{PhaseOut: true, Reason: apikey.ReasonNotCurrent})
		return next, &event, err
	})
	change(func(r apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event := r.DeleteAll(now())
		return next, event, nil
	})

	kinds := map[apikey.EventType]bool{}
	for sk, event := range want {
		kinds[event.Type] = true
		got, err := store.EventOf(record(t, s.stored(sk)))
		if event.ID == "" {
			event.ID = got.ID // given when it was written
		}
		if diff := cmp.Diff(event, got, cmpopts.EquateEmpty()); diff != "" || err != nil || got.ID == "" {
			t.Errorf("%s: %v, -written +read: %s", sk, err, diff)
		}
	}
	if all := allKinds(t); len(kinds) != len(all) {
		t.Errorf("%d of %d kinds: %v", len(kinds), len(all), slices.Collect(maps.Keys(kinds)))
	}
}

// allKinds are those that the source declares.
func allKinds(t testing.TB) []apikey.EventType {
	t.Helper()
	return sourcetest.Constants[apikey.EventType](t, "../apikey/events.go")
}

func (s *scene) material() apikey.Material { return storetest.Material(s.t, s.owner) }

// Only what was written as an event is announced.
func TestWhatIsNotWhereItsEventIsWrittenIsNoEvent(t *testing.T) {
	s := newScene(t)
	s.everyKind()
	key := s.stored("DUE#")["sk"].(attributes)["S"].(string)[len("DUE#"):]
	stranger := "OWNER#" + s.other().owner.Locator().String()
	for name, c := range map[string]struct {
		sk    string
		spoil func(attributes)
	}{
		"another owner's partition":       {"EVENT#0000000001", with("pk", "S", stranger)},
		"no owner's partition":            {"EVENT#0000000001", with("pk", "S", "SWEEP")},
		"a locator by itself":             {"EVENT#0000000001", with("pk", "S", s.owner.Locator().String())},
		"a ring":                          {"RING", func(attributes) {}},
		"a use":                           {"USE", func(attributes) {}},
		"a run":                           {"RUN#", func(attributes) {}},
		"a schedule":                      {"SCHEDULE#s000", func(attributes) {}},
		"under another kind of key":       {"EVENT#0000000001", with("sk", "S", "IDEMPOTENCY#1")},
		"under a name that begins alike":  {"EVENT#0000000001", with("sk", "S", "EVENTS#0000000001")},
		"another revision":                {"EVENT#0000000001", with("sk", "S", "EVENT#0000000002")},
		"a revision without its zeros":    {"EVENT#0000000001", with("sk", "S", "EVENT#1")},
		"a type that is none":             {"EVENT#0000000001", with("type", "S", "User API Key Found")},
		"an empty type":                   {"EVENT#0000000001", with("type", "S", "")},
		"a change as what is due":         {"EVENT#0000000001", with("type", "S", string(apikey.EventRotationDue))},
		"what is due as a change":         {"DUE#", with("type", "S", string(apikey.EventRotated))},
		"what is due as what failed":      {"DUE#", with("type", "S", string(apikey.EventRotationFailed))},
		"another key's":                   {"DUE#", with("sk", "S", "DUE#"+strings.Repeat("0", 36))},
		"what is due, of a day":           {"DUE#", with("sk", "S", "DUE#"+key+"#2026-11-03")},
		"what failed, without its day":    {"FAILED#", with("sk", "S", "FAILED#"+key)},
		"what was refused at another day": {"REFUSED#", with("occurredAt", "S", "2020-01-01T00:00:00Z")},
		"about no key":                    {"DUE#", with("keys", "L", []any{})},
		"about no keys":                   {"DUE#", without("keys")},
	} {
		t.Run(name, func(t *testing.T) {
			item := s.stored(c.sk)
			c.spoil(item)
			event, err := store.EventOf(record(t, item))
			if wantDefect(t, "read", err); event.ID != "" {
				t.Errorf("read as %+v", event)
			}
		})
	}
}

// A record without an image, of an item that was removed, is no event.
func TestARecordWithoutAnImageIsNoEvent(t *testing.T) {
	for name, r := range map[string]events.DynamoDBEventRecord{
		"nothing": {},
		"removed": {EventName: "REMOVE", Change: events.DynamoDBStreamRecord{OldImage: map[string]events.DynamoDBAttributeValue{"pk": events.NewStringAttribute("OWNER#1")}}},
		"empty":   {Change: events.DynamoDBStreamRecord{NewImage: map[string]events.DynamoDBAttributeValue{}}},
		"of sets": {Change: events.DynamoDBStreamRecord{NewImage: map[string]events.DynamoDBAttributeValue{
			"pk": events.NewStringSetAttribute([]string{"a"}), "sk": events.NewNumberSetAttribute([]string{"1"}), "id": events.NewBinarySetAttribute(nil),
			"type": events.NewNullAttribute(), "owner": events.NewBinaryAttribute([]byte("x")), "keys": events.NewBooleanAttribute(true),
		}}},
	} {
		_, err := store.EventOf(r)
		wantDefect(t, name, err)
	}
}

// Whatever comes in a record, it is an event of the partition's owner, or an error.
func FuzzEventOf(f *testing.F) {
	owner := apikey.Owner{AccountID: "account-1", IAMID: "IBMid-1", Username: "ada"}
	const (
		key = `{"L":[{"M":{"id":{"S":"01890a5d-ac96-774b-bcce-b302099a8057"},"name":{"S":"n"},"status":{"S":"ACTIVE"},
			"createdAt":{"S":"2026-11-03T12:00:00Z"},"createdBy":{"M":{"kind":{"S":"user"},"id":{"S":"IBMid-1"}}},"versionId":{"S":"v"}}}]}`
		image = `{"pk":{"S":"OWNER#%s"},"sk":{"S":"%s"},"id":{"S":"1"},"type":{"S":"%s"},"revision":{"N":"1"},
			"owner":{"M":{"accountId":{"S":"account-1"},"iamId":{"S":"IBMid-1"},"username":{"S":"ada"}}},"occurredAt":{"S":"2026-11-03T12:00:00Z"},
			"actor":{"M":{"kind":{"S":"user"},"id":{"S":"IBMid-1"}}},"correlationId":{"S":"c"},"secretArn":{"S":"arn"},"keys":%s}`
	)
	for sk, kind := range map[string]apikey.EventType{
		"EVENT#0000000001": apikey.EventCreated, "DUE#01890a5d-ac96-774b-bcce-b302099a8057": apikey.EventRotationDue,
		"REFUSED#01890a5d-ac96-774b-bcce-b302099a8057#2026-11-03T12": apikey.EventUseRefused,
	} {
		seed := fmt.Sprintf(image, owner.Locator(), sk, kind, key)
		if _, err := store.EventOf(imageOf(seed)); err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	all := allKinds(f)
	f.Fuzz(func(t *testing.T, image string) {
		r := imageOf(image)
		event, err := store.EventOf(r)
		if err != nil {
			return
		}
		if pk := r.Change.NewImage["pk"].String(); pk != "OWNER#"+event.Owner.Locator().String() {
			t.Errorf("an event of %s in the partition %s", event.Owner.Locator(), pk)
		}
		if !slices.Contains(all, event.Type) {
			t.Errorf("an event of the type %q", event.Type)
		}
	})
}

// imageOf is a record of that image; one that is no JSON has none.
func imageOf(image string) (r events.DynamoDBEventRecord) {
	if json.Unmarshal([]byte(`{"dynamodb":{"NewImage":`+image+`}}`), &r) != nil {
		return events.DynamoDBEventRecord{}
	}
	return r
}
