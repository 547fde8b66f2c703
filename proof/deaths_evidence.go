package proof

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/notices/noticestest"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

// duePrefix begins the sort keys of announcements of a rotation that is due.
const duePrefix = "DUE#"

// announcedAndCurrent checks that every change of the history and every
// announcement in the table has arrived on the bus and nothing has that is not in
// the table, that the secrets of keys that were all deleted are gone, and that
// consumers who read AWSCURRENT get the Active key.
func (s *scene) announcedAndCurrent() error {
	changes, err := s.changes()
	if err != nil {
		return err
	}
	arrived, err := s.arrived()
	if err != nil {
		return err
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

// arrived are the revisions that the notices on the bus tell, by their ids. Each
// is of a record in the table, and every rotation that is due there is among them.
func (s *scene) arrived() (revisions map[string]int64, err error) {
	items, err := Items(s.ctx, s.backend, s.owner)
	if err != nil {
		return nil, err
	}
	revisions = map[string]int64{}
	rotationsDue := map[string]bool{}
	for _, n := range s.backend.Bus.(*noticestest.Bus).Arrived() {
		var detail struct {
			Metadata struct{ ID string }
			Revision int64
		}
		if err := json.Unmarshal([]byte(n.Detail), &detail); err != nil {
			return nil, err
		}
		id := detail.Metadata.ID
		if revision, again := revisions[id]; again && revision != detail.Revision {
			return nil, fmt.Errorf("notice %s has revisions %d and %d", id, revision, detail.Revision)
		}
		if !strings.Contains(items, id) {
			return nil, fmt.Errorf("notice %s announces what was not committed", id)
		}
		revisions[id] = detail.Revision
		if n.DetailType == string(apikey.EventRotationDue) {
			rotationsDue[id] = true
		}
	}
	if due := strings.Count(items, "sk="+duePrefix); due != len(rotationsDue) {
		return nil, fmt.Errorf("%d rotations that are due are to be announced, and %d were", due, len(rotationsDue))
	}
	return revisions, nil
}

// nothingLeftOver checks that there is no secret but the one that the ring names,
// that no label is left on it, and that the clock has nothing to do.
func (s *scene) nothingLeftOver() error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	items, err := Items(s.ctx, s.backend, s.owner)
	if err != nil {
		return err
	}
	want, due := 0, ring.DueUnder(s.backend.Deployment, time.Now())
	if ring.Active != nil {
		want = 1
		due.Notice = due.Notice && !strings.Contains(items, "sk="+duePrefix+ring.Active.ID.String())
	}
	if due.Rotation || due.Notice || len(due.Deletions) > 0 {
		return fmt.Errorf("the clock has left this over: %+v", due)
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
