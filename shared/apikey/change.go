package apikey

import "time"

// ChangeRequest is what a change of an owner's keys is asked with.
type ChangeRequest struct {
	// Owner is whose keys are to be changed.
	Owner Owner
	// Actor is who asks.
	Actor         Actor
	CorrelationID string
	// ExpectedRevisions, unless nil, are the revisions of the ring at which the
	// change is still wanted.
	ExpectedRevisions []int64
	// IdempotencyKey, the client's or the DeliveryKey, makes every create or rotate
	// with it the same one; "" makes each its own.
	IdempotencyKey string
	// DeliveryKey is the same whenever the same request is delivered, which may
	// happen twice; "" is not known. No client can choose it.
	DeliveryKey string
}

// Administrator is who asks for a change of another user's keys: a user of the
// same account.
func (r ChangeRequest) Administrator() Owner {
	return Owner{AccountID: r.Owner.AccountID, IAMID: r.Actor.ID}
}

// Command is what a ring's operation is told: who asks, when, and under which
// id the request is traced.
type Command struct {
	Actor         Actor
	Now           time.Time
	CorrelationID string
}

// Command is what the ring's operation is told, now.
func (r ChangeRequest) Command(now time.Time) Command {
	return Command{Actor: r.Actor, Now: now, CorrelationID: r.CorrelationID}
}
