package apikey

import "time"

// The allowance bounds how often an owner's keys may be made, because Secrets
// Manager wants one secret changed no more often than every 10 minutes,
// sustained: a bucket of AllowanceSize, refilled by one every
// AllowanceRefillPeriod.
const (
	AllowanceSize         = 10
	AllowanceRefillPeriod = 15 * time.Minute
)

// Allowance is the state of an owner's bucket, kept as the instant at which it
// will be full again (the "theoretical arrival time" of the generic cell rate
// algorithm): no count to refill, nothing to do while nobody draws. The zero
// value is a full bucket.
type Allowance struct {
	FullAt time.Time
}

// wait is how long until one more may be drawn; zero or less is now.
func (a Allowance) wait(now time.Time) time.Duration {
	const emptiest = (AllowanceSize - 1) * AllowanceRefillPeriod
	return a.FullAt.Add(-emptiest).Sub(now)
}

// draw takes one, whether the bucket has it or not.
func (a Allowance) draw(now time.Time) Allowance {
	if a.FullAt.Before(now) {
		a.FullAt = now
	}
	return Allowance{FullAt: a.FullAt.Add(AllowanceRefillPeriod)}
}

func (a Allowance) check(now time.Time) error {
	wait := a.wait(now)
	if wait <= 0 {
		return nil
	}
	return &Error{
		Code:       CodeRotationRateExceeded,
		Detail:     "Keys of this owner are made too often: 10 at once, then one every 15 minutes.",
		RetryAfter: wait,
	}
}
