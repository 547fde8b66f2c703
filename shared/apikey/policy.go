package apikey

import (
	"fmt"
	"time"
)

// MaxPolicyDays bounds every span of a rotation policy: ten years.
const MaxPolicyDays = 3650

const day = 24 * time.Hour

// RotationPolicy says when the clock acts on an owner's keys, in days; 0 is off.
type RotationPolicy struct {
	// MaxAgeDays is the age at which the Active key is rotated.
	MaxAgeDays int
	// NoticeDays is how long before that it is announced, once.
	NoticeDays int
	// DeletePhasedOutAfterDays is how long a Phased out key is kept.
	DeletePhasedOutAfterDays int
}

// IsOff tells that the clock leaves the keys alone.
func (p RotationPolicy) IsOff() bool { return p == RotationPolicy{} }

// Validate tells what is wrong with the policy. Errors: invalid_request.
func (p RotationPolicy) Validate() error {
	for _, span := range []struct {
		field string
		days  int
	}{{"maxAgeDays", p.MaxAgeDays}, {"deletePhasedOutAfterDays", p.DeletePhasedOutAfterDays}} {
		if span.days < 0 || span.days > MaxPolicyDays {
			return Invalid(span.field, fmt.Sprintf("must be a whole number from 1 to %d", MaxPolicyDays))
		}
	}
	switch {
	case p.NoticeDays == 0:
		return nil
	case p.MaxAgeDays == 0:
		return Invalid("noticeDays", "goes with maxAgeDays only")
	case p.NoticeDays < 0 || p.NoticeDays >= p.MaxAgeDays:
		return Invalid("noticeDays", "must be a whole number from 1 to less than maxAgeDays")
	}
	return nil
}

// rotationDueAt is the instant at which an Active key is to be rotated; the zero
// time is never.
func (p RotationPolicy) rotationDueAt(active Key) time.Time {
	return after(active.CreatedAt, p.MaxAgeDays)
}

// noticeDueAt is the instant from which the rotation is announced; the zero time
// is never.
func (p RotationPolicy) noticeDueAt(active Key) time.Time {
	if p.NoticeDays == 0 {
		return time.Time{}
	}
	return after(active.CreatedAt, p.MaxAgeDays-p.NoticeDays)
}

// deletionDueAt is the instant at which a Phased out key is to be deleted; the
// zero time is never.
func (p RotationPolicy) deletionDueAt(phasedOut Key) time.Time {
	return after(phasedOut.PhasedOutAt, p.DeletePhasedOutAfterDays)
}

func after(instant time.Time, days int) time.Time {
	if days == 0 {
		return time.Time{}
	}
	return instant.Add(time.Duration(days) * day)
}

// PolicyUnder is the policy that the clock goes by: the owner's own, or else the
// deployment's.
func (r Ring) PolicyUnder(deployment RotationPolicy) (policy RotationPolicy, inherited bool) {
	if r.Policy == nil {
		return deployment, true
	}
	return *r.Policy, false
}

// Due is what the clock is to do now about a ring.
type Due struct {
	// Rotation tells that the Active key is to be rotated, and Notice that its
	// rotation, at RotationAt, is to be announced, unless it was.
	Rotation, Notice bool
	RotationAt       time.Time
	// Deletions are the Phased out keys that are to be deleted.
	Deletions []KeyID
}

// DueUnder is what the policy has the clock do now: the owner's own, or else the
// deployment's.
func (r Ring) DueUnder(deployment RotationPolicy, now time.Time) (due Due) {
	p, _ := r.PolicyUnder(deployment)
	if r.Active != nil {
		due.RotationAt = p.rotationDueAt(*r.Active)
		due.Rotation = isPast(due.RotationAt, now)
		due.Notice = !due.Rotation && isPast(p.noticeDueAt(*r.Active), now)
	}
	for _, key := range r.PhasedOut {
		if isPast(p.deletionDueAt(key), now) {
			due.Deletions = append(due.Deletions, key.ID)
		}
	}
	return due
}

// NextDueAt is the earliest instant from which the policy has the clock do
// something; the zero time is never.
func (r Ring) NextDueAt(p RotationPolicy) (next time.Time) {
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if r.Active != nil {
		sooner(p.rotationDueAt(*r.Active))
		sooner(p.noticeDueAt(*r.Active))
	}
	for _, key := range r.PhasedOut {
		sooner(p.deletionDueAt(key))
	}
	return next
}

// OldestInstant is the earliest instant that a policy counts from: when the
// Active key was made, or a key phased out; the zero time when there are no keys.
func (r Ring) OldestInstant() (oldest time.Time) {
	if r.Active != nil {
		oldest = r.Active.CreatedAt
	}
	for _, key := range r.PhasedOut {
		if oldest.IsZero() || key.PhasedOutAt.Before(oldest) {
			oldest = key.PhasedOutAt
		}
	}
	return oldest
}

// SoonestAge is the age of the youngest instant from which the policy can have
// the clock do something; 0 is never.
func (p RotationPolicy) SoonestAge() (age time.Duration) {
	for _, days := range []int{p.MaxAgeDays - p.NoticeDays, p.DeletePhasedOutAfterDays} {
		if span := time.Duration(days) * day; span > 0 && (age == 0 || span < age) {
			age = span
		}
	}
	return age
}

func isPast(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// SetPolicy replaces the owner's rotation policy. One that is the same already
// changes nothing: the event is nil. Errors: invalid_request.
func (r Ring) SetPolicy(c Command, p RotationPolicy) (Ring, *Event, error) {
	if err := p.Validate(); err != nil {
		return r, nil, err
	}
	if r.Policy != nil && *r.Policy == p {
		return r, nil, nil
	}
	next := r.next()
	next.Policy = new(p)
	event := next.event(c, EventPolicyChanged)
	event.Policy = new(p)
	return next, &event, nil
}
