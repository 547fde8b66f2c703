package proof

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/awstest"
)

// ClockMatrix is the Matrix of those whom nobody waits for: every fault meets
// every remote call of the sweep, and every one of the relay after each kind of
// change. What has to hold in the end is the same as after Deaths, and so is what
// is asked of the backend.
//
// One case in oneIn is run, so that 1 is all of them; a number with a factor of how
// many faults there are would leave some out, and fails.
func ClockMatrix(t *testing.T, backend func() servicetest.Backend, oneIn int) {
	turn, want, ran := 0, 0, make(chan bool, math.MaxInt16)
	met := map[string]bool{}
	t.Run("cases", func(t *testing.T) {
		one := func(name string, call remoteCall, f fault, c deathCase) {
			if turn++; turn%oneIn != 0 {
				return
			}
			want++
			met[f.name] = true
			t.Run(fmt.Sprintf("%s %s/%s", name, call, f.name), func(t *testing.T) {
				t.Parallel()
				c.run(t, backend)
				ran <- true
			})
		}
		for _, w := range works() {
			calls := undisturbed(t, backend, w)
			for _, f := range faults() {
				if w.ofClock {
					for at, call := range calls.ofWork {
						one(fmt.Sprintf("%s/%d", w.name, at+1), call, f, deathCase{work: w, fault: f, at: at, disturbedAt: -1})
					}
				}
				for at, call := range calls.ofRelay {
					one(fmt.Sprintf("relay after %s/%d", w.name, at+1), call, f,
						deathCase{work: w, at: -1, disturbance: disturbing(f), disturbedAt: at})
				}
			}
		}
	})
	t.Logf("proof: fault matrix of sweep and relay: %d kinds of changes, %d faults, %d cases", len(works()), len(faults()), len(ran))
	if len(ran) < want || want == 0 {
		t.Errorf("%d cases ran, of %d", len(ran), want)
	}
	if len(met) < len(faults()) {
		t.Errorf("only these faults met a call: %v", slices.Sorted(maps.Keys(met)))
	}
}

// disturbing is the fault as a disturbance of the relay.
func disturbing(f fault) disturbance {
	return disturbance{name: f.name, goesOn: f.goesOn, apply: func(i *injection, _ *scene, _ []events.DynamoDBEventRecord) awstest.Fault {
		return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			return f.apply(i, call, next)
		}
	}}
}
