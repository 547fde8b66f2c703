package lifecycle_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
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
	w := newWorld(t)
	var active apikey.KeyID
	phasedOut := map[apikey.KeyID]bool{}
	suspended := false
	// settle is what the model says of an operation: it took effect or not.
	settle := func(err error, effect func()) {
		switch apikey.CodeOf(err) {
		case "":
			effect()
		case apikey.CodeUnavailable:
			// It may have been made: the ring tells, and the model follows.
			ring := w.ring()
			active, phasedOut, suspended = apikey.KeyID{}, map[apikey.KeyID]bool{}, ring.Suspended
			if ring.Active != nil {
				active = ring.Active.ID
			}
			for _, key := range ring.PhasedOut {
				phasedOut[key.ID] = true
			}
		}
	}
	rt.Repeat(map[string]func(*rapid.T){
		"create": func(rt *rapid.T) {
			injectFaults(rt, w)
			issued, err := w.Create(t.Context(), w.request(""))
			w.noFaults()
			if suspended {
				refusedIf(rt, err, true, apikey.CodeOwnerSuspended)
			} else {
				refusedIf(rt, err, active != apikey.KeyID{}, apikey.CodeActiveKeyExists)
			}
			settle(err, func() { active = issued.Key.ID })
		},
		"rotate": func(rt *rapid.T) {
			injectFaults(rt, w)
			issued, err := w.Rotate(t.Context(), w.request(""))
			w.noFaults()
			refusedIf(rt, err, active == apikey.KeyID{}, apikey.CodeNoActiveKey)
			settle(err, func() { phasedOut[active] = true; active = issued.Key.ID })
		},
		"delete one": func(rt *rapid.T) {
			var id apikey.KeyID
			for key := range phasedOut {
				id = key
			}
			injectFaults(rt, w)
			_, err := w.DeleteOne(t.Context(), w.request(""), id)
			w.noFaults()
			refusedIf(rt, err, len(phasedOut) == 0, apikey.CodeKeyNotFound)
			settle(err, func() { delete(phasedOut, id) })
		},
		"delete all": func(rt *rapid.T) {
			injectFaults(rt, w)
			_, err := w.DeleteAll(t.Context(), w.request(""))
			w.noFaults()
			settle(err, func() { active, phasedOut = apikey.KeyID{}, map[apikey.KeyID]bool{} })
		},
		"rotate by the clock": func(rt *rapid.T) {
			<-time.After(91 * 24 * time.Hour)
			due := active
			injectFaults(rt, w)
			rotated, err := w.rotateDue(due)
			w.noFaults()
			refusedIf(rt, err, false, "none")
			if err == nil && rotated != (due != apikey.KeyID{}) {
				rt.Fatalf("rotated: %t, and %s was due", rotated, due)
			}
			settle(err, func() {
				if rotated {
					phasedOut[due] = true
					active = w.ring().Active.ID
				}
			})
		},
		"delete by the clock": func(rt *rapid.T) {
			<-time.After(31 * 24 * time.Hour)
			id := active // which it never deletes
			for key := range phasedOut {
				id = key
			}
			injectFaults(rt, w)
			deleted, err := w.deleteUnused(id)
			w.noFaults()
			refusedIf(rt, err, false, "none")
			if err == nil && deleted != phasedOut[id] {
				rt.Fatalf("deleted: %t, and %s was Phased out: %t", deleted, id, phasedOut[id])
			}
			settle(err, func() { delete(phasedOut, id) })
		},
		"suspend": func(rt *rapid.T) {
			known := w.ring().Revision > 0
			injectFaults(rt, w)
			_, err := w.Suspend(t.Context(), w.byAdministrator(""))
			w.noFaults()
			refusedIf(rt, err, !known, apikey.CodeUserNotFound)
			settle(err, func() { active, phasedOut, suspended = apikey.KeyID{}, map[apikey.KeyID]bool{}, true })
		},
		"reinstate": func(rt *rapid.T) {
			known := w.ring().Revision > 0
			injectFaults(rt, w)
			_, err := w.Reinstate(t.Context(), w.byAdministrator(""))
			w.noFaults()
			refusedIf(rt, err, !known, apikey.CodeUserNotFound)
			settle(err, func() { suspended = false })
		},
		"": func(rt *rapid.T) {
			ring := w.ring()
			if ring.Suspended != suspended {
				rt.Fatalf("suspended: %t, the model says %t", ring.Suspended, suspended)
			}
			if (ring.Active == nil) != (active == apikey.KeyID{}) || ring.Active != nil && ring.Active.ID != active {
				rt.Fatalf("Active is %v, the model says %s", ring.Active, active)
			}
			if len(ring.PhasedOut) != len(phasedOut) {
				rt.Fatalf("%d Phased out, the model says %d", len(ring.PhasedOut), len(phasedOut))
			}
			w.repair()
			if err := w.secretAgrees(); err != nil {
				rt.Fatal(err)
			}
		},
	})
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
