package lifecycle_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
)

// Whatever fails on the way, the operations do what the product page says or
// nothing, and repair brings the secret to the ring.
//
// The model is that page: what is Active, what is Phased out. Time is the
// bubble's, so that no back-off is waited for.
func TestOperationsUnderRandomFaultsAgreeWithTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// rapid stops a run by a panic, which must reach it outside the bubble.
		var stopped any
		synctest.Test(t, func(t *testing.T) {
			defer func() { stopped = recover() }()
			operationsUnderRandomFaults(t, rt)
		})
		if stopped != nil {
			panic(stopped)
		}
	})
}

func operationsUnderRandomFaults(t *testing.T, rt *rapid.T) {
	l := &life{w: newWorld(t), phasedOut: map[apikey.KeyID]bool{}}
	rt.Repeat(map[string]func(*rapid.T){
		"create": l.create, "rotate": l.rotate, "delete one": l.deleteOne, "delete all": l.deleteAll,
		"rotate by the clock": l.rotateByTheClock, "delete by the clock": l.deleteByTheClock,
		"suspend": l.suspend, "reinstate": l.reinstate,
		"": l.check,
	})
}

// life is a user's world, and what the page says of it.
type life struct {
	w         *world
	active    apikey.KeyID
	phasedOut map[apikey.KeyID]bool
	suspended bool
}

// underFaults does an operation, some of whose calls fail.
func (l *life) underFaults(rt *rapid.T, do func() error) error {
	injectFaults(rt, l.w)
	defer l.w.noFaults()
	return do()
}

// settle is what the model says of an operation: it took effect or not.
func (l *life) settle(err error, effect func()) {
	switch apikey.CodeOf(err) {
	case "":
		effect()
	case apikey.CodeUnavailable:
		// It may have been made: the ring tells, and the model follows.
		ring := l.w.ring()
		l.noKeys()
		l.suspended = ring.Suspended
		if ring.Active != nil {
			l.active = ring.Active.ID
		}
		for _, key := range ring.PhasedOut {
			l.phasedOut[key.ID] = true
		}
	}
}

func (l *life) noKeys() { l.active, l.phasedOut = apikey.KeyID{}, map[apikey.KeyID]bool{} }

func (l *life) hasActive() bool { return l.active != apikey.KeyID{} }

// somePhasedOut is a Phased out key; or another when there is none.
func (l *life) somePhasedOut(another apikey.KeyID) apikey.KeyID {
	for key := range l.phasedOut {
		return key
	}
	return another
}

func (l *life) create(rt *rapid.T) {
	var issued lifecycle.Issued
	err := l.underFaults(rt, func() (err error) {
		issued, err = l.w.Create(l.w.t.Context(), l.w.request(""))
		return err
	})
	code := apikey.CodeActiveKeyExists
	if l.suspended {
		code = apikey.CodeOwnerSuspended
	}
	refusedIf(rt, err, l.suspended || l.hasActive(), code)
	l.settle(err, func() { l.active = issued.Key.ID })
}

func (l *life) rotate(rt *rapid.T) {
	var issued lifecycle.Issued
	err := l.underFaults(rt, func() (err error) {
		issued, err = l.w.Rotate(l.w.t.Context(), l.w.request(""))
		return err
	})
	refusedIf(rt, err, !l.hasActive(), apikey.CodeNoActiveKey)
	l.settle(err, func() { l.phasedOut[l.active] = true; l.active = issued.Key.ID })
}

func (l *life) deleteOne(rt *rapid.T) {
	id := l.somePhasedOut(apikey.KeyID{})
	err := l.underFaults(rt, func() error {
		_, err := l.w.DeleteOne(l.w.t.Context(), l.w.request(""), id)
		return err
	})
	refusedIf(rt, err, len(l.phasedOut) == 0, apikey.CodeKeyNotFound)
	l.settle(err, func() { delete(l.phasedOut, id) })
}

