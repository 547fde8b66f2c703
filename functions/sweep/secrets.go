package sweep

import (
	"context"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/vault"
)

// orphanAge is the age at which a secret that no ring names is nobody's any more.
const orphanAge = 24 * time.Hour

// secrets walks through all secrets, once a day: it repairs those that a ring
// names and removes those that none does. A walk that was broken off goes on at
// the next run.
func (r *run) secrets(ctx context.Context) error {
	walk, err := r.Keys.Rings.DailyWalk(ctx)
	if err != nil || walk.Done {
		return err
	}
	for !walk.Done {
		if r.outOfTime(ctx) {
			return errOutOfTime
		}
		page, next, err := r.Keys.Vault.List(ctx, walk.Token)
		if err != nil {
			return err
		}
		if err := r.secretsPage(ctx, page); err != nil {
			return err
		}
		walk.Token, walk.Done = next, next == ""
		if walk, err = r.Keys.Rings.AdvanceWalk(ctx, walk); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) secretsPage(ctx context.Context, page []vault.Secret) error {
	needs := make([]jobauth.Needs, len(page))
	for i, secret := range page {
		needs[i].Ring = secret.Locator
	}
	facts, errs := r.Keys.Rings.Facts(ctx, needs)
	type found struct {
		ring   apikey.Ring
		secret vault.Secret
	}
	var known []found
	for i, secret := range page {
		if errs[i] != nil {
			r.fail(ctx, secret.Locator, errs[i])
			continue
		}
		known = append(known, found{facts[i].Ring, secret})
	}
	return each(ctx, r, known, func(f found) { r.secret(ctx, f.ring, f.secret) })
}

// secret looks after one secret. The ring was read after the secret was listed,
// and no ring ever comes to name a secret that was made a day ago.
func (r *run) secret(ctx context.Context, ring apikey.Ring, secret vault.Secret) {
	defer r.recoverRing(ctx)
	var err error
	switch {
	case ring.SecretARN == secret.ARN:
		err = r.Keys.Vault.Repair(ctx, r.Keys.Rings.Reader(ring.Owner))
	case r.Now().Sub(secret.KeyID.Time()) > orphanAge:
		if err = r.Keys.Vault.Delete(ctx, secret.ARN); err == nil {
			r.removed.Add(1)
		}
	}
	if err != nil {
		r.fail(ctx, secret.Locator, err)
	}
}
