package apikey_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

// A ring whose Active key is not current names no secret: a repair would move
// AWSCURRENT there, and nothing would tell any more.
func TestAKeyThatIsNotCurrentIsPhasedOutWithItsSecretUnnamed(t *testing.T) {
	ring := ringOf(t, 3)
	before := ring
	step := apikey.RestoreStep{PhaseOut: true, Reason: apikey.ReasonNotCurrent}
	next, event, err := ring.Restore(apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorOperator, ID: "restore"}, Now: noon.Add(time.Hour)}, step)
	if err != nil || next.Active != nil || next.SecretARN != "" || event.SecretARN != "" || next.Revision != ring.Revision+1 {
		t.Fatalf("the ring is %+v, its event %+v, %v", next, event, err)
	}
	old := next.PhasedOut[len(next.PhasedOut)-1]
	if old.ID != ring.Active.ID || old.Status != apikey.StatusPhasedOut || !old.PhasedOutAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("the old key is %+v", old)
	}
	if event.Type != apikey.EventPhasedOut || event.Reason != "not_current" || len(event.Keys) != 1 || event.Keys[0].ID != old.ID {
		t.Errorf("the event is %+v", event)
	}
	if diff := cmp.Diff(before, ring); diff != "" {
		t.Errorf("the ring before changed: %s", diff)
	}
}
