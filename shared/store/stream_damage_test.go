package store_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// optional are the attributes of an event that need not be there, and unread those
// that the relay does not look at.
var (
	optional = []string{
		"schedules", "affectedSchedules", "affectedScheduleCount", "affectedRuns", "policy", "rotationDueAt", "job", "reason", "expiresAt",
		"phasedOutAt", "pinnedCount", "jobId", "jobType", "description",
	}
	unread = []string{"expiresAt"}
)

// damages are all the ways to spoil one attribute of an item, or of what is in it.
func damages(at string, item attributes) map[string]func(attributes) {
	all := map[string]func(attributes){}
	for name, value := range item {
		path := strings.TrimPrefix(at+"."+name, ".")
		if !slices.Contains(optional, name) {
			all[path+" is missing"] = without(name)
		}
		if slices.Contains(unread, name) {
			continue
		}
		for kind, content := range value.(attributes) {
			all[path+" is null"] = with(name, "NULL", true)
			all[path+" has another type"] = with(name, "S", "text")
			if kind == "S" {
				all[path+" has another type"] = with(name, "N", "1")
			}
			if kind == "N" {
				all[path+" is no whole number"] = with(name, "N", "1.5")
			}
			maps.Copy(all, innerDamages(path, name, content))
		}
	}
	return all
}

// innerDamages spoil what is in a map, or the first member of a list.
func innerDamages(path, name string, content any) map[string]func(attributes) {
	all := map[string]func(attributes){}
	switch members := content.(type) {
	case []any:
		if len(members) == 0 {
			break
		}
		list := func(item attributes) []any { return item[name].(attributes)["L"].([]any) }
		all[path+" has a text in it"] = func(item attributes) { list(item)[0] = attributes{"S": "text"} }
		for inner, spoil := range damages(path+".0", members[0].(attributes)["M"].(attributes)) {
			all[inner] = func(item attributes) { spoil(list(item)[0].(attributes)["M"].(attributes)) }
		}
	case attributes:
		for inner, spoil := range damages(path, members) {
			all[inner] = func(item attributes) { spoil(item[name].(attributes)["M"].(attributes)) }
		}
	}
	return all
}

// A record that is not as it was written is none: it is told apart, and named, so
// that whoever looks at it finds it.
func TestADamagedRecordIsNoEvent(t *testing.T) {
	s := newScene(t)
	s.everyKind()
	for _, prefix := range []string{"EVENT#0000000001", "EVENT#0000000002", "EVENT#0000000003", "EVENT#0000000005", "EVENT#0000000006", "DUE#", "FAILED#", "REFUSED#"} {
		whole := s.stored(prefix)
		if _, err := store.EventOf(record(t, whole)); err != nil {
			t.Fatal(err)
		}
		spoils := damages("", whole)
		if len(spoils) < 40 {
			t.Errorf("%s: only %d damages", prefix, len(spoils))
		}
		for name, spoil := range spoils {
			damaged := s.stored(prefix)
			spoil(damaged)
			event, err := store.EventOf(record(t, damaged))
			if err == nil {
				t.Errorf("%s: %s: read as %+v", prefix, name, event)
				continue
			}
			if sk, _ := damaged["sk"].(attributes); !strings.HasPrefix(name, "pk ") && sk["S"] != nil && !strings.Contains(err.Error(), sk["S"].(string)) {
				t.Errorf("%s: %s: %q does not name the item", prefix, name, err)
			}
			if diff := cmp.Diff(apikey.Event{}, event); diff != "" {
				t.Errorf("%s: %s: an event came with the error: %s", prefix, name, diff)
			}
		}
	}
}
