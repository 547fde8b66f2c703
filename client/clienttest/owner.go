package clienttest

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/userapikey/service/client"
)

// mostRemembered is how many deleted keys are told from keys that never were.
const mostRemembered = 10

// Owner is a user with keys. A method that cannot do what it is asked for panics:
// the test that called it is wrong.
type Owner struct {
	server *Server
	ref    client.OwnerRef
	active *Key
	// phasedOut and deleted are the oldest first.
	phasedOut, deleted []Key
	schedules          map[string]*schedule
	secretARN          string
}

// Key is an owner's.
type Key struct {
	ID, Name string
	// Credential is the key's text, as its owner gets it.
	Credential string
}

type schedule struct {
	ref string
	// keyID is the key that the schedule is pinned to; "" follows the Active key.
	keyID string
}

// AddOwner adds an owner with an Active key.
func (s *Server) AddOwner(accountID, iamID string) *Owner {
	o := &Owner{server: s, ref: client.OwnerRef{AccountID: accountID, IAMID: iamID}, schedules: map[string]*schedule{}}
	s.mu.Lock()
	s.owners[o.ref] = o
	s.mu.Unlock()
	o.Create()
	return o
}

// Ref is how a request names the owner.
func (o *Owner) Ref() *client.OwnerRef { return new(o.ref) }

// Active is the owner's Active key.
func (o *Owner) Active() Key {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.must(o.active != nil, "has no Active key")
	return *o.active
}

// Create makes an Active key where there is none.
func (o *Owner) Create() Key {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.must(o.active == nil, "has an Active key")
	key := o.newKey()
	o.secretARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:user-api-key/test/" + key.ID
	return key
}

// Rotate makes a new Active key; the old one is Phased out.
func (o *Owner) Rotate() Key {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.must(o.active != nil, "has no Active key")
	o.phasedOut = append(o.phasedOut, *o.active)
	return o.newKey()
}

// Delete deletes a Phased out key.
func (o *Owner) Delete(keyID string) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	at := slices.IndexFunc(o.phasedOut, func(key Key) bool { return key.ID == keyID })
	o.must(at >= 0, "has no Phased out key "+keyID)
	o.forget(o.phasedOut[at])
	o.phasedOut = slices.Delete(o.phasedOut, at, at+1)
}

// DeleteAll deletes every key.
func (o *Owner) DeleteAll() {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	for _, key := range o.phasedOut {
		o.forget(key)
	}
	if o.active != nil {
		o.forget(*o.active)
	}
	o.active, o.phasedOut = nil, nil
}

// FollowActive binds a schedule to whatever key is Active, and answers the
// schedule's reference, which stays the same when it is bound again.
func (o *Owner) FollowActive(scheduleID string) (scheduleRef string) {
	return o.bind(scheduleID, func() string { return "" })
}

// Pin binds a schedule to the key that is Active now.
func (o *Owner) Pin(scheduleID string) (scheduleRef string) {
	return o.bind(scheduleID, func() string {
		o.must(o.active != nil, "has no Active key")
		return o.active.ID
	})
}

// Unbind removes a schedule.
func (o *Owner) Unbind(scheduleID string) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	delete(o.schedules, scheduleID)
}

func (o *Owner) bind(scheduleID string, keyID func() string) string {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	bound := o.schedules[scheduleID]
	if bound == nil {
		bound = &schedule{ref: "schedule-" + rand.Text()}
		o.schedules[scheduleID] = bound
	}
	bound.keyID = keyID()
	return bound.ref
}

func (o *Owner) newKey() Key {
	now := o.server.now().UTC()
	random := fmt.Sprintf("%x", rand.Text())
	key := Key{
		// The form of a UUIDv7.
		ID:         fmt.Sprintf("%08x-%04x-7%s-8%s-%s", now.UnixMilli()>>16, now.UnixMilli()&0xffff, random[:3], random[3:6], random[6:18]),
		Name:       "cpd-apikey-" + o.ref.IAMID + "-" + now.Format("2006-01-02T15:04:05.000Z"),
		Credential: "cpdk_" + (rand.Text() + rand.Text())[:43] + "_" + (rand.Text() + rand.Text())[:49],
	}
	o.active = &key
	return key
}

func (o *Owner) forget(key Key) {
	o.deleted = append(o.deleted, key)
	o.deleted = o.deleted[max(0, len(o.deleted)-mostRemembered):]
}

// status is a key's; the zero status is of a key that the owner does not have.
type status int

const (
	unknown status = iota
	active
	phasedOut
	deleted
)

// find finds a key by what is true of it.
func (o *Owner) find(is func(Key) bool) (Key, status) {
	if o.active != nil && is(*o.active) {
		return *o.active, active
	}
	if at := slices.IndexFunc(o.phasedOut, is); at >= 0 {
		return o.phasedOut[at], phasedOut
	}
	if at := slices.IndexFunc(o.deleted, is); at >= 0 {
		return o.deleted[at], deleted
	}
	return Key{}, unknown
}

func withID(keyID string) func(Key) bool { return func(key Key) bool { return key.ID == keyID } }

func (o *Owner) must(holds bool, what string) {
	if !holds {
		panic("clienttest: the owner " + o.ref.IAMID + " " + what)
	}
}

// Run is a running operation on record.
type Run struct {
	Ref, RunID, JobID string
	// KeyID is the key that the run is under.
	KeyID string
	// LeaseExpiresAt is by the server's clock; EndedAt is zero until the run was
	// ended.
	StartedAt, LeaseExpiresAt, EndedAt time.Time
	// Renewals counts those that were allowed.
	Renewals int

	owner *Owner
}

// Runs are the runs on record, ended ones included, the oldest first.
func (s *Server) Runs() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var runs []Run
	for _, run := range s.runs {
		runs = append(runs, *run)
	}
	return runs
}

// ForgetRuns makes every run one that the server does not know.
func (s *Server) ForgetRuns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = nil
}
