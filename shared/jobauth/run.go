package jobauth

import (
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// The span of a lease: what a run gets unless it asks for another, and the most
// that it may ask for.
const (
	DefaultLease = time.Hour
	MaxLease     = 24 * time.Hour
)

// RecordPeriod is how long a run stays on record after its lease has run out; so
// long it may still be renewed.
const RecordPeriod = 24 * time.Hour

// Run is a running operation: work that was authorized and holds a key until
// its lease runs out.
type Run struct {
	Owner apikey.Owner
	KeyID apikey.KeyID
	// JobID and RunID together are the run: asked for again, it is the same one.
	JobID, RunID   string
	JobType        JobType
	Service        string
	StartedAt      time.Time
	LeaseExpiresAt time.Time
}

// Ref is what the runner names the run by.
func (r Run) Ref() apikey.RunRef { return apikey.NewRunRef(r.Owner.Locator(), r.JobID, r.RunID) }

// IsRunning tells whether the run counts: its lease has not run out.
func (r Run) IsRunning(now time.Time) bool { return r.LeaseExpiresAt.After(now) }

// IsOnRecord tells whether the run may still be renewed.
func (r Run) IsOnRecord(now time.Time) bool { return r.LeaseExpiresAt.Add(RecordPeriod).After(now) }

// MayBeSeenBy tells whether the run is the caller's business.
func (r Run) MayBeSeenBy(caller Caller) bool { return caller.mayAskAbout(r.Owner.AccountID) }

// Renew decides whether a run may go on: while its key exists. A rotation does
// not stop what is already running; a deletion does. When it may, the run's lease
// lasts for so long from now on, or as long as before if that is longer.
func (r Run) Renew(ring apikey.Ring, now time.Time, lease time.Duration) (Decision, Run) {
	key, exists := ring.Key(r.KeyID)
	if !exists {
		return Decision{Reason: KeyDeleted, KeyID: r.KeyID, Owner: &r.Owner}, r
	}
	if expiresAt := instant(now).Add(lease); expiresAt.After(r.LeaseExpiresAt) {
		r.LeaseExpiresAt = expiresAt
	}
	decision := Decision{
		Allowed: true, Reason: KeyPhasedOut, KeyID: key.ID, KeyName: key.Name, Owner: &ring.Owner,
		Run: r.lease(),
	}
	if ring.SecretARN != "" && !key.Orphaned {
		decision.Secret = &SecretRef{ARN: ring.SecretARN, VersionID: key.VersionID}
	}
	if key.Status == apikey.StatusActive {
		decision.Reason = KeyActive
	}
	return decision, r
}

func (r Run) lease() *RunLease { return &RunLease{Ref: r.Ref(), ExpiresAt: r.LeaseExpiresAt} }

// run is the run that an allowed request asks to have recorded.
func (r Request) run(d Decision, now time.Time) *Run {
	if !d.Allowed || r.RunID == nil {
		return nil
	}
	return &Run{
		Owner: *d.Owner, KeyID: d.KeyID, JobID: r.JobID, RunID: *r.RunID, JobType: r.JobType, Service: r.Service,
		StartedAt: instant(now), LeaseExpiresAt: instant(now).Add(leaseOf(r.LeaseSeconds)),
	}
}

// instant is a time as it goes on record: milliseconds of UTC, so that what is
// answered and what is on record are the same.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func leaseOf(seconds *int64) time.Duration {
	if seconds == nil {
		return DefaultLease
	}
	return time.Duration(*seconds) * time.Second
}

// ParseLease is the span that a renewal asks for; nil asks for the default.
// Errors: invalid_request.
func ParseLease(seconds *int64) (time.Duration, error) {
	if seconds != nil && (*seconds < 1 || *seconds > int64(MaxLease/time.Second)) {
		return 0, apikey.Invalid("leaseSeconds", "must be a whole number from 1 to 86400")
	}
	return leaseOf(seconds), nil
}
