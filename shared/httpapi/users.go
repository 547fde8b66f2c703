package httpapi

import (
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// RotationPolicy is a rotation policy as the API shows it: null is off.
type RotationPolicy struct {
	MaxAgeDays               *int `json:"maxAgeDays"`
	NoticeDays               *int `json:"noticeDays"`
	DeletePhasedOutAfterDays *int `json:"deletePhasedOutAfterDays"`
	// Inherited tells that it is the deployment's.
	Inherited bool `json:"inherited"`
}

// RotationPolicyOf is the policy that the clock goes by for a ring.
func RotationPolicyOf(ring apikey.Ring, deployment apikey.RotationPolicy) RotationPolicy {
	policy, inherited := ring.PolicyUnder(deployment)
	return RotationPolicy{
		MaxAgeDays: days(policy.MaxAgeDays), NoticeDays: days(policy.NoticeDays),
		DeletePhasedOutAfterDays: days(policy.DeletePhasedOutAfterDays), Inherited: inherited,
	}
}

func days(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// User is a user of an account as its administrators see them.
type User struct {
	Owner          Owner          `json:"owner"`
	Active         *Key           `json:"active"`
	PhasedOutCount int            `json:"phasedOutCount"`
	RotationPolicy RotationPolicy `json:"rotationPolicy"`
	// Overdue tells that the Active key should have been rotated.
	Overdue   bool `json:"overdue"`
	Suspended bool `json:"suspended"`
}

// UserOf is the user of a ring, now.
func UserOf(ring apikey.Ring, lastUsedAt map[apikey.KeyID]time.Time, deployment apikey.RotationPolicy, now time.Time) User {
	policy, _ := ring.PolicyUnder(deployment)
	user := User{
		Owner:          OwnerOf(ring.Owner),
		PhasedOutCount: len(ring.PhasedOut),
		RotationPolicy: RotationPolicyOf(ring, deployment),
		Overdue:        ring.DueUnder(policy, now).Rotation,
		Suspended:      ring.Suspended,
	}
	if ring.Active != nil {
		active := KeyOf(*ring.Active)
		active.LastUsedAt = Instant(lastUsedAt[ring.Active.ID])
		user.Active = &active
	}
	return user
}
