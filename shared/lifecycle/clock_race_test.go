package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
)

func must(w *world, do func() error) {
	w.t.Helper()
	if err := do(); err != nil {
		w.t.Fatal(err)
	}
}

func apply(change func(apikey.Ring) (apikey.Ring, *apikey.Event, error)) store.Change {
	return func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) { return change(ring) }
}

// Between the sweep's look at a ring and its change of it, the ring may change in
// any way: what is no longer due then is not done.
func TestTheClockLosesToWhateverTheUserDoesMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, first apikey.KeyID){
		"rotated":                    func(w *world, _ apikey.KeyID) { w.rotate() },
		"all deleted":                func(w *world, _ apikey.KeyID) { w.deleteAll() },
		"deleted and made anew":      func(w *world, _ apikey.KeyID) { w.deleteAll(); w.create() },
		"suspended":                  func(w *world, _ apikey.KeyID) { w.suspend("") },
		"suspended and reinstated":   func(w *world, _ apikey.KeyID) { w.suspend(""); w.reinstate("") },
		"the policy is off":          func(w *world, _ apikey.KeyID) { w.setPolicy(apikey.RotationPolicy{}) },
		"the policy puts it off":     func(w *world, _ apikey.KeyID) { w.setPolicy(apikey.RotationPolicy{MaxAgeDays: 91}) },
		"another clock has done it":  func(w *world, first apikey.KeyID) { _, _ = w.rotateDue(first) },
		"the clock has stepped back": func(w *world, _ apikey.KeyID) { w.inDays(89) },
	} {
		for _, at := range []string{"GetItem", "PutSecretValue", "TransactWriteItems"} {
			if name == "the clock has stepped back" && at != "GetItem" {
				continue // the ring is as it was: the rotation has been decided
			}
			t.Run(name+"/before "+at, func(t *testing.T) {
				w := newWorld(t)
				first := w.create().Key
				w.inDays(90)
				var left apikey.Ring
				w.meanwhile(at, func() { meanwhile(w, first.ID); left = w.ring() })
				if rotated, err := w.rotateDue(first.ID); rotated || err != nil {
					t.Errorf("rotated: %t, %v", rotated, err)
				}
				if ring := w.ring(); ring.Revision != left.Revision {
					t.Errorf("the ring was at revision %d and is %+v", left.Revision, ring)
				}
				w.checkSecret()
				if names := w.secrets.Names(); len(names) > 1 || len(names) == 1 && left.SecretARN == "" {
					t.Errorf("secrets: %v", names)
				}
			})
		}
	}
}

func TestADeletionByTheClockLosesToWhateverTheUserDoesMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, first apikey.KeyID){
		"deleted": func(w *world, first apikey.KeyID) {
			must(w, func() error { _, err := w.DeleteOne(w.t.Context(), w.request(""), first); return err })
		},
		"all deleted":               func(w *world, _ apikey.KeyID) { w.deleteAll() },
		"suspended":                 func(w *world, _ apikey.KeyID) { w.suspend("") },
		"the policy is off":         func(w *world, _ apikey.KeyID) { w.setPolicy(apikey.RotationPolicy{}) },
		"the policy puts it off":    func(w *world, _ apikey.KeyID) { w.setPolicy(apikey.RotationPolicy{DeletePhasedOutAfterDays: 31}) },
		"another clock has done it": func(w *world, first apikey.KeyID) { _, _ = w.deleteUnused(first) },
	} {
		for _, at := range []string{"GetItem", "TransactWriteItems"} {
			t.Run(name+"/before "+at, func(t *testing.T) {
				w := newWorld(t)
				first := w.create().Key
				w.rotate()
				w.inDays(30)
				var left apikey.Ring
				w.meanwhile(at, func() { meanwhile(w, first.ID); left = w.ring() })
				if deleted, err := w.deleteUnused(first.ID); deleted || err != nil {
					t.Errorf("deleted: %t, %v", deleted, err)
				}
				if ring := w.ring(); ring.Revision != left.Revision {
					t.Errorf("the ring was at revision %d and is %+v", left.Revision, ring)
				}
				w.checkSecret()
			})
		}
	}
}

// A change that leaves the rotation due costs another attempt, and no second key.
func TestTheClockTriesAgainWhenWhatChangedLeavesTheKeyDue(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, first apikey.KeyID){
		"a schedule was bound":    func(w *world, first apikey.KeyID) { w.bind("nightly", first) },
		"the policy is a shorter": func(w *world, _ apikey.KeyID) { w.setPolicy(apikey.RotationPolicy{MaxAgeDays: 30}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.create().Key
			w.inDays(90)
			w.meanwhile("TransactWriteItems", func() { meanwhile(w, first.ID) })
			if rotated, err := w.rotateDue(first.ID); !rotated || err != nil {
				t.Errorf("rotated: %t, %v", rotated, err)
			}
			if ring := w.ring(); ring.Revision != 3 || len(ring.PhasedOut) != 1 {
				t.Errorf("the ring is %+v", ring)
			}
			if puts := awstest.Count(w.secrets.Transport.TakeCalls(), "PutSecretValue"); puts != 1 {
				t.Errorf("the material was put %d times", puts)
			}
			w.checkSecret()
		})
	}
}

// Several clocks see the same key due, and each of their calls takes its time:
// whatever the order, one of them rotates it, and one deletes the old one.
func TestManyClocksAtOnceDoEachThingOnce(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("order ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				first, second := w.create().Key.ID, w.rotate().Key.ID
				w.inDays(90)
				w.slowly(rand.New(rand.NewPCG(seed, 0)))
				var rotations, deletions atomic.Int32
				counts := outcomes(4, func(int) error {
					deleted, deleteErr := w.deleteUnused(first)
					rotated, rotateErr := w.rotateDue(second)
					if deleted {
						deletions.Add(1)
					}
					if rotated {
						rotations.Add(1)
					}
					return errors.Join(deleteErr, rotateErr)
				})
				if rotations.Load() != 1 || deletions.Load() != 1 || counts[""] != 4 {
					t.Errorf("%d rotations, %d deletions, outcomes %v", rotations.Load(), deletions.Load(), counts)
				}
				if ring := w.ring(); ring.Revision != 4 || len(ring.PhasedOut) != 1 || ring.PhasedOut[0].ID != second {
					t.Errorf("the ring is %+v", ring)
				}
				w.repair()
				w.checkSecret()
			})
		})
	}
}

// slowly has every remote call take up to a tenth of a second, half of it before
// its effect.
func (w *world) slowly(random *rand.Rand) {
	mu := make(chan struct{}, 1)
	pause := func() {
		mu <- struct{}{}
		wait := time.Duration(random.Int64N(int64(50 * time.Millisecond)))
		<-mu
		<-time.After(wait)
	}
	fault := func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		pause()
		defer pause()
		return next()
	}
	w.table.Transport.SetFault(fault)
	w.secrets.Transport.SetFault(fault)
}
