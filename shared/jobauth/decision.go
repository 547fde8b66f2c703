package jobauth

import "github.com/userapikey/service/shared/apikey"

// Reason tells why a job may run, or why not.
type Reason string

// The reasons of a decision. Only KeyActive allows.
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
)

// Reasons lists every reason, for tables that must be complete.
var Reasons = []Reason{KeyActive, CredentialMalformed, KeyUnknown, KeyPhasedOut, KeyDeleted, NoActiveKey}

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
	// Secret is where the credential is kept; set when allowed.
	Secret *SecretRef
}

// SecretRef names a version of a secret.
type SecretRef struct {
	ARN       string
	VersionID string
}

// Question is a request of the right form, by a known caller.
type Question struct {
	caller     Caller
	credential apikey.Credential
	owner      *OwnerRef
	// refused is the reason that needs no ring; "" when one is needed.
	refused Reason
}

// Prepare checks the request's form. Errors: invalid_request.
func (r Request) Prepare(caller Caller) (Question, error) {
	if err := r.validate(); err != nil {
		return Question{}, err
	}
	q := Question{caller: caller, owner: r.Owner}
	if r.Owner != nil {
		if !caller.mayAskAbout(r.Owner.AccountID) {
			q.refused = NoActiveKey
		}
		return q, nil
	}
	credential, err := apikey.ParseCredential(*r.Credential)
	if err != nil {
		q.refused = CredentialMalformed
	}
	q.credential = credential
	return q, nil
}

// Locator tells which ring to read for the decision, as it is when the question
// is asked. There is none to read for a question that is refused by its form.
func (q Question) Locator() (locator apikey.Locator, needed bool) {
	switch {
	case q.refused != "":
		return apikey.Locator{}, false
	case q.owner != nil:
		return apikey.Owner{AccountID: q.owner.AccountID, IAMID: q.owner.IAMID}.Locator(), true
	default:
		return q.credential.Locator(), true
	}
}

// Decide answers from the ring that Locator asked for; without one, from none.
func (q Question) Decide(ring apikey.Ring) Decision {
	switch {
	case q.refused != "":
		return Decision{Reason: q.refused}
	case q.owner != nil && ring.Active == nil:
		return Decision{Reason: NoActiveKey}
	case q.owner != nil:
		return allow(ring)
	case !q.caller.mayAskAbout(ring.Owner.AccountID):
		return Decision{Reason: KeyUnknown}
	default:
		return decideCredential(ring, q.credential)
	}
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
