package apikey_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

func policies() *rapid.Generator[apikey.RotationPolicy] {
	return rapid.Custom(func(t *rapid.T) apikey.RotationPolicy {
		// Short spans meet more often than long ones.
		span := rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(0, apikey.MaxPolicyDays))
		p := apikey.RotationPolicy{MaxAgeDays: span.Draw(t, "max age"), DeletePhasedOutAfterDays: span.Draw(t, "deletion")}
		if p.MaxAgeDays > 1 {
			p.NoticeDays = rapid.IntRange(0, p.MaxAgeDays-1).Draw(t, "notice")
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		return p
	})
}

// agedRings are rings whose keys were made and deleted days apart.
func agedRings() *rapid.Generator[apikey.Ring] {
	return rapid.Custom(func(t *rapid.T) apikey.Ring {
		ring, now := apikey.Ring{Owner: ada}, noon
		for n := range rapid.IntRange(0, 6).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(days(8))).Draw(t, "pause")))
			next, _, err := createKey(n+1, now).do(ring)
			switch {
			case ring.Active != nil && len(ring.PhasedOut) > 0 && rapid.Bool().Draw(t, "delete the oldest"):
				next, _, err = ring.DeleteOne(at(now), ring.PhasedOut[0].ID)
			case ring.Active != nil:
				next, _, err = rotateByTheClock(n+1, now).do(ring)
			}
			if err != nil {
				t.Fatal(err)
			}
			ring = next
		}
		return ring
	})
}

func somethingIsDue(ring apikey.Ring, p apikey.RotationPolicy, now time.Time) bool {
	due := ring.DueUnder(p, now)
	return due.Rotation || due.Notice || len(due.Deletions) > 0
}

// instants are some around those at which something can come due.
func instants(t *rapid.T, next time.Time) []time.Time {
	some := []time.Time{noon.Add(time.Duration(rapid.Int64Range(-int64(days(5)), int64(days(4000))).Draw(t, "now")))}
	if !next.IsZero() {
		some = append(some, next.Add(-1), next, next.Add(1), next.Add(days(3650)))
	}
	return some
}

// The index of rings with a policy of their own is in the order of NextDueAt: what
// is found by it is what is due, no less and no more.
func TestNextDueAtIsTheFirstInstantAtWhichSomethingIsDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring, policy := agedRings().Draw(t, "ring"), policies().Draw(t, "policy")
		next := ring.NextDueAt(policy)
		for _, now := range instants(t, next) {
			if due := somethingIsDue(ring, policy, now); due != (!next.IsZero() && !now.Before(next)) {
				t.Fatalf("at %v something is due: %t, and next is %v", now, due, next)
			}
		}
	})
}

// The index of rings under the deployment's policy is in the order of
// OldestInstant, whatever that policy is at the time.
func TestNoRingThatIsDueIsYoungerThanTheSoonestAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring, policy := agedRings().Draw(t, "ring"), policies().Draw(t, "policy")
		for _, now := range instants(t, ring.NextDueAt(policy)) {
			// As the store looks for them: in milliseconds.
			isFound := !ring.OldestInstant().IsZero() && ring.OldestInstant().UnixMilli() <= now.Add(-policy.SoonestAge()).UnixMilli()
			if somethingIsDue(ring, policy, now) && (policy.SoonestAge() == 0 || !isFound) {
				t.Fatalf("at %v something is due, and the oldest instant is %v, the soonest age %v", now, ring.OldestInstant(), policy.SoonestAge())
			}
		}
	})
}
