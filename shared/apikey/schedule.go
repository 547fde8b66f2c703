package apikey

import (
	"slices"
	"time"
)

// MaxSchedules is how many job schedules an owner may bind.
const MaxSchedules = 1000

// Binding tells which key the jobs of a schedule run under.
type Binding string

// A schedule follows the Active key, so that a rotation needs no further work,
// or is pinned to one key, until it is bound again.
const (
	FollowActive Binding = "follow_active"
	Pinned       Binding = "pinned"
)

// Bindings lists every binding, for messages and tables.
var Bindings = []Binding{FollowActive, Pinned}

// ScheduleState tells whether the jobs of a schedule may run, and if not, why.
type ScheduleState string

// The states of a schedule.
const (
	ScheduleReady         ScheduleState = "ready"
	ScheduleKeyPhasedOut  ScheduleState = "key_phased_out"
	ScheduleKeyDeleted    ScheduleState = "key_deleted"
	ScheduleWithoutActive ScheduleState = "no_active_key"
)

// ScheduleStates lists every state, for tables that must be complete.
var ScheduleStates = []ScheduleState{ScheduleReady, ScheduleKeyPhasedOut, ScheduleKeyDeleted, ScheduleWithoutActive}

// Schedule is a job schedule bound to a key. The binding outlives the key that
// it names.
type Schedule struct {
	// ID is the scheduler's name for it; see IsScheduleID.
	ID      string
	Binding Binding
	// KeyID is the key that it is pinned to; zero when it follows the Active key.
	KeyID KeyID
	// JobID, JobType, Service and Description are for people; "" is not given.
	JobID, JobType, Service, Description string
	BoundAt                              time.Time
	// Revision is the ring's, as the binding made it.
	Revision int64
}

const maxScheduleIDBytes = 128

// IsScheduleID tells whether a text can be a schedule's id: 1 to 128 letters,
// digits, dots, underscores and hyphens, no credential, and neither of the two
// that clients resolve away in a path, "." and "..".
func IsScheduleID(id string) bool {
	for i := range len(id) {
		if !isBase62(id[i]) && id[i] != '.' && id[i] != '_' && id[i] != '-' {
			return false
		}
	}
	return id != "" && id != "." && id != ".." && len(id) <= maxScheduleIDBytes && !holdsCredential(id)
}

// isBoundAs tells whether the other binding says the same.
func (s Schedule) isBoundAs(other Schedule) bool {
	s.BoundAt, s.Revision = other.BoundAt, other.Revision
	return s == other
}

// StateOf tells whether the jobs of a schedule may run now.
func (r Ring) StateOf(s Schedule) ScheduleState {
	switch {
	case s.Binding == FollowActive && r.Active == nil:
		return ScheduleWithoutActive
	case s.Binding == FollowActive, r.Active != nil && r.Active.ID == s.KeyID:
		return ScheduleReady
	}
	if _, exists := r.Key(s.KeyID); exists {
		return ScheduleKeyPhasedOut
	}
	return ScheduleKeyDeleted
}

// Bind binds a schedule, which was bound as before, or not yet when that is nil.
// Bound as it is already, it changes nothing: the event is nil. Errors:
// key_not_active, key_not_found, too_many_schedules.
func (r Ring) Bind(c Command, before *Schedule, s Schedule) (Ring, *Event, Schedule, error) {
	if s.Binding == FollowActive {
		s.KeyID = KeyID{}
	}
	if before != nil && before.isBoundAs(s) {
		return r, nil, *before, nil
	}
	if err := r.mayPin(s); err != nil {
		return r, nil, Schedule{}, err
	}
	next := r.next()
	if before == nil {
		if r.ScheduleCount >= MaxSchedules {
			return r, nil, Schedule{}, refuse(CodeTooManySchedules, "There are 1,000 schedules. Unbind some first.")
		}
		next.ScheduleCount++
	} else {
		next.countPinned(*before, -1)
	}
	s = next.bound(c, s)
	event := next.event(c, EventScheduleBound)
	event.Schedules = []Schedule{s}
	return next, &event, s, nil
}

func (r Ring) mayPin(s Schedule) error {
	switch {
	case s.Binding == FollowActive, r.Active != nil && r.Active.ID == s.KeyID:
		return nil
	case r.Knows(s.KeyID):
		return refuse(CodeKeyNotActive, "A schedule can be pinned to the Active key only, and this key is not Active.")
	}
	return KeyNotFound()
}

// Rebind pins schedules, which are pinned to other keys, to the Active one.
// Errors: no_active_key.
func (r Ring) Rebind(c Command, pinned []Schedule) (Ring, *Event, []Schedule, error) {
	if r.Active == nil {
		return r, nil, nil, refuse(CodeNoActiveKey, "There is no Active key to bind the schedules to. Create one.")
	}
	if len(pinned) == 0 {
		return r, nil, nil, nil
	}
	next := r.next()
	rebound := make([]Schedule, len(pinned))
	for i, s := range pinned {
		next.countPinned(s, -1)
		s.KeyID = r.Active.ID
		rebound[i] = next.bound(c, s)
	}
	event := next.event(c, EventScheduleBound)
	event.Schedules = slices.Clone(rebound)
	return next, &event, rebound, nil
}

// Unbind ends a schedule's binding.
func (r Ring) Unbind(c Command, s Schedule) (Ring, *Event) {
	next := r.next()
	next.ScheduleCount--
	next.countPinned(s, -1)
	event := next.event(c, EventScheduleUnbound)
	event.Schedules = []Schedule{s}
	return next, &event
}

// bound is the schedule as this revision binds it.
func (r *Ring) bound(c Command, s Schedule) Schedule {
	s.BoundAt = c.Now.UTC().Truncate(time.Millisecond)
	s.Revision = r.Revision
	r.countPinned(s, 1)
	return s
}

// countPinned keeps count of the schedules that are pinned to a key that exists.
func (r *Ring) countPinned(s Schedule, change int) {
	if s.Binding != Pinned {
		return
	}
	if r.Active != nil && r.Active.ID == s.KeyID {
		r.Active.PinnedCount += change
		return
	}
	if at := slices.IndexFunc(r.PhasedOut, func(k Key) bool { return k.ID == s.KeyID }); at >= 0 {
		r.PhasedOut[at].PinnedCount += change
	}
}
