package apikey

import (
	"slices"
	"time"
)

// Bounds of a ring.
const (
	// MaxPhasedOut is how many Phased out keys an owner may keep.
	MaxPhasedOut = 20
	// MaxRemembered is how many deleted keys a ring remembers.
	MaxRemembered = 10
)

// Ring is all keys of one owner: the unit of consistency, read whole and
// changed whole. The zero Revision is a ring that was never changed.
//
// Its operations are pure: they return a new ring one revision on with the
// event that announces it, and share no memory with the old one.
type Ring struct {
	Owner    Owner
	Revision int64
	// Active is the key that authorizes jobs; nil when there is none.
	Active *Key
	// PhasedOut are left over from rotations, oldest first.
	PhasedOut []Key
	// Deleted are the keys deleted last, oldest first.
	Deleted   []DeletedKey
	Allowance Allowance
	// ScheduleCount is how many job schedules are bound.
	ScheduleCount int
	// Policy is the owner's own rotation policy; nil is the deployment's.
	Policy *RotationPolicy
	// Suspended means that the owner was off-boarded and gets no new key.
	Suspended bool
	// SecretARN is the secret that holds the credentials; "" when no key is Active.
	SecretARN string
	// LastCreatedAt is the time in the newest key's name. It outlives the key,
	// so that names increase even when the clock does not.
	LastCreatedAt time.Time
}

// Material is where a new key's credential was put before the key is made.
type Material struct {
	KeyID     KeyID
	Digest    Digest
	SecretARN string
	VersionID string
}

// MayCreate tells whether a key can be made now. It is asked before any
// material is put, and again by Create.
func (r Ring) MayCreate(c Command) error {
	if r.Suspended {
		return refuse(CodeOwnerSuspended, "The owner was off-boarded and gets no new key until an administrator ends the suspension.")
	}
	if r.Active != nil {
		return refuse(CodeActiveKeyExists, "There is an Active key already. Rotate it to get a new one.")
	}
	return r.Allowance.check(c.Now)
}

// Create makes the owner's Active key. Errors: owner_suspended,
// active_key_exists, rotation_rate_exceeded.
func (r Ring) Create(c Command, m Material) (Ring, Event, error) {
	if err := r.MayCreate(c); err != nil {
		return r, Event{}, err
	}
	next := r.next()
	next.mintActive(c, m)
	return next, next.event(c, EventCreated, *next.Active), nil
}

// MayRotate tells whether the Active key can be replaced now. It is asked
// before any material is put, and again by Rotate. The clock is not bound by the
// allowance.
func (r Ring) MayRotate(c Command) error {
	if r.Active == nil {
		return refuse(CodeNoActiveKey, "There is no Active key to rotate. Create one.")
	}
	if len(r.PhasedOut) >= MaxPhasedOut {
		return refuse(CodeTooManyPhasedOutKeys, "There are 20 Phased out keys. Delete some first.")
	}
	if c.Actor.Kind == ActorSchedule {
		return nil
	}
	return r.Allowance.check(c.Now)
}

// Rotate makes a new Active key and phases the old one out, at one instant.
// Errors: no_active_key, too_many_phased_out_keys, rotation_rate_exceeded.
func (r Ring) Rotate(c Command, m Material) (Ring, Event, error) {
	if err := r.MayRotate(c); err != nil {
		return r, Event{}, err
	}
	next := r.next()
	old := *r.Active
	next.mintActive(c, m)
	old.Status = StatusPhasedOut
	old.PhasedOutAt = next.Active.CreatedAt
	next.PhasedOut = append(next.PhasedOut, old)
	return next, next.event(c, EventRotated, *next.Active, old), nil
}

// DeleteOne deletes a Phased out key. Errors: key_active, key_not_found.
func (r Ring) DeleteOne(c Command, id KeyID) (Ring, Event, error) {
	if r.Active != nil && r.Active.ID == id {
		return r, Event{}, refuse(CodeKeyActive, "This is the Active key. Rotate it first, or delete all keys.")
	}
	at := slices.IndexFunc(r.PhasedOut, func(k Key) bool { return k.ID == id })
	if at < 0 {
		return r, Event{}, KeyNotFound()
	}
	next := r.next()
	deleted := r.PhasedOut[at]
	next.PhasedOut = slices.Delete(next.PhasedOut, at, at+1)
	next.remember(c.Now, deleted)
	return next, next.event(c, EventDeleted, deleted), nil
}

