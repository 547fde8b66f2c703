package apikey

import "time"

// EventType is the kind of a change; it is the detail-type of the announcement.
type EventType string

// The changes of keys, and of the schedules that are bound to them.
const (
	EventCreated    EventType = "User API Key Created"
	EventRotated    EventType = "User API Key Rotated"
	EventPhasedOut  EventType = "User API Key Phased Out"
	EventDeleted    EventType = "User API Key Deleted"
	EventAllDeleted EventType = "User API Key All Deleted"

	EventPolicyChanged   EventType = "User API Key Rotation Policy Changed"
	EventOwnerSuspended  EventType = "User API Key Owner Suspended"
	EventOwnerReinstated EventType = "User API Key Owner Reinstated"
	EventScheduleBound   EventType = "User API Key Schedule Bound"
	EventScheduleUnbound EventType = "User API Key Schedule Unbound"
)

// What is announced beside the numbered changes: each once for a key, or once for
// a key and day, or hour.
const (
	EventRotationDue    EventType = "User API Key Rotation Due"
	EventRotationFailed EventType = "User API Key Rotation Failed"
	EventUseRefused     EventType = "User API Key Use Refused"
)

// IsChange tells whether it is a change, with a revision of its own. What is no
// change has the revision of the ring that it is about.
func (t EventType) IsChange() bool {
	return t != EventRotationDue && t != EventRotationFailed && t != EventUseRefused
}

// Deletes tells whether the change took keys away.
func (t EventType) Deletes() bool {
	return t == EventDeleted || t == EventAllDeleted || t == EventOwnerSuspended
}

// ChangesKeys tells whether keys were made, phased out or deleted.
func (t EventType) ChangesKeys() bool {
	return t == EventCreated || t == EventRotated || t == EventPhasedOut || t.Deletes()
}

// Event is one committed change of a ring: the history and the announcement at
// once. Revision numbers an owner's changes without a gap, so that a consumer
// can order them, drop repeats and see what it missed.
type Event struct {
	// ID is stable: the same for every announcement of this change. The store
	// sets it.
	ID            string
	Type          EventType
	Owner         Owner
	Revision      int64
	OccurredAt    time.Time
	Actor         Actor
	CorrelationID string
	// Keys are the keys that changed, as the change left them: the new key
	// first, then the one that it phased out; or the deleted ones as they last
	// were. They carry no digest: nobody verifies credentials with an event.
	Keys []Key
	// SecretARN is the owner's secret before a deletion of all keys and after
	// any other change, so that whoever finishes the change knows it.
	SecretARN string
	// Schedules are those that the change bound, or unbound.
	Schedules []Schedule
	// AffectedSchedules and AffectedRuns are what a change of keys hits: job
	// schedules, and how many running operations.
	AffectedSchedules AffectedSchedules
	AffectedRuns      int
	// Policy is the rotation policy that the change set.
	Policy *RotationPolicy
	// DueAt is when a rotation is due that is announced.
	DueAt time.Time
	// Reason tells why a rotation failed, a use was refused, or a key did not
	// survive a restore of the table.
	Reason string
	// Job is what was to run with the key whose use was refused.
	Job Job
}

// Job is a long-running task, as its runner names it. The zero value is none.
type Job struct{ ID, Type, Service string }

// RotationDue announces that the Active key will be rotated at the instant.
func (r Ring) RotationDue(c Command, at time.Time) Event {
	event := r.event(c, EventRotationDue, *r.Active)
	event.DueAt = at
	return event
}

// RotationFailed announces that the Active key, which is due, was not rotated,
// and why.
func (r Ring) RotationFailed(c Command, why Code) Event {
	event := r.event(c, EventRotationFailed, *r.Active)
	event.Reason = string(why)
	return event
}

// UseRefused announces that the credential of a key was presented, for a job
// unless that is zero, and refused for the reason: it is not Active any more.
func (r Ring) UseRefused(c Command, id KeyID, reason string, job Job) Event {
	key, exists := r.Key(id)
	if !exists {
		key = Key{ID: id} // of a deleted key no more is known
	}
	event := r.event(c, EventUseRefused, key)
	event.Reason, event.Job = reason, job
	return event
}
