package authorizer

import (
	"context"
	"sync"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

const (
	// useTimeout bounds what a decision may wait for its key's last use to be
	// noted.
	useTimeout = 500 * time.Millisecond
	// maxUses bounds how many keys an instance remembers.
	maxUses = 10_000
)

// uses remembers of which keys this instance has noted a use, and when: it
// tries at most once per key and store.UsePrecision.
type uses struct {
	now func() time.Time

	mu      sync.Mutex
	triedAt map[apikey.KeyID]time.Time
}

// isDue tells whether a use of the key is to be noted, and counts it as tried.
func (u *uses) isDue(id apikey.KeyID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	if tried, ok := u.triedAt[id]; ok && now.Sub(tried) < store.UsePrecision {
		return false
	}
	if u.triedAt == nil || len(u.triedAt) >= maxUses {
		u.triedAt = map[apikey.KeyID]time.Time{}
	}
	u.triedAt[id] = now
	return true
}

// noteUse notes the last use of the key that allowed a job, beside what else the
// decision has to do; the function that it returns waits for it. What fails or
// takes too long is logged and forgotten: it must cost no decision.
func (d decider) noteUse(ctx context.Context, ring apikey.Ring, decision jobauth.Decision) (noted func()) {
	if !decision.Allowed || !d.uses.isDue(decision.KeyID) {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, useTimeout)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if recover() != nil {
				_ = httpapi.Panicked(ctx, d.log) // logged, and forgotten like any failure
			}
		}()
		if err := d.rings.Use(ctx, ring, decision.KeyID); err != nil {
			d.log.WarnContext(ctx, "the last use of a key is not noted", "keyId", decision.KeyID.String(), "error", err)
		}
	}()
	return func() {
		<-done
		cancel()
	}
}
