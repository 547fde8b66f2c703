package proof

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
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
		if fmt.Sprintf("%T", stopped) == "rapid.invalidData" {
			// It was a try to make a failing sequence shorter. To rapid, which tells
			// failures apart by their place, it would be the same failure.
			rt.SkipNow()
		}
		if stopped != nil {
			panic(stopped)
		}
	})
	t.Logf("proof: model: %d sequences, %d changes asked for, %d made, %d calls failed, of which %d were carried out",
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

// counted is the fault, counting the calls that fail, and those of them that are
// carried out all the same.
func (t *tallyOfSequences) counted(fault awstest.Fault) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		t.failed++
		return fault(call, func() (*http.Response, error) {
			t.lost++
			return next()
		})
	}
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
	return l.phasedOut[rapid.IntRange(0, len(l.phasedOut)-1).Draw(rt, "which key")]
}

// ask makes a change, some of whose calls fail.
func (l *life) ask(rt *rapid.T, kind apikey.ActorKind, change func(apikey.ChangeRequest) error) error {
	l.all.asked++
	l.failSome(rt)
	defer func() {
		l.process.Table.SetFault(nil)
		l.process.Secrets.SetFault(nil)
	}()
	actor := apikey.Actor{Kind: kind, ID: l.owner.IAMID}
	if kind == apikey.ActorAdministrator {
		actor.ID = l.administrator.IAMID
	}
	return change(apikey.ChangeRequest{Owner: l.owner, Actor: actor, CorrelationID: "request-1"})
}

// failSome fails some of the calls that come, before or after they take effect.
// Several fail in a row, because a call that failed is made again.
func (l *life) failSome(rt *rapid.T) {
	pass := func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) { return next() }
	faults := map[string]awstest.Fault{
		"reset": awstest.Reset, "answer lost": awstest.LoseAnswer, "refused": awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
	}
	kinds := slices.Sorted(maps.Keys(faults))
	for _, transport := range []*awstest.Transport{l.process.Table, l.process.Secrets} { // in this order, or rapid cannot repeat it
		var script []awstest.Fault
		for range rapid.IntRange(0, 2).Draw(rt, "failures of a service") {
			passing, kind, failing := rapid.IntRange(0, 4).Draw(rt, "calls"), rapid.SampledFrom(kinds).Draw(rt, "then"), rapid.IntRange(1, 8).Draw(rt, "times")
			script = slices.Concat(script, slices.Repeat([]awstest.Fault{pass}, passing), slices.Repeat([]awstest.Fault{l.all.counted(faults[kind])}, failing))
		}
		transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if len(script) == 0 {
				return next()
			}
			fault := script[0]
			script = script[1:]
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
		fail(rt, "other changes were made than the answer says", fmt.Errorf("%d, and the answer was %w", made, err))
	}
	l.all.made += int(made)
	l.revision = ring.Revision
}

func (l *life) ringNow(rt *rapid.T) apikey.Ring {
	ring, err := l.ring()
	if err != nil {
		fail(rt, "the ring cannot be read", err)
	}
	return ring
}

// fail fails the sequence. What differs each time, such as a key, is no part of
// what failed: rapid looks for a shorter sequence that fails in the same way.
func fail(rt *rapid.T, what string, details error) {
	rt.Log(details)
	rt.Fatal(what)
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