func (l *life) deleteAll(rt *rapid.T) {
	l.settle(l.underFaults(rt, func() error {
		_, err := l.w.DeleteAll(l.w.t.Context(), l.w.request(""))
		return err
	}), l.noKeys)
}

func (l *life) rotateByTheClock(rt *rapid.T) {
	<-time.After(91 * 24 * time.Hour)
	rotated := false
	err := l.underFaults(rt, func() (err error) {
		rotated, err = l.w.rotateDue(l.active)
		return err
	})
	refusedIf(rt, err, false, "none")
	if err == nil && rotated != l.hasActive() {
		rt.Fatalf("rotated: %t, and a key was due: %t", rotated, l.hasActive())
	}
	l.settle(err, func() {
		if rotated {
			l.phasedOut[l.active] = true
			l.active = l.w.ring().Active.ID
		}
	})
}

func (l *life) deleteByTheClock(rt *rapid.T) {
	<-time.After(31 * 24 * time.Hour)
	id := l.somePhasedOut(l.active) // the Active key it never deletes
	deleted := false
	err := l.underFaults(rt, func() (err error) {
		deleted, err = l.w.deleteUnused(id)
		return err
	})
	refusedIf(rt, err, false, "none")
	if err == nil && deleted != l.phasedOut[id] {
		rt.Fatalf("deleted: %t, and the key was Phased out: %t", deleted, l.phasedOut[id])
	}
	l.settle(err, func() { delete(l.phasedOut, id) })
}

func (l *life) suspend(rt *rapid.T) {
	isKnown := l.w.ring().Revision > 0
	err := l.underFaults(rt, func() error {
		_, err := l.w.Suspend(l.w.t.Context(), l.w.byAdministrator(""))
		return err
	})
	refusedIf(rt, err, !isKnown, apikey.CodeUserNotFound)
	l.settle(err, func() { l.noKeys(); l.suspended = true })
}

func (l *life) reinstate(rt *rapid.T) {
	isKnown := l.w.ring().Revision > 0
	err := l.underFaults(rt, func() error {
		_, err := l.w.Reinstate(l.w.t.Context(), l.w.byAdministrator(""))
		return err
	})
	refusedIf(rt, err, !isKnown, apikey.CodeUserNotFound)
	l.settle(err, func() { l.suspended = false })
}

// check wants the ring to be what the model says, and repair to bring the secret
// to it.
func (l *life) check(rt *rapid.T) {
	ring := l.w.ring()
	if (ring.Active == nil) == l.hasActive() || ring.Active != nil && ring.Active.ID != l.active {
		rt.Fatalf("Active is %v, the model says %s", ring.Active, l.active)
	}
	if len(ring.PhasedOut) != len(l.phasedOut) || ring.Suspended != l.suspended {
		rt.Fatalf("%d Phased out, suspended: %t, the model says %d, %t", len(ring.PhasedOut), ring.Suspended, len(l.phasedOut), l.suspended)
	}
	l.w.repair()
	if err := l.w.secretAgrees(); err != nil {
		rt.Fatal(err)
	}
}

// refusedIf fails when an operation that the model refuses was carried out, or
// was refused with another code.
func refusedIf(rt *rapid.T, err error, refused bool, code apikey.Code) {
	switch apikey.CodeOf(err) {
	case apikey.CodeUnavailable, apikey.CodeRotationRateExceeded, apikey.CodeTooManyPhasedOutKeys:
	case code:
		if !refused {
			rt.Fatalf("refused: %v", err)
		}
	case "":
		if refused {
			rt.Fatalf("not refused with %s", code)
		}
	default:
		rt.Fatal(err)
	}
}

// injectFaults fails a few of the calls that come, before or after they take
// effect.
func injectFaults(rt *rapid.T, w *world) {
	faults := []awstest.Fault{nil, nil, nil, awstest.Reset, awstest.LoseAnswer, awstest.Refuse(400, "AccessDeniedException")}
	for _, transport := range []*awstest.Transport{w.table.Transport, w.secrets.Transport} { // in this order, or rapid cannot repeat it
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
