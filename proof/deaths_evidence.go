package proof

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/notices/noticestest"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

// announcedAndCurrent checks that every change of the history has arrived on the
// bus and nothing has that is not in the table, that the secrets of keys that were
// all deleted are gone, and that consumers who read AWSCURRENT get the Active key.
func (s *scene) announcedAndCurrent() error {
	changes, err := s.changes()
	if err != nil {
		return err
	}
	arrived := map[string]int64{}
	for _, n := range s.backend.Bus.(*noticestest.Bus).Arrived() {
		var detail struct {
			Metadata struct{ ID string }
			Revision int64
		}
		if err := json.Unmarshal([]byte(n.Detail), &detail); err != nil {
			return err
		}
		if revision, again := arrived[detail.Metadata.ID]; again && revision != detail.Revision {
			return fmt.Errorf("notice %s has revisions %d and %d", detail.Metadata.ID, revision, detail.Revision)
		}
		arrived[detail.Metadata.ID] = detail.Revision
	}
	items, err := Items(s.ctx, s.backend, s.owner)
	if err != nil {
		return err
	}
	for id := range arrived {
		if !strings.Contains(items, id) {
			return fmt.Errorf("notice %s announces what was not committed", id)
		}
	}
	secrets, rotatedByClock := s.backend.Secrets.(*vaulttest.Engine), 0
	for _, change := range changes {
		if arrived[change.ID] != change.Revision {
			return fmt.Errorf("change %d, %s, was not announced", change.Revision, change.Type)
		}
		deletedAll := change.Type == apikey.EventAllDeleted || change.Type == apikey.EventOwnerSuspended
		if deletedAll && secrets.Labels(change.SecretARN) != nil {
			return fmt.Errorf("change %d deleted all keys, and their secret is still there", change.Revision)
		}
		if change.Type == apikey.EventRotated && change.Actor.Kind == apikey.ActorSchedule {
			rotatedByClock++
		}
	}
	if rotatedByClock > 1 {
		return fmt.Errorf("the clock rotated %d times for one key that was due", rotatedByClock)
	}
	ring, err := s.ring()
	if err != nil || ring.Active == nil {
		return err
	}
	if labels := secrets.Labels(ring.SecretARN); labels["AWSCURRENT"] != ring.Active.VersionID {
		return fmt.Errorf("the Active key's version is %s, the labels are %v", ring.Active.VersionID, labels)
	}
	return s.material(ring, false)
}

// nothingLeftOver checks that there is no secret but the one that the ring names,
// that no label is left on it, and that the clock has nothing to do.
func (s *scene) nothingLeftOver() error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	want := 0
	if ring.Active != nil {
		want = 1
	}
	if names := s.backend.Secrets.(*vaulttest.Engine).Names(); len(names) != want {
		return fmt.Errorf("the owner has %d secrets: %v", len(names), names)
	}
	if err := s.material(ring, true); err != nil {
		return err
	}
	if kept := s.backend.DeadLetters.(*noticestest.Queue).Messages(); len(kept) > 0 {
		return fmt.Errorf("set aside: %v", kept)
	}
	return s.nothingLeaked()
}
