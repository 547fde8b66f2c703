package apikey

import (
	"slices"
	"time"
)

// restoreMargin is how long a change may take from the instant in its key's id to
// its commit, and how far clocks may be apart: longer than any function runs that
// makes keys for callers.
const restoreMargin = time.Minute

// Remains are what the secrets of an owner tell about the owner's keys, whatever
// the ring says.
type Remains struct {
	// HasSecret tells that the secret exists that the ring names.
	HasSecret bool
	// Current is the version that has AWSCURRENT in that secret.
	Current string
	// Labelled are the versions, of all the owner's secrets, that have any staging
	// label. A repair takes every label off the version of a deleted key.
	Labelled []string
	// Opened are the keys that the owner's other secrets were opened for, Staged
	// those whose own label is on a version: keys that were being made.
	Opened, Staged []KeyID
}

// RestoreStep is what is next to be done about a ring that was restored, and why.
type RestoreStep struct {
	// DeleteAll, PhaseOut the Active key, or Delete a Phased out one: none of them
	// when nothing is left to do.
	DeleteAll, PhaseOut bool
	Delete              KeyID
	Reason              string
}

// Why a key does not survive a restore.
const (
	// ReasonSecretGone: the secret was deleted, as it is when all keys are.
	ReasonSecretGone = "secret_gone"
	// ReasonSecretReplaced: a key was created later, when there was none.
	ReasonSecretReplaced = "secret_replaced"
	// ReasonNotCurrent: another key is current, or may be.
	ReasonNotCurrent = "not_current"
	// ReasonNotShown: nothing shows that the key was not deleted.
	ReasonNotShown = "not_shown"
)

// AfterRestore is the next step about a ring whose table was restored to an
// instant: what happened to its keys after that is not in it, and what the secrets
// do not show is not assumed. A key that was made later is none of the restore's.
//
// The Active key comes first, because the ring must not name a secret that
// contradicts it: a repair would move AWSCURRENT, and nothing would tell any more.
func (r Ring) AfterRestore(remains Remains, restoredTo time.Time) RestoreStep {
	wasRestored := func(key Key) bool { return !key.CreatedAt.After(restoredTo.Add(restoreMargin)) }
	isRival := func(id KeyID) bool { return id.Time().After(restoredTo.Add(-restoreMargin)) && !r.Knows(id) }
	if r.Active != nil && wasRestored(*r.Active) {
		switch {
		case !remains.HasSecret:
			return RestoreStep{DeleteAll: true, Reason: ReasonSecretGone}
		case slices.ContainsFunc(remains.Opened, isRival):
			return RestoreStep{DeleteAll: true, Reason: ReasonSecretReplaced}
		case remains.Current != r.Active.VersionID, slices.ContainsFunc(remains.Staged, isRival):
			return RestoreStep{PhaseOut: true, Reason: ReasonNotCurrent}
		}
	}
	for _, key := range r.PhasedOut {
		if wasRestored(key) && !slices.Contains(remains.Labelled, key.VersionID) {
			return RestoreStep{Delete: key.ID, Reason: ReasonNotShown}
		}
	}
	return RestoreStep{}
}

// Restore takes the step. Errors: those of DeleteOne.
func (r Ring) Restore(c Command, step RestoreStep) (next Ring, event Event, err error) {
	switch {
	case step.DeleteAll:
		next = r.next()
		deleted := next.deleteAll(c)
		event = next.event(c, EventAllDeleted, deleted...)
		event.SecretARN = r.SecretARN
	case step.PhaseOut:
		next, event = r.phaseOut(c)
	default:
		next, event, err = r.DeleteOne(c, step.Delete)
	}
	event.Reason = step.Reason
	return next, event, err
}

// phaseOut takes from the Active key that it authorizes, and puts no other in its
// place. The ring names no secret then: nothing in it is current. There may be one
// more Phased out key than a rotation would leave.
func (r Ring) phaseOut(c Command) (Ring, Event) {
	next := r.next()
	old := *next.Active
	old.Status = StatusPhasedOut
	old.PhasedOutAt = c.Now.UTC().Truncate(time.Millisecond)
	next.Active, next.SecretARN = nil, ""
	next.PhasedOut = append(next.PhasedOut, old)
	return next, next.event(c, EventPhasedOut, old)
}
