package jobauth

import (
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// Reason tells why a job may run, or why not.
type Reason string

// The reasons of a decision. Of a request, only KeyActive allows; of a renewal,
// KeyPhasedOut allows as well.
const (
	KeyActive Reason = "key_active"
	// CredentialMalformed: the text is no credential; it was mistyped or cut off.
	CredentialMalformed Reason = "credential_malformed"
	// KeyUnknown: no such key. A wrong secret answers the same, and so does a
	// key of an account that is not the caller's.
	KeyUnknown Reason = "key_unknown"
	// KeyPhasedOut: the key was rotated away.
	KeyPhasedOut Reason = "key_phased_out"
	// KeyDeleted: the key was deleted, and is among the last ten.
	KeyDeleted Reason = "key_deleted"
	// NoActiveKey: the owner has none. Another account's owner answers the same.
	NoActiveKey Reason = "no_active_key"
	// ScheduleUnknown: no such schedule. A forged, a malformed and a foreign
	// reference answer the same.
	ScheduleUnknown Reason = "schedule_unknown"
	// ScheduleKeyPhasedOut: the key that the schedule is pinned to was rotated
	// away; the schedule waits to be bound again.
	ScheduleKeyPhasedOut Reason = "schedule_key_phased_out"
	// ScheduleKeyDeleted: the key that the schedule is pinned to was deleted.
	ScheduleKeyDeleted Reason = "schedule_key_deleted"
)

// Reasons lists every reason of a decision, for tables that must be complete.
var Reasons = []Reason{
	KeyActive, CredentialMalformed, KeyUnknown, KeyPhasedOut, KeyDeleted, NoActiveKey,
	ScheduleUnknown, ScheduleKeyPhasedOut, ScheduleKeyDeleted,
}

// Decision is the answer to a request. What is unknown or not the caller's
// business is left out.
type Decision struct {
	Allowed bool
	Reason  Reason
	// KeyID and KeyName name the key, when the credential proved to be its own.
	KeyID   apikey.KeyID
	KeyName string
	// Owner is the key's owner; nil when the key is not known.
	Owner *apikey.Owner
	// Secret is where the credential is kept; set when allowed, except for a run whose
	// key a restore phased out: its secret is gone, or soon will be.
	Secret *SecretRef
	// Run is the running operation that was recorded or renewed.
	Run *RunLease
}

// RunLease is a run's reference, and until when it may go on unless renewed.
type RunLease struct {
	Ref       apikey.RunRef
	ExpiresAt time.Time
}

// SecretRef names a version of a secret.
type SecretRef struct {
	ARN       string
	VersionID string
}

// Question is a request of the right form, by a known caller.
type Question struct {
	Request
	caller     Caller
	credential apikey.Credential
	schedule   apikey.ScheduleRef
	// refused is the reason that needs no facts; "" when they are needed.
	refused Reason
}

// Prepare checks the request's form. Errors: invalid_request.
func (r Request) Prepare(caller Caller) (Question, error) {
	if err := r.validate(); err != nil {
		return Question{}, err
	}
	q := Question{Request: r, caller: caller}
	var err error
	switch {
	case r.Owner != nil:
		if !caller.mayAskAbout(r.Owner.AccountID) {
			q.refused = NoActiveKey
		}
	case r.ScheduleRef != nil:
		if q.schedule, err = apikey.ParseScheduleRef(*r.ScheduleRef); err != nil {
			q.refused = ScheduleUnknown
		}
	default:
		if q.credential, err = apikey.ParseCredential(*r.Credential); err != nil {
			q.refused = CredentialMalformed
		}
	}
	return q, nil
}

// AboutCredential asks whether a credential is an Active key's, whatever it is
// used for, on behalf of an actor who may ask about every account.
func AboutCredential(text string, actor apikey.Actor) Question {
	q := Question{Request: Request{Credential: &text}, caller: Caller{Platform: true, Actor: actor}}
	var err error
	if q.credential, err = apikey.ParseCredential(text); err != nil {
		q.refused = CredentialMalformed
	}
	return q
}

// Needs is what must be read for a decision, as it is when the question is asked.
type Needs struct {
	// Ring is the ring's locator.
	Ring apikey.Locator
	// ScheduleID is the schedule to read in the ring's partition; "" is none.
	ScheduleID string
}

// Needs tells what to read. There is nothing to read for a question that is
// refused by its form.
func (q Question) Needs() (needs Needs, needed bool) {
	switch {
	case q.refused != "":
		return Needs{}, false
	case q.Owner != nil:
		return Needs{Ring: apikey.Owner{AccountID: q.Owner.AccountID, IAMID: q.Owner.IAMID}.Locator()}, true
	case q.ScheduleRef != nil:
		return Needs{Ring: q.schedule.Locator, ScheduleID: q.schedule.ID}, true
	default:
		return Needs{Ring: q.credential.Locator()}, true
	}
}

// Facts are what was read: the zero Ring when there is none, and no schedule
// when there is none or none is needed.
type Facts struct {
	Ring     apikey.Ring
	Schedule *apikey.Schedule
}

// Decide answers from the facts that Needs asked for; without needs, from none.
// The run, unless nil, is to be recorded before the decision is answered.
func (q Question) Decide(facts Facts, now time.Time) (Decision, *Run) {
	decision := q.decide(facts)
	run := q.run(decision, now)
	if run != nil {
		decision.Run = run.lease()
	}
	return decision, run
}

func (q Question) decide(facts Facts) Decision {
	ring := facts.Ring
	switch {
	case q.refused != "":
		return Decision{Reason: q.refused}
	case q.Owner != nil:
		return decideOwner(ring)
	case q.ScheduleRef != nil:
		if !q.caller.mayAskAbout(ring.Owner.AccountID) || facts.Schedule == nil {
			return Decision{Reason: ScheduleUnknown}
		}
		return decideSchedule(ring, *facts.Schedule)
	case !q.caller.mayAskAbout(ring.Owner.AccountID):
		return Decision{Reason: KeyUnknown}
	default:
		return decideCredential(ring, q.credential)
	}
}

// RefusedUse is the notice that the decision refused a key that somebody
// presented, because it is Phased out or deleted; ok is false for every other
// decision.
func (q Question) RefusedUse(ring apikey.Ring, d Decision, now time.Time, correlationID string) (notice apikey.Event, ok bool) {
	if q.Credential == nil || d.Reason != KeyPhasedOut && d.Reason != KeyDeleted {
		return apikey.Event{}, false
	}
	command := apikey.Command{Actor: q.caller.Actor, Now: now, CorrelationID: correlationID}
	job := apikey.Job{ID: q.JobID, Type: string(q.JobType), Service: q.Service}
	return ring.UseRefused(command, d.KeyID, string(d.Reason), job), true
}

func decideOwner(ring apikey.Ring) Decision {
	if ring.Active == nil {
		return Decision{Reason: NoActiveKey}
	}
	return allow(ring)
}

func decideSchedule(ring apikey.Ring, schedule apikey.Schedule) Decision {
	refused := Decision{KeyID: schedule.KeyID, Owner: &ring.Owner}
	switch ring.StateOf(schedule) {
	case apikey.ScheduleReady:
		return allow(ring)
	case apikey.ScheduleKeyPhasedOut:
		key, _ := ring.Key(schedule.KeyID)
		refused.Reason, refused.KeyName = ScheduleKeyPhasedOut, key.Name
	case apikey.ScheduleKeyDeleted:
		refused.Reason = ScheduleKeyDeleted
	case apikey.ScheduleWithoutActive:
		refused.Reason = NoActiveKey
	}
	return refused
}

func decideCredential(ring apikey.Ring, credential apikey.Credential) Decision {
	digest := credential.Digest()
	if key, exists := ring.Key(credential.KeyID()); exists && key.Digest.Equal(digest) {
		if ring.Active != nil && ring.Active.ID == key.ID {
			return allow(ring)
		}
		return Decision{Reason: KeyPhasedOut, KeyID: key.ID, KeyName: key.Name, Owner: &ring.Owner}
	}
	if key, remembered := ring.Remembers(credential.KeyID()); remembered && key.Digest.Equal(digest) {
		return Decision{Reason: KeyDeleted, KeyID: key.ID, Owner: &ring.Owner}
	}
	return Decision{Reason: KeyUnknown}
}

func allow(ring apikey.Ring) Decision {
	return Decision{
		Allowed: true,
		Reason:  KeyActive,
		KeyID:   ring.Active.ID,
		KeyName: ring.Active.Name,
		Owner:   &ring.Owner,
		Secret:  &SecretRef{ARN: ring.SecretARN, VersionID: ring.Active.VersionID},
	}
}
