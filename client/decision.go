package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Reason tells why a job may run, or why not.
type Reason string

// The reasons of a decision.
const (
	// KeyActive is the only reason that lets a job start.
	KeyActive Reason = "key_active"
	// CredentialMalformed: the text is no credential; it was mistyped or cut off.
	CredentialMalformed Reason = "credential_malformed"
	// KeyUnknown: no such key, or not of an account that this runner serves.
	KeyUnknown Reason = "key_unknown"
	// KeyPhasedOut: the key was rotated away. It lets no job start, and does not
	// keep one from running on: a renewal with this reason may be allowed.
	KeyPhasedOut Reason = "key_phased_out"
	// KeyDeleted: the key was deleted.
	KeyDeleted Reason = "key_deleted"
	// NoActiveKey: the owner has none, or is not of an account that this runner
	// serves.
	NoActiveKey Reason = "no_active_key"
	// ScheduleUnknown: there is no such schedule, or not for this runner.
	ScheduleUnknown Reason = "schedule_unknown"
	// ScheduleKeyPhasedOut: the schedule is pinned to a key that was rotated away.
	ScheduleKeyPhasedOut Reason = "schedule_key_phased_out"
	// ScheduleKeyDeleted: the schedule is pinned to a key that was deleted.
	ScheduleKeyDeleted Reason = "schedule_key_deleted"
	// InvalidRequest: the form of this request of a batch is wrong; Detail says
	// how.
	InvalidRequest Reason = "invalid_request"
	// Unavailable: this request of a batch could not be decided; ask again.
	Unavailable Reason = "unavailable"
)

// Decision is the service's answer. What is unknown, or not this runner's
// business, is left out. The zero value does not allow.
type Decision struct {
	// Allowed: run the job only if this is true.
	Allowed bool   `json:"allowed"`
	Reason  Reason `json:"reason"`
	// Detail says what is wrong with a request of a batch, for people.
	Detail string    `json:"detail,omitempty"`
	Key    *Key      `json:"key,omitempty"`
	Owner  *Owner    `json:"owner,omitempty"`
	Run    *RunState `json:"run,omitempty"`
	// Secret is where the key's credential is kept, when allowed; nil in the renewal
	// of a run whose key was phased out by a restore of the service's table.
	Secret *SecretRef `json:"secret,omitempty"`
}

// Key names a key. A deleted key's name is not kept.
type Key struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Owner is the user whose key it is.
type Owner struct {
	AccountID string `json:"accountId"`
	IAMID     string `json:"iamId"`
	// Username is for display, and may be empty.
	Username string `json:"username"`
}

// RunState is what the service has on record of a run.
type RunState struct {
	// Ref is how the service names the run.
	Ref string `json:"ref"`
	// LeaseExpiresAt goes by the service's clock. It is for display: [Run]
	// measures the lease itself.
	LeaseExpiresAt time.Time `json:"leaseExpiresAt"`
}

// SecretRef names a version of a secret in Secrets Manager.
type SecretRef struct {
	ARN       string `json:"arn"`
	VersionID string `json:"versionId"`
}

// question is what a decision answers: it tells which answers make sense.
type question struct {
	// recorded: an allowed job is a run on record.
	recorded bool
	// renewal: the job runs already, and may run on under a Phased out key.
	renewal bool
	// ofBatch: the question may be left undecided.
	ofBatch bool
}

// decode reads a decision. One that contradicts itself is an error: it is not
// the service's, and nothing that was made up may let a job run.
func (q question) decode(text []byte) (Decision, error) {
	fields, err := fieldsOf(text)
	if err != nil {
		return Decision{}, err
	}
	var d Decision
	if err := json.Unmarshal(text, &d); err != nil {
		return Decision{}, errors.New("the decision has a field of a wrong type")
	}
	// By their exact names: encoding/json would take ALLOWED for allowed.
	d.Allowed, d.Reason = false, ""
	if err := json.Unmarshal(fields["reason"], &d.Reason); err != nil || !d.Reason.isWord() {
		return Decision{}, errors.New("the decision has no reason")
	}
	switch string(fields["allowed"]) {
	case "true":
		d.Allowed = true
	case "false":
	default:
		return Decision{}, errors.New("the decision does not tell whether the job is allowed")
	}
	return d, q.check(d)
}

func (q question) check(d Decision) error {
	undecided := d.Reason == InvalidRequest || d.Reason == Unavailable
	mayAllow := d.Reason == KeyActive || q.renewal && d.Reason == KeyPhasedOut
	switch {
	case d.Allowed && !mayAllow, !d.Allowed && d.Reason == KeyActive, undecided && !q.ofBatch:
		return fmt.Errorf("the decision contradicts itself: allowed is %t for the reason %s", d.Allowed, d.Reason)
	case d.Allowed && q.recorded && (d.Run == nil || !isRunRef(d.Run.Ref)):
		return errors.New("the decision allows a run and does not name it")
	}
	return nil
}

// isWord tells whether it is of the form that all reasons have, also those that
// this client does not know. It may be logged then: no token has that form.
func (r Reason) isWord() bool {
	const mostBytes = 64
	return r != "" && len(r) <= mostBytes &&
		!strings.ContainsFunc(string(r), func(c rune) bool { return (c < 'a' || c > 'z') && c != '_' })
}

// isRunRef tells whether the text can stand in a path as one part of it.
func isRunRef(ref string) bool {
	const mostBytes = 1024
	return ref != "" && len(ref) <= mostBytes && ref != "." && ref != ".."
}

// fieldsOf are the fields of a JSON object under their exact names. One that is
// there twice is an error: programs on the way may read the one or the other.
func fieldsOf(text []byte) (map[string]json.RawMessage, error) {
	if !json.Valid(text) {
		return nil, errors.New("the answer is not JSON, or was cut off")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("the answer is not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		text, _ := name.(string)
		if _, twice := fields[text]; twice {
			return nil, errors.New("the answer has a field twice")
		}
		fields[text] = value
	}
	return fields, nil
}
