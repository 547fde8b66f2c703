package apikey_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

// page is what the product page says, with the bounds of the specification:
// keys are numbers, 0 is none.
type page struct {
	active    int
	phasedOut []int
	tokens    *bucket
	suspended bool
	policy    apikey.RotationPolicy
	hasPolicy bool
}

func (p *page) create(n int, now time.Time) apikey.Code {
	switch {
	case p.suspended:
		return apikey.CodeOwnerSuspended
	case p.active != 0:
		return apikey.CodeActiveKeyExists
	case p.tokens.wait(now) > 0:
		return apikey.CodeRotationRateExceeded
	}
	p.tokens.draw(now)
	p.active = n
	return ""
}

func (p *page) rotate(n int, now time.Time) apikey.Code {
	if p.active != 0 && len(p.phasedOut) < 20 {
		if p.tokens.wait(now) > 0 {
			return apikey.CodeRotationRateExceeded
		}
		p.tokens.draw(now)
	}
	return p.rotateByTheClock(n)
}

// rotateByTheClock is bound by no allowance.
func (p *page) rotateByTheClock(n int) apikey.Code {
	switch {
	case p.active == 0:
		return apikey.CodeNoActiveKey
	case len(p.phasedOut) == 20:
		return apikey.CodeTooManyPhasedOutKeys
	}
	p.active, p.phasedOut = n, append(p.phasedOut, p.active)
	return ""
}

func (p *page) deleteOne(n int) apikey.Code {
	switch {
	case n == p.active:
		return apikey.CodeKeyActive
	case !slices.Contains(p.phasedOut, n):
		return apikey.CodeKeyNotFound
	}
	p.phasedOut = slices.DeleteFunc(p.phasedOut, func(other int) bool { return other == n })
	return ""
}

func (p *page) deleteAll() apikey.Code {
	if p.active == 0 {
		return nothingToDelete
	}
	p.active, p.phasedOut = 0, nil
	return ""
}

func (p *page) suspend() apikey.Code {
	if p.suspended {
		return nothingToDelete
	}
	p.active, p.phasedOut, p.suspended = 0, nil, true
	return ""
}

func (p *page) reinstate() apikey.Code {
	if !p.suspended {
		return nothingToDelete
	}
	p.suspended = false
	return ""
}

func (p *page) setPolicy(policy apikey.RotationPolicy) apikey.Code {
	switch {
	case policy.NoticeDays >= policy.MaxAgeDays && policy.NoticeDays > 0:
		return apikey.CodeInvalidRequest
	case p.hasPolicy && p.policy == policy:
		return nothingToDelete
	}
	p.policy, p.hasPolicy = policy, true
	return ""
}

// TestRandomOperationsAgreeWithTheProductPage runs operations on a ring and on
// the page, and wants the same outcomes and the same keys after each.
func TestRandomOperationsAgreeWithTheProductPage(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		ring, model := apikey.Ring{Owner: ada}, &page{tokens: fullBucket(now)}
		mix := rapid.SampledFrom(mixes).Draw(t, "mix")
		steps := rapid.SliceOfN(rapid.SampledFrom(mix.steps), 40, 120).Draw(t, "steps")
		for i, step := range steps {
			n := i + 1
			now = now.Add(mix.clock.Draw(t, "pause"))
			var o operation
			var want apikey.Code
			switch step {
			case "create":
				o, want = createKey(n, now), model.create(n, now)
			case "rotate":
				o, want = rotateKey(n, now), model.rotate(n, now)
			case "delete one":
				victim := rapid.IntRange(max(1, n-20), n).Draw(t, "key")
				o, want = deleteKey(step, id(victim)), model.deleteOne(victim)
			case "delete all":
				o, want = deleteAll, model.deleteAll()
			case "rotate by the clock":
				o, want = rotateByTheClock(n, now), model.rotateByTheClock(n)
			case "suspend":
				o, want = suspend, model.suspend()
			case "reinstate":
				o, want = reinstate, model.reinstate()
			case "set policy":
				policy := apikey.RotationPolicy{
					MaxAgeDays: rapid.IntRange(0, 2).Draw(t, "max age"), NoticeDays: rapid.IntRange(0, 1).Draw(t, "notice"),
				}
				o, want = setPolicy(policy), model.setPolicy(policy)
			}
			next, event, err := o.do(ring)
			if got := codeOf(err); got != want {
				t.Fatalf("%s: got %q, the page says %q", step, got, want)
			}
			wantOneChange(t, ring, next, event, want == "")
			wantKeys(t, model, next)
			wantStanding(t, model, next)
			ring = next
			seen[step+" "+string(want)]++
		}
	})
	if len(seen) != 23 && !t.Failed() && !testing.Short() {
		t.Errorf("the runs did not come to every outcome: %v", seen)
	}
}

