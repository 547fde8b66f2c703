package identity

import (
	"context"
	"crypto"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/userapikey/service/shared/apikey"
)

const (
	// keySetMaxAge is how long a key that the issuer has withdrawn may go on
	// working here while the issuer can be reached.
	keySetMaxAge = time.Hour
	// refetchPeriod lies between two fetches while a set is known, so that
	// tokens with made-up key ids do not become a flood at the issuer's.
	refetchPeriod = time.Minute
	// firstFetchPeriod lies between two fetches while none has succeeded. It is
	// shorter because until then every request is refused.
	firstFetchPeriod = 5 * time.Second
)

// keyName is what a token says about its key. The algorithm is part of the
// name, so a key is never used with one that it was not published for.
type keyName struct {
	id        string
	algorithm jose.SignatureAlgorithm
}

// keySet is the issuer's published keys, as last fetched. Go-jose has none that
// fetches, and go-oidc's fetches again on every bad signature.
type keySet struct {
	fetch     func(context.Context) (map[keyName]crypto.PublicKey, error)
	now       func() time.Time
	onFailure func(error)

	mu          sync.Mutex
	keys        map[keyName]crypto.PublicKey // nil until a fetch has succeeded
	fetchedAt   time.Time                    // the end of the last fetch that succeeded
	attemptedAt time.Time                    // the end of the last fetch
	failure     error                        // of the last fetch
	fetching    chan struct{}                // closed when the fetch under way ends; nil when none is
}

// find returns the key of that name. It fetches the set first when that is due,
// together with everybody who waits for the same, and answers a known key
// whatever becomes of the fetch.
func (s *keySet) find(ctx context.Context, name keyName) (crypto.PublicKey, error) {
	var gaveUp error
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetchWanted(name) {
		fetched := s.startFetch(ctx)
		s.mu.Unlock()
		select {
		case <-fetched:
		case <-ctx.Done():
			gaveUp = context.Cause(ctx)
		}
		s.mu.Lock()
	}
	if key, known := s.keys[name]; known {
		return key, nil
	}
	if gaveUp != nil {
		return nil, outOfReach(time.Second, gaveUp)
	}
	if s.failure != nil {
		return nil, outOfReach(s.untilNextFetch(), s.failure)
	}
	return nil, refuse("The token is signed with a key that the issuer does not publish.")
}

// fetchWanted tells whether to fetch, or to wait for the fetch under way (which
// has not moved attemptedAt yet), before looking for the key.
func (s *keySet) fetchWanted(name keyName) bool {
	_, known := s.keys[name]
	if known && !passed(keySetMaxAge, s.fetchedAt, s.wallClock()) {
		return false
	}
	return s.untilNextFetch() == 0
}

// untilNextFetch is zero when the set may be fetched now.
func (s *keySet) untilNextFetch() time.Duration {
	period := refetchPeriod
	if s.keys == nil {
		period = firstFetchPeriod
	}
	now := s.wallClock()
	if passed(period, s.attemptedAt, now) {
		return 0
	}
	return s.attemptedAt.Add(period).Sub(now)
}

// startFetch returns a channel that is closed when the fetch under way ends,
// which it starts when there is none. The fetch is everybody's: it does not end
// with the request that happened to start it, only with its own timeout.
func (s *keySet) startFetch(ctx context.Context) <-chan struct{} {
	if s.fetching != nil {
		return s.fetching
	}
	fetching := make(chan struct{})
	s.fetching = fetching
	ctx = context.WithoutCancel(ctx)
	go func() {
		keys, err := s.fetch(ctx)
		if err != nil && s.onFailure != nil {
			s.onFailure(err)
		}
		s.mu.Lock()
		s.attemptedAt = s.wallClock()
		s.failure = err
		if err == nil {
			s.keys, s.fetchedAt = keys, s.attemptedAt
		}
		s.fetching = nil
		s.mu.Unlock()
		close(fetching)
	}()
	return fetching
}

// wallClock drops the monotonic reading: it may stand still while a function
// instance is frozen, and a frozen hour is an hour.
func (s *keySet) wallClock() time.Time { return s.now().Round(0) }

// passed tells whether period has gone by since an instant. A clock that was
// set back counts as that: the alternative is to trust old keys for longer.
func passed(period time.Duration, since, now time.Time) bool {
	elapsed := now.Sub(since)
	return elapsed < 0 || elapsed >= period
}

func outOfReach(retryAfter time.Duration, cause error) error {
	return &apikey.Error{
		Code:       apikey.CodeUnavailable,
		Detail:     "The issuer's keys cannot be reached at the moment, so the token cannot be checked. Try again.",
		RetryAfter: max(retryAfter, time.Second),
		Cause:      cause,
	}
}
