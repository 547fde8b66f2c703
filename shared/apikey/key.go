package apikey

import "time"

// Status is where a key stands. It only ever moves from Active to Phased out;
// a deleted key is no longer in its ring.
type Status string

// The two states of a key that exists.
const (
	StatusActive    Status = "ACTIVE"
	StatusPhasedOut Status = "PHASED_OUT"
)

// ActorKind tells what kind of actor made a change.
type ActorKind string

// The kinds of actors.
const (
	ActorUser          ActorKind = "user"
	ActorAdministrator ActorKind = "administrator"
	ActorSchedule      ActorKind = "schedule"
	ActorOperator      ActorKind = "operator"
	// Those who present keys, and change none.
	ActorJobRunner ActorKind = "job_runner"
	ActorGateway   ActorKind = "gateway"
)

// Actor is who made a change: the user, an administrator of the account, the
// schedule that rotates keys, or who operates the service and restored its table; or
// who presented a key: a job runner, or the gateway of an API that is protected by
// keys. ID is the IAM id of a person or runner, the ARN of the API's stage, or the
// name of what else it was.
type Actor struct {
	Kind ActorKind
	ID   string
}

// Key is a user API key, without its credential.
type Key struct {
	ID          KeyID
	Name        string
	Status      Status
	CreatedAt   time.Time
	CreatedBy   Actor
	PhasedOutAt time.Time // zero while the key is Active
	// Digest is what tells the key's credential from a forged one.
	Digest Digest
	// VersionID is the version of the owner's secret that holds the credential,
	// as Secrets Manager named it.
	VersionID string
	// Orphaned means that this secret is not the one that the ring names: a restore
	// phased the key out, and the next key has another.
	Orphaned bool
	// PinnedCount is how many job schedules are pinned to the key.
	PinnedCount int
}

// DeletedKey is what a ring remembers of a deleted key, so that a late use is
// told from a forgery.
type DeletedKey struct {
	ID        KeyID
	Digest    Digest
	VersionID string
	DeletedAt time.Time
}

// keyName is cpd-apikey-{username}-{timeStamp}; username is the owner's IBMid.
func keyName(iamID string, createdAt time.Time) string {
	return "cpd-apikey-" + iamID + "-" + Instant(createdAt).String()
}