// mixes are ways to behave: all at once, with patience, and with so much of it
// that keys pile up.
var mixes = []struct {
	steps []string
	clock *rapid.Generator[time.Duration]
}{
	{[]string{"create", "rotate", "rotate", "rotate", "delete one", "delete all"}, rapid.Just(time.Duration(0))},
	{[]string{"create", "rotate", "rotate", "rotate", "delete one", "delete all"}, pauses()},
	{[]string{"create", "rotate", "rotate", "rotate by the clock", "delete one"}, rapid.Just(20 * time.Minute)},
	{[]string{"create", "create", "rotate", "rotate by the clock", "delete all", "suspend", "reinstate", "set policy"}, pauses()},
}

func createKey(n int, now time.Time) operation {
	return operation{do: func(r apikey.Ring) (apikey.Ring, apikey.Event, error) { return r.Create(at(now), material(n)) }}
}

func rotateKey(n int, now time.Time) operation {
	return operation{do: func(r apikey.Ring) (apikey.Ring, apikey.Event, error) { return r.Rotate(at(now), material(n)) }}
}

func rotateByTheClock(n int, now time.Time) operation {
	return operation{do: func(r apikey.Ring) (apikey.Ring, apikey.Event, error) {
		return r.Rotate(apikey.Command{Actor: clock, Now: now, CorrelationID: "request-1"}, material(n))
	}}
}

func codeOf(err error) apikey.Code {
	if err == errNothingToDelete { //nolint:errorlint // never wrapped
		return nothingToDelete
	}
	return apikey.CodeOf(err)
}

// wantOneChange wants one revision and one event of a change, and none of what
// was refused.
func wantOneChange(t *rapid.T, before, after apikey.Ring, event apikey.Event, changed bool) {
	if !changed {
		if !reflect.DeepEqual(before, after) || event.Revision != 0 {
			t.Fatalf("refused and yet announced as revision %d (-before +after):\n%s", event.Revision, cmp.Diff(before, after))
		}
		return
	}
	if after.Revision != before.Revision+1 || event.Revision != after.Revision {
		t.Fatalf("revision %d became %d, announced as %d", before.Revision, after.Revision, event.Revision)
	}
}

// wantStanding wants the ring to have the page's policy and suspension, which no
// other operation changes.
func wantStanding(t *rapid.T, model *page, ring apikey.Ring) {
	if ring.Suspended != model.suspended || ring.Suspended && ring.Active != nil {
		t.Fatalf("suspended: %t, the page says %t; the Active key is %v", ring.Suspended, model.suspended, ring.Active)
	}
	if (ring.Policy != nil) != model.hasPolicy || model.hasPolicy && *ring.Policy != model.policy {
		t.Fatalf("the policy is %v, the page says %v", ring.Policy, model.policy)
	}
}

// wantKeys wants the ring to have the page's keys: never two Active ones, and
// the secret as long as there are any.
func wantKeys(t *rapid.T, model *page, ring apikey.Ring) {
	var active apikey.KeyID
	if ring.Active != nil {
		active = ring.Active.ID
		if ring.Active.Status != apikey.StatusActive || !ring.Active.PhasedOutAt.IsZero() {
			t.Fatalf("the Active key is %+v", *ring.Active)
		}
	}
	want := apikey.KeyID{}
	if model.active != 0 {
		want = id(model.active)
	}
	if active != want {
		t.Fatalf("key %v is Active, the page says %d", active, model.active)
	}
	var phasedOut, wantPhasedOut []apikey.KeyID
	for _, key := range ring.PhasedOut {
		phasedOut = append(phasedOut, key.ID)
		if key.Status != apikey.StatusPhasedOut || key.PhasedOutAt.IsZero() {
			t.Fatalf("a Phased out key is %+v", key)
		}
	}
	for _, n := range model.phasedOut {
		wantPhasedOut = append(wantPhasedOut, id(n))
	}
	if !slices.Equal(phasedOut, wantPhasedOut) {
		t.Fatalf("keys %v are Phased out, the page says %v", phasedOut, wantPhasedOut)
	}
	if (ring.SecretARN == "") != (ring.Active == nil) || len(ring.Deleted) > apikey.MaxRemembered {
		t.Fatalf("secret %q, %d deleted keys remembered", ring.SecretARN, len(ring.Deleted))
	}
}
