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
}

func (p *page) create(n int, now time.Time) apikey.Code {
	switch {
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
	switch {
	case p.active == 0:
		return apikey.CodeNoActiveKey
	case len(p.phasedOut) == 20:
		return apikey.CodeTooManyPhasedOutKeys
	case p.tokens.wait(now) > 0:
		return apikey.CodeRotationRateExceeded
	}
	p.tokens.draw(now)
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
			}
			next, event, err := o.do(ring)
			if got := codeOf(err); got != want {
				t.Fatalf("%s: got %q, the page says %q", step, got, want)
			}
			wantOneChange(t, ring, next, event, want == "")
			wantKeys(t, model, next)
			ring = next
			seen[step+" "+string(want)]++
		}
	})
	if len(seen) != 12 && !t.Failed() && !testing.Short() {
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
	{[]string{"create", "rotate", "rotate", "rotate", "delete one"}, rapid.Just(20 * time.Minute)},
}

func createKey(n int, now time.Time) operation {
	return operation{do: func(r apikey.Ring) (apikey.Ring, apikey.Event, error) { return r.Create(at(now), material(n)) }}
}

func rotateKey(n int, now time.Time) operation {
	return operation{do: func(r apikey.Ring) (apikey.Ring, apikey.Event, error) { return r.Rotate(at(now), material(n)) }}
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
