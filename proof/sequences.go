package proof

import (
	"net/http"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// Sequences makes random changes to an owner's keys, one after the other, while
// random calls fail. Whatever fails on the way, each does what the product page
// says or nothing, and repair brings the secret to the ring.
//
// The model is that page: what is Active, what is Phased out. Each sequence runs on
// a clock of its own, so that nobody waits for back-offs and for keys to come of
// age. How many there are, and how long, is up to rapid's flags.
func Sequences(t *testing.T, backend func() servicetest.Backend) {
	var all tallyOfSequences
	rapid.Check(t, func(rt *rapid.T) {
		// rapid stops a run by a panic, which must reach it outside the bubble.
		var stopped any
		synctest.Test(t, func(t *testing.T) {
			defer func() { stopped = recover() }()
			all.sequences++
			l := &life{scene: newScene(t, backend()), all: &all}
			rt.Repeat(map[string]func(*rapid.T){
				"create": l.createKey, "rotate": l.rotateKey, "delete one": l.deleteSome, "delete all": l.deleteKeys,
				"rotate by the clock": l.rotateByTheClock, "delete by the clock": l.deleteByTheClock,
				"suspend": l.suspend, "reinstate": l.reinstate,
				"": l.check,
			})
		})
		if stopped != nil {
			panic(stopped)
		}
	})
	t.Logf("proof: model: %d sequences, %d changes asked for, %d made, %d calls failed, of which %d took effect",
		all.sequences, all.asked, all.made, all.failed, all.lost)
	if min(all.made, all.failed, all.lost) < all.sequences {
		t.Error("there was hardly anything to check")
	}
}

// tallyOfSequences counts what happened.
type tallyOfSequences struct {
	sequences, asked, made, failed int
	// lost are the calls, of those that failed, whose answer was lost.
	lost int
}

// life is an owner's keys, and what the page says of them.
type life struct {
	*scene
	all       *tallyOfSequences
	active    apikey.KeyID
	phasedOut []apikey.KeyID // oldest first
	suspended bool
	revision  int64
}

func (l *life) hasActive() bool { return l.active != apikey.KeyID{} }

func (l *life) noKeys() { l.active, l.phasedOut = apikey.KeyID{}, nil }

// somePhasedOut is a Phased out key; or another when there is none.
func (l *life) somePhasedOut(rt *rapid.T, another apikey.KeyID) apikey.KeyID {
	if len(l.phasedOut) == 0 {
		return another
	}
	return rapid.SampledFrom(l.phasedOut).Draw(rt, "key")
}

// ask makes a change, some of whose calls fail.
func (l *life) ask(rt *rapid.T, kind apikey.ActorKind, change func(apikey.ChangeRequest) error) error {
	l.all.asked++
	l.failSome(rt)
	defer func() {
		l.process.Table.SetFault(nil)
		l.process.Secrets.SetFault(nil)
	}()
	return change(apikey.ChangeRequest{Owner: l.owner, Actor: apikey.Actor{Kind: kind, ID: "actor-1"}, CorrelationID: "request-1"})
}

// failSome fails a few of the calls that come, before or after they take effect.
func (l *life) failSome(rt *rapid.T) {
	counted := func(n *int, fault awstest.Fault) awstest.Fault {
		return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			*n++
			return fault(call, next)
		}
	}
	faults := []awstest.Fault{
		nil, nil, nil, nil, nil, nil,
		counted(&l.all.failed, awstest.Reset),
		counted(&l.all.failed, counted(&l.all.lost, awstest.LoseAnswer)),
		counted(&l.all.failed, awstest.Refuse(http.StatusBadRequest, "AccessDeniedException")),
	}
	for _, transport := range []*awstest.Transport{l.process.Table, l.process.Secrets} { // in this order, or rapid cannot repeat it
		script := rapid.SliceOfN(rapid.IntRange(0, len(faults)-1), 0, 8).Draw(rt, "faults of a service")
		transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if len(script) == 0 {
				return next()
			}
			fault := faults[script[0]]
			script = script[1:]
			if fault == nil {
				return next()
			}
			return fault(call, next)
		})
	}
}

// settle has the model follow a change: it took effect or not.
func (l *life) settle(rt *rapid.T, err error, effect func(apikey.Ring)) {
	ring := l.ringNow(rt)
	made := ring.Revision - l.revision
	// Without an answer, the ring tells. What it tells must be all of the effect.
	if err == nil || apikey.CodeOf(err) == apikey.CodeUnavailable && made > 0 {
		effect(ring)
	}
	if made > 1 || made > 0 && err != nil && apikey.CodeOf(err) != apikey.CodeUnavailable {
		rt.Fatalf("%d changes were made, and the answer was %v", made, err)
	}
	l.all.made += int(made)
	l.revision = ring.Revision
}

func (l *life) ringNow(rt *rapid.T) apikey.Ring {
	ring, err := l.ring()
	if err != nil {
		rt.Fatal(err)
	}
	return ring
}

// becomesActive is the effect of a key that was made; id is the one that was
// answered, if any was.
func (l *life) becomesActive(rt *rapid.T, ring apikey.Ring, id apikey.KeyID) {
	if ring.Active == nil {
		rt.Fatal("a key was made, and none is Active")
	}
	if (id == apikey.KeyID{}) {
		id = ring.Active.ID
	}
	l.active = id
}

func (l *life) isRotated(rt *rapid.T, ring apikey.Ring, id apikey.KeyID) {
	l.phasedOut = append(l.phasedOut, l.active)
	l.becomesActive(rt, ring, id)
}
