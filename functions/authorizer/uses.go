package authorizer

import (
	"context"
	"sync"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

const (
	// useTimeout bounds what a decision, or a batch of them, may wait for the last
	// use of its keys to be noted.
	useTimeout = 500 * time.Millisecond
	// maxUses bounds how many keys an instance remembers.
	maxUses = 10_000
)

// uses remembers of which keys this instance has tried to note a use in this
// period of the clock: it tries once.
type uses struct {
	mu     sync.Mutex
	period time.Time
	tried  map[apikey.KeyID]struct{}
}

// isDue tells whether a use of the key is to be noted, and counts it as tried.
func (u *uses) isDue(id apikey.KeyID, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if period := store.UsePeriod(now); !period.Equal(u.period) || len(u.tried) >= maxUses {
		u.period, u.tried = period, map[apikey.KeyID]struct{}{}
	}
	_, tried := u.tried[id]
	u.tried[id] = struct{}{}
	return !tried
}

// use is the use of a key that allowed something.
type use struct {
	ring  apikey.Ring
	keyID apikey.KeyID
}

// dueUse is the use that a decision makes of its key, if it is to be noted.
func (d decider) dueUse(ring apikey.Ring, decision jobauth.Decision) (u use, due bool) {
	if !decision.Allowed || !d.uses.isDue(decision.KeyID, d.now()) {
		return use{}, false
	}
	return use{ring, decision.KeyID}, true
}

// noteUses notes uses of keys beside what else a decision has to do; the function
// that it returns waits for it. What fails or takes too long is logged and
// forgotten: it must cost no decision.
func (d decider) noteUses(ctx context.Context, used ...use) (wait func()) {
	ctx, cancel := context.WithTimeout(ctx, useTimeout)
	done := make(chan struct{})
	go func() {
		defer close(done)
		atOnce(used, func(u use) {
			err := d.safely(ctx, func() error { return d.rings.Use(ctx, u.ring, u.keyID) })
			if err != nil {
				d.log.WarnContext(ctx, "the last use of a key is not noted", "keyId", u.keyID.String(), "error", err)
			}
		})
	}()
	return func() {
		<-done
		cancel()
	}
}
