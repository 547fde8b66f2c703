package lifecycle

import (
	"context"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// issuance is what tells create and rotate apart.
type issuance struct {
	// operation is what an idempotency key stands for.
	operation string
	// wanted tells whether the ring is still one to change; nil is always.
	wanted func(apikey.Ring) bool
	may    func(apikey.Ring, apikey.Command) error
	// put places the credential; once for each secret that a ring is found to name.
	put    func(ctx context.Context, secretARN string, credential apikey.Credential) (apikey.Material, error)
	change func(apikey.Ring, apikey.Command, apikey.Material) (apikey.Ring, apikey.Event, error)
	// reach is what the change hits.
	reach func(apikey.Ring) jobauth.Reach
	// settle is what remains after the commit; replaced is the ring before it.
	settle func(ctx context.Context, replaced apikey.Ring, m apikey.Material)
	// discard takes back material that no ring names and none will.
	discard func(context.Context, apikey.Material) error
}

// Create makes the owner's Active key. Errors: active_key_exists,
// owner_suspended, rotation_rate_exceeded, revision_mismatch,
// idempotency_key_reused, conflict, unavailable.
func (s *Service) Create(ctx context.Context, r apikey.ChangeRequest) (Issued, error) {
	return s.issue(ctx, r, issuance{
		operation: "create",
		may:       apikey.Ring.MayCreate,
		put: func(ctx context.Context, _ string, credential apikey.Credential) (apikey.Material, error) {
			return s.Vault.Open(ctx, credential)
		},
		change: apikey.Ring.Create,
		reach:  func(apikey.Ring) jobauth.Reach { return jobauth.Reach{} },
		// The first version of a secret has AWSCURRENT already.
		settle: func(context.Context, apikey.Ring, apikey.Material) {},
		discard: func(ctx context.Context, m apikey.Material) error {
			return s.Vault.Delete(ctx, m.SecretARN)
		},
	})
}

// Rotate makes a new Active key and phases the old one out. Errors:
// no_active_key, too_many_phased_out_keys, rotation_rate_exceeded,
// revision_mismatch, idempotency_key_reused, conflict, unavailable.
func (s *Service) Rotate(ctx context.Context, r apikey.ChangeRequest) (Issued, error) {
	return s.issue(ctx, r, s.rotation(r.Owner))
}

func (s *Service) rotation(owner apikey.Owner) issuance {
	return issuance{
		operation: "rotate",
		may:       apikey.Ring.MayRotate,
		put:       s.Vault.Stage,
		change:    apikey.Ring.Rotate,
		reach:     jobauth.OfRotation,
		settle: func(ctx context.Context, replaced apikey.Ring, m apikey.Material) {
			if err := s.Vault.Promote(ctx, m, replaced.Active.VersionID); err != nil {
				s.Log.InfoContext(ctx, "AWSCURRENT was not moved at once; repairing", "error", err)
				s.repair(ctx, owner)
			}
		},
		discard: s.Vault.Unstage,
	}
}

// issue makes a key: mint, put the material, commit, settle.
func (s *Service) issue(ctx context.Context, r apikey.ChangeRequest, how issuance) (Issued, error) {
	credential, err := s.mint(r.Owner)
	if err != nil {
		return Issued{}, err
	}
	var (
		material  apikey.Material
		replaced  apikey.Ring
		attempted int64 // the highest revision that a commit was tried for
	)
	result, err := s.Rings.Update(ctx, r.Owner, store.Idempotency{Key: r.IdempotencyKey, Operation: how.operation},
		func(ctx context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			command := r.Command(s.Now())
			if how.wanted != nil && !how.wanted(ring) {
				return ring, nil, nil
			}
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			if err := how.may(ring, command); err != nil {
				return ring, nil, err
			}
			affected, err := s.Rings.Affected(ctx, r.Owner.Locator(), how.reach(ring))
			if err != nil {
				return ring, nil, err
			}
			if material.SecretARN == "" || ring.SecretARN != replaced.SecretARN {
				put, err := how.put(ctx, ring.SecretARN, credential)
				if err != nil {
					return ring, nil, err
				}
				material = put
			}
			replaced = ring
			next, event, err := how.change(ring, command, material)
			attempted = next.Revision
			event.AffectedSchedules = affected.Schedules
			return next, &event, err
		})
	if material.SecretARN != "" && (err != nil || result.Replayed || result.Event == nil) {
		s.undo(ctx, r.Owner, material, attempted, how.discard)
	}
	switch {
	case err != nil:
		return Issued{}, err
	case result.Replayed:
		return s.replay(ctx, result)
	case result.Event == nil:
		return Issued{}, nil
	}
	how.settle(ctx, replaced, material)
	issued := issuedBy(*result.Event)
	issued.Credential = credential
	return issued, nil
}

// mint makes a new key's id and credential.
func (s *Service) mint(owner apikey.Owner) (apikey.Credential, error) {
	id, err := apikey.NewUUID(s.Now(), s.Random)
	if err != nil {
		return apikey.Credential{}, err
	}
	return apikey.NewCredential(owner.Locator(), id, s.Random)
}

// undo takes material back, once a consistent read shows that no commit can
// name it any more: the ring is at or past every revision that was attempted
// and does not know the key. Otherwise a commit whose answer was lost may still
// land, and the material stays for the sweep to judge.
func (s *Service) undo(ctx context.Context, owner apikey.Owner, m apikey.Material, attempted int64, discard func(context.Context, apikey.Material) error) {
	ring, err := s.Rings.Ring(ctx, owner.Locator())
	if err == nil && ring.Revision >= attempted && !ring.Knows(m.KeyID) {
		err = discard(ctx, m)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "material of a key that was not made is left behind", "keyId", m.KeyID.String(), "error", err)
	}
}

// replay is the first answer again. The credential is in it only while its key
// is Active, read again from the one place that holds it.
func (s *Service) replay(ctx context.Context, result store.Result) (Issued, error) {
	issued := issuedBy(*result.Event)
	issued.Replayed = true
	active := result.Ring.Active
	if active == nil || active.ID != issued.Key.ID {
		return issued, nil
	}
	credential, err := s.Vault.Credential(ctx, result.Ring.SecretARN, *active)
	issued.Credential = credential
	return issued, err
}

func issuedBy(event apikey.Event) Issued {
	issued := Issued{Key: event.Keys[0], Affected: event.AffectedSchedules, Revision: event.Revision}
	if len(event.Keys) > 1 {
		issued.PhasedOut = &event.Keys[1]
	}
	return issued
}
