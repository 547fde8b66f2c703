package apikey_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

func TestNamesAreAsTheProductPageSays(t *testing.T) {
	for _, c := range []struct {
		name, iamID string
		now         time.Time
		want        string
	}{
		{
			"usual", "IBMid-5500012ABC", time.Date(2025, 2, 4, 8, 5, 6, 7_000_000, time.UTC),
			"cpd-apikey-IBMid-5500012ABC-2025-02-04T08:05:06.007Z",
		},
		{
			"on the second", "IBMid-1", time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC),
			"cpd-apikey-IBMid-1-2026-12-31T23:59:59.000Z",
		},
		{
			"cut, not rounded", "IBMid-1", time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
			"cpd-apikey-IBMid-1-2026-12-31T23:59:59.999Z",
		},
		{
			"in another zone", "IBMid-1", time.Date(2027, 1, 1, 0, 30, 0, 0, time.FixedZone("+01:00", 60*60)),
			"cpd-apikey-IBMid-1-2026-12-31T23:30:00.000Z",
		},
		{
			"of another kind of id", "ada@example.com/2006 %s", time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC),
			"cpd-apikey-ada@example.com/2006 %s-2026-11-03T12:00:00.000Z",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ring, _, err := apikey.Ring{Owner: apikey.Owner{AccountID: "acme", IAMID: c.iamID, Username: "ada"}}.Create(at(c.now), material(1))
			if err != nil || ring.Active.Name != c.want {
				t.Errorf("got %v, %v; want %s", ring.Active, err, c.want)
			}
		})
	}
}

func TestKeepsItsNameWhenPhasedOut(t *testing.T) {
	ring := ringOf(t, 1)
	name := ring.Active.Name
	ring, _, err := ring.Rotate(at(later), material(2))
	if err != nil || ring.PhasedOut[0].Name != name {
		t.Errorf("%q became %q, %v", name, ring.PhasedOut[0].Name, err)
	}
}

// Neither a clock that stands still or goes back nor the deletion of all keys
// makes a name come again, or out of order.
func TestNamesOfAnOwnerStrictlyIncrease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring, now := apikey.Ring{Owner: ada}, noon
		lastName, lastAt := "", time.Time{}
		for n, jump := range rapid.SliceOfN(jumps(), 0, 40).Draw(t, "jumps") {
			now = now.Add(jump)
			ring.Allowance = apikey.Allowance{}
			if len(ring.PhasedOut) == apikey.MaxPhasedOut || rapid.IntRange(0, 4).Draw(t, "delete all when 0") == 0 {
				ring, _ = ring.DeleteAll(at(now))
			}
			issue := ring.Create
			if ring.Active != nil {
				issue = ring.Rotate
			}
			next, _, err := issue(at(now), material(n))
			if err != nil {
				t.Fatal(err)
			}
			ring = next
			if key := ring.Active; key.Name <= lastName || !key.CreatedAt.After(lastAt) {
				t.Fatalf("%s, made %v, comes after %s, made %v", key.Name, key.CreatedAt, lastName, lastAt)
			}
			if !now.Before(lastAt.Add(time.Millisecond)) && !ring.Active.CreatedAt.Equal(now.Truncate(time.Millisecond)) {
				t.Fatalf("made %v though it was %v", ring.Active.CreatedAt, now)
			}
			lastName, lastAt = ring.Active.Name, ring.Active.CreatedAt
		}
	})
}
