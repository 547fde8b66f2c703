package httpapi

import (
	"net/url"
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
	return rotationPolicyOf(ring.PolicyUnder(deployment))
}

func rotationPolicyOf(policy apikey.RotationPolicy, inherited bool) RotationPolicy {
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
	user := User{
		Owner:          OwnerOf(ring.Owner),
		PhasedOutCount: len(ring.PhasedOut),
		RotationPolicy: RotationPolicyOf(ring, deployment),
		Overdue:        ring.DueUnder(deployment, now).Rotation,
		Suspended:      ring.Suspended,
	}
	if ring.Active != nil {
		active := KeyOf(*ring.Active)
		active.LastUsedAt = apikey.Instant(lastUsedAt[ring.Active.ID])
		user.Active = &active
	}
	return user
}

// UserInPath is the user of the caller's account whose IAM id is in the path, in
// place of {iamId}. Errors: user_not_found when that is nobody's id.
func (r *Request) UserInPath() (apikey.Owner, error) {
	// An IAM id may hold what a path holds percent-encoded only, and not every
	// gateway undoes that. What is decoded already comes through unchanged, but for
	// an id that has a percent sign and two hexadecimal digits itself: of these,
	// behind a gateway that decodes, the client has to encode the percent sign twice.
	id := r.PathParameter("iamId")
	if decoded, err := url.PathUnescape(id); err == nil {
		id = decoded
	}
	owner := apikey.Owner{AccountID: r.Principal.Owner.AccountID, IAMID: id}
	if owner.Validate() != nil {
		return apikey.Owner{}, apikey.UserNotFound() // not invalid_request: what cannot be an id is nobody's
	}
	return owner, nil
}

// ChangeOfUser is the request as a change of the keys of the user in the path, by
// the caller as administrator. Its body must be empty or {}. Errors:
// invalid_request, user_not_found.
func (r *Request) ChangeOfUser() (apikey.ChangeRequest, error) {
	request, err := r.OwnChange(nil)
	if err != nil {
		return apikey.ChangeRequest{}, err
	}
	request.Actor.Kind = apikey.ActorAdministrator
	request.Owner, err = r.UserInPath()
	return request, err
}
