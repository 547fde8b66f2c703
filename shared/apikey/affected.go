package apikey

// MaxAffected is how many schedules and runs are named of those that a change
// affects; beyond it they are only counted.
const MaxAffected = 100

// AffectedSchedules are the schedules that a change of keys affects.
type AffectedSchedules struct {
	// First are at most MaxAffected of them, in the order of their ids.
	First []Schedule
	Count int
}

func (a *AffectedSchedules) add(s Schedule) {
	if a.Count++; a.Count <= MaxAffected {
		a.First = append(a.First, s)
	}
}

// ByRotation picks from the owner's schedules those that a rotation stops: the
// ones that are pinned to the Active key.
func (r Ring) ByRotation(schedules []Schedule) (affected AffectedSchedules) {
	for _, s := range schedules {
		if r.Active != nil && s.Binding == Pinned && s.KeyID == r.Active.ID {
			affected.add(s)
		}
	}
	return affected
}

// ByDeletion picks from the owner's schedules those that the deletion of a key
// hits: the ones that are pinned to it and, when it is the Active key, the ones
// that follow it.
func (r Ring) ByDeletion(id KeyID, schedules []Schedule) (affected AffectedSchedules) {
	isActive := r.Active != nil && r.Active.ID == id
	for _, s := range schedules {
		if s.Binding == Pinned && s.KeyID == id || s.Binding == FollowActive && isActive {
			affected.add(s)
		}
	}
	return affected
}

// ByDeletionOfAll picks from the owner's schedules those that the deletion of
// all keys hits: all but the ones whose key is deleted already.
func (r Ring) ByDeletionOfAll(schedules []Schedule) (affected AffectedSchedules) {
	for _, s := range schedules {
		if state := r.StateOf(s); state == ScheduleReady || state == ScheduleKeyPhasedOut {
			affected.add(s)
		}
	}
	return affected
}
