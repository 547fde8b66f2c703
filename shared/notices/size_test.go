package notices_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/notices/noticestest"
)

// Texts as long as they may be: in bytes, which become the most when characters
// have to be escaped, and in characters, of which each may take four bytes.
func worst(bytes int) string { return strings.Repeat(`"`, bytes) }

const (
	maxNoteBytes     = 256 // functions/schedules/binding.go
	maxServiceLength = 128 // shared/jobauth, in characters
	maxRebound       = 97  // shared/store, in one transaction
)

func largestSchedule(n int, keyID apikey.KeyID) apikey.Schedule {
	return apikey.Schedule{
		ID: fmt.Sprintf("%0128d", n), Binding: apikey.Pinned, KeyID: keyID,
		JobID: worst(maxNoteBytes), JobType: "decision_optimization", Service: strings.Repeat("🌙", maxServiceLength), Description: worst(maxNoteBytes),
	}
}

// largest is an event that lists as much as any may, of an owner with the longest
// names.
func largest(t *testing.T) apikey.Event {
	t.Helper()
	owner := apikey.Owner{AccountID: worst(apikey.MaxAccountIDBytes), IAMID: worst(apikey.MaxIAMIDBytes), Username: worst(apikey.MaxUsernameBytes)}
	if err := owner.Validate(); err != nil {
		t.Fatal(err)
	}
	ring := apikey.Ring{Owner: owner}
	now := time.Date(2026, 5, 4, 8, 15, 30, 120e6, time.UTC)
	command := func() apikey.Command {
		return apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorAdministrator, ID: owner.IAMID}, Now: now, CorrelationID: worst(1024)}
	}
	change := apikey.Ring.Create
	for n := range apikey.MaxPhasedOut + 1 {
		now = now.AddDate(0, 0, 1)
		id := apikey.KeyID{6: 0x70, 8: 0x80, 15: byte(n)}
		next, _, err := change(ring, command(), apikey.Material{KeyID: id, SecretARN: "arn:secret"})
		if err != nil {
			t.Fatal(err)
		}
		ring, change = next, apikey.Ring.Rotate
	}
	_, event := ring.Suspend(command())
	if len(event.Keys) != apikey.MaxPhasedOut+1 {
		t.Fatalf("%d keys", len(event.Keys))
	}
	event.ID = apikey.KeyID{6: 0x70, 8: 0x80}.String()
	event.AffectedSchedules.Count = apikey.MaxSchedules
	for n := range apikey.MaxAffected {
		event.AffectedSchedules.First = append(event.AffectedSchedules.First, largestSchedule(n, event.Keys[0].ID))
	}
	event.AffectedRuns = 1e9
	return *event
}

// A notice that EventBridge does not take could never be published, and would
// hold up all behind it.
func TestLargestNoticeFitsIntoEventBridge(t *testing.T) {
	all := largest(t)
	rebound := all
	rebound.Type, rebound.Keys, rebound.AffectedSchedules = apikey.EventScheduleBound, nil, apikey.AffectedSchedules{}
	for n := range maxRebound {
		rebound.Schedules = append(rebound.Schedules, largestSchedule(n, all.Keys[0].ID))
	}
	special := largest(t)
	for i := range special.AffectedSchedules.First {
		special.AffectedSchedules.First[i].JobID = strings.Repeat("<", maxNoteBytes)
		special.AffectedSchedules.First[i].Description = strings.Repeat("&", maxNoteBytes)
	}
	for name, event := range map[string]apikey.Event{"all keys, affecting schedules": all, "rebound": rebound, "characters of HTML": special} {
		t.Run(name, func(t *testing.T) {
			bus := noticestest.NewBus()
			if errs := notices.New(bus.Client(), noticestest.BusName).Publish(t.Context(), []apikey.Event{event}); errs[0] != nil {
				t.Fatal(errs[0])
			}
			detail := encoded(t, event)
			if arrived := bus.Arrived(); len(arrived) != 1 || arrived[0].Detail != string(detail) {
				t.Errorf("%d arrived", len(arrived))
			}
			if err := validate(t, schemas(t, true)[slug(event.Type)], detail); err != nil {
				t.Error(err)
			}
			t.Logf("%d bytes", len(detail))
		})
	}
}
