package httpapi

import (
	"github.com/userapikey/service/shared/apikey"
)

// Key is a key as the API shows it.
type Key struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Status      apikey.Status  `json:"status"`
	CreatedAt   apikey.Instant `json:"createdAt"`
	CreatedBy   Actor          `json:"createdBy"`
	PhasedOutAt apikey.Instant `json:"phasedOutAt,omitzero"`
	// LastUsedAt is true to within five minutes; only views show it.
	LastUsedAt apikey.Instant `json:"lastUsedAt,omitzero"`
}

// Actor is who made a key or a change.
type Actor struct {
	Kind apikey.ActorKind `json:"kind"`
	ID   string           `json:"id"`
}

// Owner is whose keys they are.
type Owner struct {
	AccountID string `json:"accountId"`
	IAMID     string `json:"iamId"`
	Username  string `json:"username"`
}

// KeyOf is the key as the API shows it.
func KeyOf(k apikey.Key) Key {
	return Key{
		ID:          k.ID.String(),
		Name:        k.Name,
		Status:      k.Status,
		CreatedAt:   apikey.Instant(k.CreatedAt),
		CreatedBy:   Actor(k.CreatedBy),
		PhasedOutAt: apikey.Instant(k.PhasedOutAt),
	}
}

// KeysOf are the keys as the API shows them; no keys are an empty list.
func KeysOf(keys []apikey.Key) []Key {
	shown := make([]Key, len(keys))
	for i, key := range keys {
		shown[i] = KeyOf(key)
	}
	return shown
}

// Change is a change of keys as the API shows it: what it was, and the keys as
// it left them. Where their credentials are kept is no part of it.
type Change struct {
	ID            string           `json:"id"`
	Revision      int64            `json:"revision"`
	Type          apikey.EventType `json:"type"`
	OccurredAt    apikey.Instant   `json:"occurredAt"`
	Actor         Actor            `json:"actor"`
	CorrelationID string           `json:"correlationId"`
	Keys          []Key            `json:"keys"`
	// Reason tells why a key did not survive a restore.
	Reason string `json:"reason,omitempty"`
	// Schedules are those that the change bound or unbound.
	Schedules []BoundSchedule `json:"schedules,omitempty"`
	// RotationPolicy is the one that the change set.
	RotationPolicy *RotationPolicy `json:"rotationPolicy,omitempty"`
	// What else the change hit.
	AffectedScheduleCount int `json:"affectedScheduleCount,omitzero"`
	AffectedRunCount      int `json:"affectedRunCount,omitzero"`
}

// BoundSchedule is a schedule as a change bound it.
type BoundSchedule struct {
	ID      string         `json:"id"`
	Binding apikey.Binding `json:"binding"`
	KeyID   string         `json:"keyId,omitempty"`
}

// ChangesOf are the changes as the API shows them; no changes are an empty list.
func ChangesOf(changes []apikey.Event) []Change {
	shown := make([]Change, len(changes))
	for i, change := range changes {
		shown[i] = Change{
			ID:            change.ID,
			Revision:      change.Revision,
			Type:          change.Type,
			OccurredAt:    apikey.Instant(change.OccurredAt),
			Actor:         Actor(change.Actor),
			CorrelationID: change.CorrelationID,
			Keys:          KeysOf(change.Keys),
			Reason:        change.Reason,

			AffectedScheduleCount: change.AffectedSchedules.Count,
			AffectedRunCount:      change.AffectedRuns,
		}
		if change.Policy != nil {
			policy := rotationPolicyOf(*change.Policy, false)
			shown[i].RotationPolicy = &policy
		}
		for _, s := range change.Schedules {
			bound := BoundSchedule{ID: s.ID, Binding: s.Binding}
			if s.Binding == apikey.Pinned {
				bound.KeyID = s.KeyID.String()
			}
			shown[i].Schedules = append(shown[i].Schedules, bound)
		}
	}
	return shown
}

// OwnerOf is the owner as the API shows it.
func OwnerOf(o apikey.Owner) Owner { return Owner(o) }
