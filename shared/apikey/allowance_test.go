package apikey_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

// attempt makes a key at an instant, whatever keys there are, and gives the
// allowance after it; wait is what a refusal says.
func attempt(t rapid.TB, allowance apikey.Allowance, now time.Time) (after apikey.Allowance, allowed bool, wait time.Duration) {
	t.Helper()
	ring, _, err := apikey.Ring{Owner: ada, Allowance: allowance}.Create(at(now), material(1))
	if err == nil {
		return ring.Allowance, true, 0
	}
	refusal, ok := errors.AsType[*apikey.Error](err)
	if !ok || refusal.Code != apikey.CodeRotationRateExceeded || refusal.RetryAfter <= 0 {
		t.Fatalf("got %v, want rotation_rate_exceeded and when to try again", err)
	}
	return ring.Allowance, false, refusal.RetryAfter
}

// usedUp is a full bucket from which ten were drawn at an instant.
func usedUp(t rapid.TB, now time.Time) apikey.Allowance {
	t.Helper()
	var allowance apikey.Allowance
	for n := range 10 {
		after, allowed, wait := attempt(t, allowance, now)
		if !allowed {
			t.Fatalf("number %d was refused for %v", n+1, wait)
		}
		allowance = after
	}
	return allowance
}

func TestTenKeysAtOnceThenOneEvery15Minutes(t *testing.T) {
	allowance := usedUp(t, noon)
	for n := 1; n <= 20; n++ {
		next := noon.Add(time.Duration(n) * 15 * time.Minute)
		if _, allowed, wait := attempt(t, allowance, next.Add(-1)); allowed || wait != 1 {
			t.Fatalf("a nanosecond before the %d. refill: allowed %t, wait %v", n, allowed, wait)
		}
		after, allowed, wait := attempt(t, allowance, next)
		if !allowed {
			t.Fatalf("at the %d. refill: refused for %v", n, wait)
		}
		allowance = after
	}
}

func TestTheBucketIsNeverFullerThanTen(t *testing.T) {
	for _, idle := range []time.Duration{150 * time.Minute, 24 * time.Hour, 100 * 365 * 24 * time.Hour} {
		allowance, now := usedUp(t, noon), noon.Add(idle)
		for range 10 {
			allowance, _, _ = attempt(t, allowance, now)
		}
		if _, allowed, wait := attempt(t, allowance, now); allowed || wait != 15*time.Minute {
			t.Errorf("the 11th after %v: allowed %t, wait %v", idle, allowed, wait)
		}
	}
}

func TestRefusedAttemptsCostNothing(t *testing.T) {
	allowance := usedUp(t, noon)
	for second := range 15 * 60 {
		after, allowed, _ := attempt(t, allowance, noon.Add(time.Duration(second)*time.Second))
		if allowed || after != allowance {
			t.Fatalf("after %d s: allowed %t, %v became %v", second, allowed, allowance, after)
		}
	}
	if _, allowed, wait := attempt(t, allowance, noon.Add(15*time.Minute)); !allowed {
		t.Errorf("refused for %v more", wait)
	}
}

func TestDeletionsCostNothing(t *testing.T) {
	ring := ringOf(t, 3)
	ring.Allowance = usedUp(t, later)
	one, _, err := ring.DeleteOne(at(later), id(1))
	if err != nil {
		t.Fatal(err)
	}
	all, _ := one.DeleteAll(at(later))
	if one.Allowance != ring.Allowance || all.Allowance != ring.Allowance {
		t.Errorf("%v became %v and %v", ring.Allowance, one.Allowance, all.Allowance)
	}
}

func TestDeletingAllKeysGivesNoNewAllowance(t *testing.T) {
	ring := ringOf(t, 1)
	ring.Allowance = usedUp(t, later)
	ring, _ = ring.DeleteAll(at(later))
	if _, _, err := ring.Create(at(later), material(2)); apikey.CodeOf(err) != apikey.CodeRotationRateExceeded {
		t.Errorf("got %v", err)
	}
}

func TestRetryAfterIsExactlyEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var allowance apikey.Allowance
		now := noon
		for _, pause := range rapid.SliceOfN(pauses(), 0, 40).Draw(t, "pauses") {
			now = now.Add(pause)
			after, allowed, wait := attempt(t, allowance, now)
			if !allowed {
				for _, early := range []time.Duration{1, time.Millisecond} {
					if _, allowed, _ := attempt(t, allowance, now.Add(wait-early)); allowed {
						t.Fatalf("told to wait %v, allowed %v before", wait, early)
					}
				}
				if _, allowed, more := attempt(t, allowance, now.Add(wait)); !allowed {
					t.Fatalf("told to wait %v, then for %v more", wait, more)
				}
			}
			allowance = after
		}
	})
}

// The bucket of the textbook is filled when it is looked at, and takes a clock
// that goes back for one that stands still.
type bucket struct {
	// level is how full it is, in the time that took.
	level  time.Duration
	lastAt time.Time
}

func (b *bucket) levelAt(now time.Time) time.Duration {
	return min(b.level+max(0, now.Sub(b.lastAt)), 10*15*time.Minute)
}

// wait is how long it has less than one; zero or less is not at all.
func (b *bucket) wait(now time.Time) time.Duration { return 15*time.Minute - b.levelAt(now) }

func (b *bucket) draw(now time.Time) {
	b.level = b.levelAt(now) - 15*time.Minute
	if now.After(b.lastAt) {
		b.lastAt = now
	}
}

func fullBucket(now time.Time) *bucket { return &bucket{150 * time.Minute, now} }

func TestAllowanceIsATokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var allowance apikey.Allowance
		now, model := noon, fullBucket(noon)
		for _, pause := range rapid.SliceOfN(pauses(), 0, 60).Draw(t, "pauses") {
			now = now.Add(pause)
			after, allowed, wait := attempt(t, allowance, now)
			if want := max(0, model.wait(now)); wait != want || allowed != (want == 0) {
				t.Fatalf("allowed %t, wait %v; the bucket says %v", allowed, wait, want)
			}
			if allowed {
				model.draw(now)
			}
			allowance = after
		}
	})
}

func TestAClockThatGoesBackNeverGrantsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// The first draw tells the bucket the time.
		allowance, _, _ := attempt(t, apikey.Allowance{}, noon)
		now, model := noon, fullBucket(noon)
		model.draw(noon)
		for _, pause := range rapid.SliceOfN(jumps(), 0, 60).Draw(t, "jumps") {
			now = now.Add(pause)
			after, allowed, _ := attempt(t, allowance, now)
			if allowed {
				if wait := model.wait(now); wait > 0 {
					t.Fatalf("allowed %v before the bucket has one", wait)
				}
				model.draw(now)
			}
			allowance = after
		}
	})
}

func TestInstantsFarAwayOverflowNothing(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	for name, now := range map[string]time.Time{
		"zero": {}, "1678": time.Unix(0, math.MinInt64), "1970": time.Unix(0, 0), "2262": time.Unix(0, math.MaxInt64), "9999": last,
	} {
		t.Run(name, func(t *testing.T) {
			allowance := usedUp(t, now)
			if _, allowed, wait := attempt(t, allowance, now); allowed || wait != 15*time.Minute {
				t.Errorf("the 11th: allowed %t, wait %v", allowed, wait)
			}
			if _, allowed, wait := attempt(t, usedUp(t, time.Time{}), now); !allowed && !now.IsZero() {
				t.Errorf("long after: refused for %v", wait)
			}
			if _, allowed, _ := attempt(t, usedUp(t, last), now); allowed {
				t.Error("long before: allowed")
			}
			if _, allowed, wait := attempt(t, apikey.Allowance{}, now); !allowed {
				t.Errorf("never used: refused for %v", wait)
			}
		})
	}
}

// pauses is about the refills, where boundaries are.
func pauses() *rapid.Generator[time.Duration] {
	const refill = 15 * time.Minute
	return rapid.OneOf(
		rapid.SampledFrom([]time.Duration{0, 0, 0, 1, time.Millisecond, time.Minute, refill - 1, refill, refill + 1, 9 * refill, 10 * refill, 30 * refill}),
		rapid.Map(rapid.Int64Range(0, int64(refill)), func(n int64) time.Duration { return time.Duration(n) }),
	)
}

// jumps is pauses of a clock that is set back at times.
func jumps() *rapid.Generator[time.Duration] {
	return rapid.OneOf(pauses(), rapid.Map(pauses(), func(pause time.Duration) time.Duration { return -pause }))
}
