package clienttest

import (
	"crypto/rand"
	"regexp"
	"slices"
	"time"

	"github.com/userapikey/service/client"
)

// onRecord is how long a run is kept after its lease has run out.
const onRecord = 24 * time.Hour

var credentialForm = regexp.MustCompile(`^cpdk_[0-9A-Za-z]{43}_[0-9A-Za-z]{49}$`)

// decide answers a request of the right form, and records the run.
func (s *Server) decide(r requestBody) client.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, key, reason := s.lookUp(r)
	decision := client.Decision{Allowed: reason == client.KeyActive, Reason: reason}
	if owner != nil {
		decision.Owner = owner.describe()
	}
	decision.Key = key.describe(reason)
	if !decision.Allowed {
		return decision
	}
	decision.Secret = &client.SecretRef{ARN: owner.secretARN, VersionID: key.ID}
	if r.RunID != nil {
		decision.Run = s.start(owner, key, r).state()
	}
	return decision
}

// lookUp finds the key that a request names, and its owner if that is proved.
func (s *Server) lookUp(r requestBody) (*Owner, Key, client.Reason) {
	switch {
	case r.Credential != nil:
		return s.byCredential(*r.Credential)
	case r.ScheduleRef != nil:
		return s.bySchedule(*r.ScheduleRef)
	default:
		return activeOf(s.owners[*r.Owner])
	}
}

func (s *Server) byCredential(text string) (*Owner, Key, client.Reason) {
	if !credentialForm.MatchString(text) {
		return nil, Key{}, client.CredentialMalformed
	}
	for _, owner := range s.owners {
		switch key, status := owner.find(func(key Key) bool { return key.Credential == text }); status {
		case active:
			return owner, key, client.KeyActive
		case phasedOut:
			return owner, key, client.KeyPhasedOut
		case deleted:
			return owner, key, client.KeyDeleted
		case unknown:
		}
	}
	return nil, Key{}, client.KeyUnknown
}

func (s *Server) bySchedule(ref string) (*Owner, Key, client.Reason) {
	for _, owner := range s.owners {
		for _, schedule := range owner.schedules {
			if schedule.ref != ref {
				continue
			}
			if schedule.keyID == "" {
				_, key, reason := activeOf(owner)
				return owner, key, reason
			}
			switch key, status := owner.find(withID(schedule.keyID)); status {
			case active:
				return owner, key, client.KeyActive
			case phasedOut:
				return owner, key, client.ScheduleKeyPhasedOut
			case deleted, unknown: // a binding outlives its key
				return owner, Key{ID: schedule.keyID}, client.ScheduleKeyDeleted
			}
		}
	}
	return nil, Key{}, client.ScheduleUnknown
}

func activeOf(owner *Owner) (*Owner, Key, client.Reason) {
	if owner == nil || owner.active == nil {
		return nil, Key{}, client.NoActiveKey
	}
	return owner, *owner.active, client.KeyActive
}

// describe is how a decision shows an owner.
func (o *Owner) describe() *client.Owner {
	return &client.Owner{AccountID: o.ref.AccountID, IAMID: o.ref.IAMID, Username: o.ref.IAMID + "@example.com"}
}

// describe is how a decision shows a key, if there is one. Of a deleted key
// there is no name.
func (k Key) describe(reason client.Reason) *client.Key {
	switch {
	case k.ID == "":
		return nil
	case reason == client.KeyDeleted || reason == client.ScheduleKeyDeleted:
		return &client.Key{ID: k.ID}
	}
	return &client.Key{ID: k.ID, Name: k.Name}
}

// start records a run, or the same run again, which is told by both its ids:
// under the key of the new decision, and with a lease that is never shorter.
func (s *Server) start(owner *Owner, key Key, r requestBody) *Run {
	now := s.now().UTC()
	at := slices.IndexFunc(s.runs, func(run *Run) bool {
		return run.owner == owner && run.JobID == r.JobID && run.RunID == *r.RunID && s.isOnRecord(run)
	})
	if at < 0 {
		s.runs = append(s.runs, &Run{Ref: "run-" + rand.Text(), JobID: r.JobID, RunID: *r.RunID, StartedAt: now, owner: owner})
		at = len(s.runs) - 1
	}
	run := s.runs[at]
	run.KeyID = key.ID
	run.extend(now, r.LeaseSeconds)
	return run
}

// renew answers whether a run may go on; not found when there is none on record.
func (s *Server) renew(ref string, leaseSeconds *int64) (decision client.Decision, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.running(ref)
	if run == nil {
		return client.Decision{}, false
	}
	key, status := run.owner.find(withID(run.KeyID))
	decision = client.Decision{
		Allowed: true, Reason: client.KeyActive, Secret: &client.SecretRef{ARN: run.owner.secretARN, VersionID: key.ID},
	}
	switch status {
	case active:
	case phasedOut:
		decision.Reason = client.KeyPhasedOut
	case deleted, unknown:
		key = Key{ID: run.KeyID}
		decision = client.Decision{Reason: client.KeyDeleted}
	}
	decision.Key, decision.Owner = key.describe(decision.Reason), run.owner.describe()
	if decision.Allowed {
		run.extend(s.now().UTC(), leaseSeconds)
		run.Renewals++
		decision.Run = run.state()
	}
	return decision, true
}

func (s *Server) end(ref string) (found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.running(ref)
	if run != nil {
		run.EndedAt = s.now().UTC()
	}
	return run != nil
}

func (s *Server) running(ref string) *Run {
	at := slices.IndexFunc(s.runs, func(run *Run) bool { return run.Ref == ref && s.isOnRecord(run) })
	if at < 0 {
		return nil
	}
	return s.runs[at]
}

// isOnRecord tells whether a run is known: it was not ended, and its lease has
// not run out too long ago.
func (s *Server) isOnRecord(run *Run) bool {
	return run.EndedAt.IsZero() && s.now().Before(run.LeaseExpiresAt.Add(onRecord))
}

func (r *Run) extend(now time.Time, leaseSeconds *int64) {
	lease := client.DefaultLease
	if leaseSeconds != nil {
		lease = time.Duration(*leaseSeconds) * time.Second
	}
	if end := now.Add(lease); end.After(r.LeaseExpiresAt) {
		r.LeaseExpiresAt = end
	}
}

func (r *Run) state() *client.RunState {
	return &client.RunState{Ref: r.Ref, LeaseExpiresAt: r.LeaseExpiresAt}
}
