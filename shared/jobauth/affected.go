package jobauth

import (
	"slices"

	"github.com/userapikey/service/shared/apikey"
)

// Affected is what a change of keys hits: schedules whose jobs it stops, and
// running operations that will fail.
type Affected struct {
	Schedules apikey.AffectedSchedules
	// Runs are at most apikey.MaxAffected of them, those that have run longest.
	Runs     []Run
	RunCount int
}

// AddRun adds a running operation.
func (a *Affected) AddRun(run Run) {
	a.RunCount++
	at, _ := slices.BinarySearchFunc(a.Runs, run, func(x, y Run) int { return x.StartedAt.Compare(y.StartedAt) })
	if at < apikey.MaxAffected {
		a.Runs = slices.Insert(a.Runs, at, run)
		a.Runs = a.Runs[:min(len(a.Runs), apikey.MaxAffected)]
	}
}

// Reach is what a change of an owner's keys can hit, as far as the ring alone
// tells: so that nothing is looked for where there is nothing.
type Reach struct {
	// Schedules picks from all of the owner's schedules; nil when there are none
	// to pick.
	Schedules func([]apikey.Schedule) apikey.AffectedSchedules
	// Keys are those whose running operations it hits.
	Keys []apikey.KeyID
}

// OfRotation is what a rotation hits: schedules that are pinned to the Active
// key. What is running goes on.
func OfRotation(ring apikey.Ring) (reach Reach) {
	if ring.Active != nil && ring.Active.PinnedCount > 0 {
		reach.Schedules = ring.ByRotation
	}
	return reach
}

// OfDeletion is what the deletion of one key hits.
func OfDeletion(ring apikey.Ring, id apikey.KeyID) (reach Reach) {
	key, exists := ring.Key(id)
	if !exists {
		return reach
	}
	reach.Keys = []apikey.KeyID{id}
	if key.PinnedCount > 0 || ring.Active != nil && ring.Active.ID == id && ring.ScheduleCount > 0 {
		reach.Schedules = func(all []apikey.Schedule) apikey.AffectedSchedules { return ring.ByDeletion(id, all) }
	}
	return reach
}

// OfDeletionOfAll is what the deletion of all keys hits.
func OfDeletionOfAll(ring apikey.Ring) (reach Reach) {
	if ring.Active != nil {
		reach.Keys = append(reach.Keys, ring.Active.ID)
	}
	for _, key := range ring.PhasedOut {
		reach.Keys = append(reach.Keys, key.ID)
	}
	if len(reach.Keys) > 0 && ring.ScheduleCount > 0 {
		reach.Schedules = ring.ByDeletionOfAll
	}
	return reach
}
