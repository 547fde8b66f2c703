package jobauth_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// TestOnlyTheActiveKeyIsEverAllowed changes a ring at random and asks, after
// every change, about every credential that was ever given out and a schedule
// pinned to every key that ever was.
func TestOnlyTheActiveKeyIsEverAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring := apikey.Ring{Owner: ada}
		// What each key's credential is to be told, by the key's number.
		reasons := map[int]jobauth.Reason{}
		var deleted []int
		remove := func(n int) {
			reasons[n] = jobauth.KeyDeleted
			deleted = append(deleted, n)
		}
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"new", "new", "new", "new", "delete one", "delete all"}), 1, 60).Draw(t, "steps")
		active, oldest := 0, 1
		for i, step := range steps {
			n, now := i+1, noon.Add(time.Duration(i)*20*time.Minute)
			switch {
			case step == "new" && active == 0:
				ring, _, _ = ring.Create(at(now), material(t, n))
				active, reasons[n] = n, jobauth.KeyActive
			case step == "new" && len(ring.PhasedOut) < apikey.MaxPhasedOut:
				ring, _, _ = ring.Rotate(at(now), material(t, n))
				reasons[active] = jobauth.KeyPhasedOut
				active, reasons[n] = n, jobauth.KeyActive
			case step == "delete one" && len(ring.PhasedOut) > 0:
				for reasons[oldest] != jobauth.KeyPhasedOut {
					oldest++
				}
				ring, _, _ = ring.DeleteOne(at(now), keyID(oldest))
				remove(oldest)
			case step == "delete all":
				for number := 1; number <= n; number++ {
					if reason := reasons[number]; reason == jobauth.KeyPhasedOut || reason == jobauth.KeyActive {
						remove(number)
					}
				}
				ring, _ = ring.DeleteAll(at(now))
				active = 0
			}
			for _, forgotten := range deleted[:max(0, len(deleted)-10)] {
				reasons[forgotten] = jobauth.KeyUnknown
			}
			wantReasons(t, ring, reasons, active)
		}
	})
}

func wantReasons(t *rapid.T, ring apikey.Ring, reasons map[int]jobauth.Reason, active int) {
	for n, want := range reasons {
		if got := decide(t, byCredential(credential(t, n, n).Reveal()), ownAccount, ring); got.Reason != want || got.Allowed != (n == active) {
			t.Fatalf("key %d: allowed %t, %s; want %s", n, got.Allowed, got.Reason, want)
		}
		want = map[jobauth.Reason]jobauth.Reason{
			jobauth.KeyActive: jobauth.KeyActive, jobauth.KeyPhasedOut: jobauth.ScheduleKeyPhasedOut,
			jobauth.KeyDeleted: jobauth.ScheduleKeyDeleted, jobauth.KeyUnknown: jobauth.ScheduleKeyDeleted,
		}[want]
		got, _ := decideFrom(t, bySchedule(refOf("nightly")), ownAccount, jobauth.Facts{Ring: ring, Schedule: pinnedTo(n)})
		if got.Reason != want || got.Allowed != (n == active) {
			t.Fatalf("schedule pinned to key %d: allowed %t, %s; want %s", n, got.Allowed, got.Reason, want)
		}
	}
	for name, r := range map[string]jobauth.Request{"owner": byOwner("acme", "IBMid-1"), "schedule that follows": bySchedule(refOf("nightly"))} {
		got, _ := decideFrom(t, r, ownAccount, jobauth.Facts{Ring: ring, Schedule: following()})
		if got.Allowed != (active != 0) || got.Allowed && got.KeyID != keyID(active) {
			t.Fatalf("%s: allowed %t, %v; want %d", name, got.Allowed, got.KeyID, active)
		}
	}
}
