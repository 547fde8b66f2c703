package client

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// The spans of a renewal follow from the lease, so that many attempts fit into
// what is left of a short one, and end at what is polite for a long one.
const (
	firstRenewalWait   = time.Second
	longestRenewalWait = time.Minute
)

var errNoAnswer = errors.New("the renewal was not answered")

// renewUntilDone renews a lease that was asked for at sentAt, until the context
// ends, and ends it when the job must stop. Every span here goes by the
// monotonic clock.
func (r *Run) renewUntilDone(sentAt time.Time) {
	defer close(r.renewing)
	// Apart from the attempts, so that one that does not return prolongs nothing.
	lease := time.AfterFunc(time.Until(sentAt.Add(r.lease)), r.loseLease)
	defer lease.Stop()
	for pause(r.ctx, time.Until(sentAt.Add(r.lease/3))) == nil {
		granted, err := r.renew(sentAt.Add(r.lease))
		if err != nil {
			// It changes nothing when the context has ended before.
			r.cancel(err)
			return
		}
		// From when it was sent: the service began to count no earlier.
		sentAt = granted.sentAt
		lease.Reset(time.Until(sentAt.Add(r.lease)))
	}
}

// renew asks until there is a decision or the context ends.
func (r *Run) renew(leaseEndsAt time.Time) (grant, error) {
	for failed := 0; ; failed++ {
		granted, err := r.ask()
		if err == nil {
			r.keep(granted.Decision)
			if !granted.Allowed {
				return grant{}, &RefusedError{Decision: granted.Decision}
			}
			return granted, nil
		}
		if r.ctx.Err() == nil {
			r.keepFailure(err, leaseEndsAt)
		}
		if err := pause(r.ctx, r.waitAfter(failed, err, leaseEndsAt)); err != nil {
			return grant{}, err
		}
	}
}

// ask asks once whether the run may go on. A run that the service does not know
// is authorized again: the job is running, whatever became of its record.
func (r *Run) ask() (grant, error) {
	granted, err := renewRun(r.ctx, r.attempt, r.runRef(), r.request.leaseSeconds())
	if isRunNotFound(err) {
		return r.client.authorize(r.ctx, r.request, r.attempt)
	}
	return granted, err
}

// attempt is a sender that leaves most of a short lease to further attempts.
func (r *Run) attempt(ctx context.Context, call call) (answer, error) {
	return r.client.attempt(ctx, call, r.attemptPeriod())
}

func (r *Run) attemptPeriod() time.Duration { return min(answerPeriod, r.lease/6) }

// waitAfter is the wait before the next attempt: the back-off, or what the
// service asks for if that is more, but not so much that the lease would end
// without one more attempt.
func (r *Run) waitAfter(failed int, err error, leaseEndsAt time.Time) time.Duration {
	wait := backoff(failed, min(firstRenewalWait, r.lease/60), min(longestRenewalWait, r.lease/12))
	if failure, ok := errors.AsType[*Error](err); ok {
		latest := time.Until(leaseEndsAt) - r.attemptPeriod()
		wait = max(wait, min(atLeast(failure.RetryAfter), latest))
	}
	return wait
}

// keepFailure takes note of why the lease may get lost.
func (r *Run) keepFailure(err error, leaseEndsAt time.Time) {
	r.mu.Lock()
	r.failure = err
	r.mu.Unlock()
	r.client.log.LogAttrs(r.ctx, slog.LevelWarn, "renewal failed",
		slog.String("jobId", r.request.JobID),
		slog.String("runId", r.request.RunID),
		slog.Duration("leaseLeft", time.Until(leaseEndsAt)),
		slog.Any("error", err))
}

func (r *Run) loseLease() {
	r.mu.Lock()
	failure := r.failure
	r.mu.Unlock()
	if failure == nil {
		failure = errNoAnswer
	}
	r.cancel(&LeaseLostError{Err: failure})
}
