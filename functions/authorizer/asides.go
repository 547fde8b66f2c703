package authorizer

import (
	"context"
	"sync"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/parallel"
	"github.com/userapikey/service/shared/telemetry"
)

const (
	// asideTimeout bounds what a decision, or a batch of them, may wait for what is
	// written beside it.
	asideTimeout = 500 * time.Millisecond
	// maxTried bounds how many keys an instance remembers.
	maxTried = 10_000
)

// aside is what a decision leaves to be written beside it: that its key was used,
// or the notice that one was presented which is not Active any more.
type aside struct {
	ring   apikey.Ring
	keyID  apikey.KeyID
	notice *apikey.Event
}

// dueAside is what the decision has to have written, if there is anything.
func (d decider) dueAside(ctx context.Context, q jobauth.Question, ring apikey.Ring, decision jobauth.Decision) (a aside, due bool) {
	now := d.now()
	if decision.Allowed {
		return aside{ring: ring, keyID: decision.KeyID}, d.uses.isDue(decision.KeyID, now)
	}
	notice, refused := q.RefusedUse(ring, decision, now, telemetry.InvocationID(ctx))
	return aside{ring: ring, keyID: decision.KeyID, notice: &notice}, refused && d.refusals.isDue(decision.KeyID, now)
}

// writeAsides writes beside what else a decision has to do; the function that it
// returns waits for it. What fails or takes too long is logged and forgotten: it
// must cost no decision.
func (d decider) writeAsides(ctx context.Context, asides ...aside) (wait func()) {
	ctx, cancel := context.WithTimeout(ctx, asideTimeout)
	done := make(chan struct{})
	go func() {
		defer close(done)
		parallel.Each(maxWritesAtOnce, asides, func(a aside) {
			err := d.safely(ctx, func() error { return d.write(ctx, a) })
			switch {
			case err == nil:
			case a.notice == nil:
				d.log.WarnContext(ctx, "the last use of a key is not noted", "keyId", a.keyID.String(), "error", err)
			default:
				d.log.WarnContext(ctx, "a refused use of a key is not announced", "keyId", a.keyID.String(), "error", err)
			}
		})
	}()
	return func() {
		<-done
		cancel()
	}
}

func (d decider) write(ctx context.Context, a aside) error {
	if a.notice == nil {
		return d.rings.Use(ctx, a.ring, a.keyID)
	}
	_, err := d.rings.Announce(ctx, *a.notice)
	return err
}

// tried remembers of which keys this instance has tried to write something in this
// period of the clock: it tries once.
type tried struct {
	periodOf func(time.Time) time.Time

	mu     sync.Mutex
	period time.Time
	keys   map[apikey.KeyID]struct{}
}

func newTried(periodOf func(time.Time) time.Time) *tried { return &tried{periodOf: periodOf} }

// isDue tells whether it is to be written of the key, and counts it as tried.
func (t *tried) isDue(id apikey.KeyID, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if period := t.periodOf(now); !period.Equal(t.period) || len(t.keys) >= maxTried {
		t.period, t.keys = period, map[apikey.KeyID]struct{}{}
	}
	_, tried := t.keys[id]
	t.keys[id] = struct{}{}
	return !tried
}