// DeleteAll deletes every key. With no key to delete it changes nothing: the
// ring comes back as it was and the event is nil.
func (r Ring) DeleteAll(c Command) (Ring, *Event) {
	if r.Active == nil && len(r.PhasedOut) == 0 {
		return r, nil
	}
	next := r.next()
	deleted := next.deleteAll(c)
	event := next.event(c, EventAllDeleted, deleted...)
	event.SecretARN = r.SecretARN
	return next, &event
}

// deleteAll takes every key out of the ring, and remembers them.
func (r *Ring) deleteAll(c Command) (deleted []Key) {
	deleted = r.PhasedOut
	if r.Active != nil {
		deleted = append(deleted, *r.Active)
	}
	r.Active, r.PhasedOut, r.SecretARN = nil, nil, ""
	r.remember(c.Now, deleted...)
	return deleted
}

// Key finds a key that exists.
func (r Ring) Key(id KeyID) (Key, bool) {
	if r.Active != nil && r.Active.ID == id {
		return *r.Active, true
	}
	for _, key := range r.PhasedOut {
		if key.ID == id {
			return key, true
		}
	}
	return Key{}, false
}

// Remembers finds a key among the deleted ones.
func (r Ring) Remembers(id KeyID) (DeletedKey, bool) {
	for _, key := range r.Deleted {
		if key.ID == id {
			return key, true
		}
	}
	return DeletedKey{}, false
}

// Knows tells whether the key exists or is among the deleted ones.
func (r Ring) Knows(id KeyID) bool {
	_, exists := r.Key(id)
	_, remembered := r.Remembers(id)
	return exists || remembered
}

// IsListed tells whether the owner has keys or is suspended, and so is on the
// administrators' list.
func (r Ring) IsListed() bool { return r.Active != nil || len(r.PhasedOut) > 0 || r.Suspended }

// Proves tells whether a credential is the one of its key, which exists or is
// remembered.
func (r Ring) Proves(c Credential) bool {
	if key, exists := r.Key(c.KeyID()); exists {
		return key.Digest.Equal(c.Digest())
	}
	key, remembered := r.Remembers(c.KeyID())
	return remembered && key.Digest.Equal(c.Digest())
}

// CheckRevision refuses with revision_mismatch unless the ring is at one of
// the revisions that the caller expects; nil expects nothing.
func (r Ring) CheckRevision(expected []int64) error {
	if expected == nil || slices.Contains(expected, r.Revision) {
		return nil
	}
	return refuse(CodeRevisionMismatch, "The keys have changed since they were read. Read them again.")
}

// next is a copy of the ring, one revision on.
func (r Ring) next() Ring {
	r.Revision++
	if r.Active != nil {
		active := *r.Active
		r.Active = &active
	}
	if r.Policy != nil {
		policy := *r.Policy
		r.Policy = &policy
	}
	r.PhasedOut = slices.Clone(r.PhasedOut)
	r.Deleted = slices.Clone(r.Deleted)
	return r
}

// mintActive puts a new Active key in the ring and draws on the allowance.
func (r *Ring) mintActive(c Command, m Material) {
	createdAt := c.Now.UTC().Truncate(time.Millisecond)
	if !createdAt.After(r.LastCreatedAt) {
		createdAt = r.LastCreatedAt.Add(time.Millisecond)
	}
	r.LastCreatedAt = createdAt
	r.Active = &Key{
		ID:        m.KeyID,
		Name:      keyName(r.Owner.IAMID, createdAt),
		Status:    StatusActive,
		CreatedAt: createdAt,
		CreatedBy: c.Actor,
		Digest:    m.Digest,
		VersionID: m.VersionID,
	}
	r.SecretARN = m.SecretARN
	if c.Actor.Kind != ActorSchedule {
		r.Allowance = r.Allowance.draw(c.Now)
	}
}

func (r *Ring) remember(now time.Time, keys ...Key) {
	for _, key := range keys {
		r.Deleted = append(r.Deleted, DeletedKey{ID: key.ID, Digest: key.Digest, VersionID: key.VersionID, DeletedAt: now.UTC().Truncate(time.Millisecond)})
	}
	if surplus := len(r.Deleted) - MaxRemembered; surplus > 0 {
		r.Deleted = slices.Delete(r.Deleted, 0, surplus)
	}
}

func (r Ring) event(c Command, kind EventType, keys ...Key) Event {
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i].Digest, keys[i].PinnedCount = Digest{}, 0
	}
	return Event{
		Type:          kind,
		Owner:         r.Owner,
		Revision:      r.Revision,
		OccurredAt:    c.Now.UTC().Truncate(time.Millisecond),
		Actor:         c.Actor,
		CorrelationID: c.CorrelationID,
		Keys:          keys,
		SecretARN:     r.SecretARN,
	}
}
