package sweep_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
)

func inTheStory(w *functest.World) any {
	s := sweep.Sweep{Keys: w.Keys, Deployment: w.Deployment, Now: w.Now, Log: w.Log}
	return s.Handle
}

// janesKeysAreDue: her second key is 13 days old, and her first was phased out then.
func janesKeysAreDue(w *functest.World) {
	w.JaneHasRotated()
	w.Deployment = apikey.RotationPolicy{MaxAgeDays: 13, DeletePhasedOutAfterDays: 10}
	w.Table.CatchUp()
}

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	functest.Golden(t, inTheStory, functest.Case{Event: "sweep", Given: janesKeysAreDue})
}

// What is due is due by the sweep's own clock: a schedule's event that is late, or
// made up, changes nothing about that.
func TestTheTimeOfTheEventIsNotTheClock(t *testing.T) {
	recorded, err := os.ReadFile(functest.EventsFolder + "/sweep.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		maxAgeDays int
		time       string
		rotated    int64
	}{
		"years later, and not due":  {365, "2099-01-01T00:00:00Z", 0},
		"years before, and yet due": {13, "1999-01-01T00:00:00Z", 1},
		"none at all, and yet due":  {13, "", 1},
		"not even a time, and due":  {13, "yesterday", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := functest.New(t)
			w.JaneHasRotated()
			w.Deployment = apikey.RotationPolicy{MaxAgeDays: c.maxAgeDays}
			w.Table.CatchUp()
			event := strings.Replace(string(recorded), "2026-11-16T09:30:00Z", c.time, 1)
			if event == string(recorded) {
				t.Fatal("the event has another time")
			}
			answer, err := w.Invoke(inTheStory(w), []byte(event))
			var counts sweep.Counts
			if err != nil || json.Unmarshal(answer, &counts) != nil || counts.Rotated != c.rotated {
				t.Errorf("answered %s, %v", answer, err)
			}
		})
	}
}
