package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// mostAttempts is how often a question is sent in all.
	mostAttempts = 4
	// longestWait bounds the waits between them, but for what is added to a
	// Retry-After at random. A service that asks for more is not waited for: the
	// caller knows better what to do with the time.
	longestWait = 30 * time.Second
	firstWait   = 200 * time.Millisecond
	// longestRetryAfter bounds what is believed of a Retry-After.
	longestRetryAfter = 24 * time.Hour
)

// insist exchanges until there is an answer, or an error that will not pass, or
// enough was tried.
func (c *Client) insist(ctx context.Context, call call) (answer, error) {
	for failed := 0; ; failed++ {
		got, err := c.attempt(ctx, call, answerPeriod)
		if err == nil {
			return got, nil
		}
		if ctx.Err() != nil {
			return answer{}, gaveUp(ctx, err)
		}
		failure, _ := errors.AsType[*Error](err)
		wait := max(backoff(failed, firstWait, longestWait), atLeast(failure.RetryAfter))
		if !failure.mayPass() || failed+1 == mostAttempts || failure.RetryAfter > longestWait || !hasTimeFor(ctx, wait) {
			return answer{}, err
		}
		if pause(ctx, wait) != nil {
			return answer{}, gaveUp(ctx, err)
		}
	}
}

// attempt is an exchange within a time limit.
func (c *Client) attempt(ctx context.Context, call call, period time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	return c.exchange(ctx, call)
}

// gaveUp is the error of a caller that did not wait for more; both what it met
// and why it stopped can be found in it.
func gaveUp(ctx context.Context, err error) error {
	if errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fmt.Errorf("%w; gave up: %w", err, context.Cause(ctx))
}

// backoff is the wait after so many failures in a row: first doubled each time,
// up to most, and up to half of it left out at random, so that runners that
// failed together do not come back together.
func backoff(failed int, first, most time.Duration) time.Duration {
	wait := most
	if failed < 20 {
		wait = min(first<<failed, most)
	}
	return wait - rand.N(wait/2+1) //nolint:gosec // spreads load, guards nothing
}

// atLeast is a wait that the service asks for, and up to half as much more at
// random: it asks all of them for the same.
func atLeast(asked time.Duration) time.Duration {
	return asked + rand.N(asked/2+1) //nolint:gosec // as above
}

// hasTimeFor tells whether the context lasts longer than the wait.
func hasTimeFor(ctx context.Context, wait time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return !limited || time.Until(deadline) > wait
}

// pause waits, and answers the context's error when that ends first.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// retryAfter reads the header of that name, in seconds or as a date. A date is
// compared with the answer's own, so that clocks that differ do not matter.
func retryAfter(header http.Header, now time.Time) (wait time.Duration, told bool) {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(longestRetryAfter/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if answeredAt, err := http.ParseTime(header.Get("Date")); err == nil {
		now = answeredAt
	}
	return min(max(at.Sub(now), 0), longestRetryAfter), true
}
