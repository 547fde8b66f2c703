package sweep_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// slowly has every remote call of the process take up to a tenth of a second, half
// of it before its effect.
func (p *process) slowly(seed uint64) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	pause := func() {
		mu.Lock()
		wait := time.Duration(random.Int64N(int64(50 * time.Millisecond)))
		mu.Unlock()
		pass(wait)
	}
	p.onAll(func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		pause()
		defer pause()
		return next()
	})
}

// The users of a scene, by what is due about them on its day.
const (
	toRotate = iota
	toAnnounce
	// toClear has a Phased out key whose time is over, and an Active key that is due.
	toClear
	toRepair
	inPeace
)

// everythingIsDue is a scene in which everything is due that a sweep does, about
// so many users of each kind, and an orphan for each.
func everythingIsDue(w *world, ofEach int) {
	each := func(kind int, do func(apikey.Owner)) {
		for n := range ofEach {
			do(userN(n*5 + kind))
		}
	}
	each(toRotate, func(o apikey.Owner) { w.create(o) })
	each(toClear, func(o apikey.Owner) { w.create(o); w.rotate(o) })
	for n := range ofEach {
		w.orphan(userN(10_000 + n))
	}
	pass(days(14))
	each(toAnnounce, func(o apikey.Owner) { w.create(o) })
	pass(days(66))
	each(toRepair, w.unsettled)
	each(inPeace, func(o apikey.Owner) { w.create(o) })
	pass(days(10))
	w.table.CatchUp()
}

// doneOnce checks that it was all done, and nothing of it twice.
func doneOnce(w *world, ofEach int) {
	w.t.Helper()
	for n := range ofEach {
		for kind, want := range map[int]struct {
			revision  int64
			phasedOut int
		}{toRotate: {2, 1}, toAnnounce: {1, 0}, toClear: {4, 1}, toRepair: {2, 1}, inPeace: {1, 0}} {
			if ring := w.ring(userN(n*5 + kind)); ring.Revision != want.revision || len(ring.PhasedOut) != want.phasedOut {
				w.t.Errorf("user %d of kind %d: %+v", n, kind, ring)
			}
		}
		w.wantSettled(userN(n*5 + toRepair))
	}
	announced := map[apikey.KeyID]int{}
	for _, notice := range w.notices(apikey.EventRotationDue) {
		if announced[notice.Keys[0].ID]++; announced[notice.Keys[0].ID] > 1 {
			w.t.Errorf("announced again: %+v", notice)
		}
	}
	for n := range ofEach {
		if announced[w.ring(userN(n*5+toAnnounce)).Active.ID] == 0 {
			w.t.Errorf("the rotation of user %d is not announced", n)
		}
	}
	if secrets := w.secrets.Names(); len(secrets) != 5*ofEach {
		w.t.Errorf("%d secrets are left, want %d: %v", len(secrets), 5*ofEach, secrets)
	}
}

func TestSweepsAtOnceDoEachThingOnce(t *testing.T) {
	const ofEach = 3
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("order ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				everythingIsDue(w, ofEach)
				var mu sync.Mutex
				var sum sweep.Counts
				var processes []*process
				var group sync.WaitGroup
				for n := range 2 + seed%2 {
					p := w.start(ofDeployment)
					p.slowly(seed*10 + n)
					processes = append(processes, p)
					group.Go(func() {
						pass(time.Duration(n*seed) * 10 * time.Millisecond)
						counts, err := p.Handle(t.Context())
						if err != nil || counts.Failed != 0 || counts.LeftOver != 0 {
							t.Errorf("sweep %d: %+v, %v", n, counts, err)
						}
						mu.Lock()
						defer mu.Unlock()
						sum.Rotated += counts.Rotated
						sum.Announced += counts.Announced
						sum.Deleted += counts.Deleted
					})
				}
				group.Wait()
				wantCounts(t, sum, sweep.Counts{Rotated: 2 * ofEach, Announced: ofEach, Deleted: ofEach})
				doneOnce(w, ofEach)
				wantCounts(t, w.sweep(), sweep.Counts{})
				w.wantAgreement(processes...)
			})
		})
	}
}

// While the sweep is at any of its calls, the users change their keys: nothing that
// the sweep does comes after that.
func TestWhatTheUserDoesUnderASweepStands(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, owner apikey.Owner){
		"policy off": func(w *world, o apikey.Owner) { w.setPolicy(o, apikey.RotationPolicy{}) },
		"delete all": (*world).deleteAll,
		"suspend":    (*world).suspend,
	} {
		t.Run(name, func(t *testing.T) {
			awstest.AtEachCall(t, func(t *testing.T, n int) bool { return changedUnderASweep(t, meanwhile, n) })
		})
	}
}

func changedUnderASweep(t *testing.T, meanwhile func(*world, apikey.Owner), n int) (met bool) {
	w := newWorld(t)
	everythingIsDue(w, 1)
	revisions := map[int]int64{}
	p := w.start(ofDeployment)
	p.onAll(awstest.Nth(n, awstest.Before(func() {
		met = true
		for _, kind := range []int{toRotate, toAnnounce, toClear} {
			meanwhile(w, userN(kind))
			revisions[kind] = w.ring(userN(kind)).Revision
		}
	})))
	if counts := p.run(); counts.Failed != 0 {
		t.Errorf("the run did %+v", counts)
	}
	wantCounts(t, w.sweep(), sweep.Counts{})
	for kind, revision := range revisions {
		if ring := w.ring(userN(kind)); ring.Revision != revision {
			t.Errorf("user %d was left at revision %d, and is at %+v", kind, revision, ring)
		}
	}
	w.wantAgreement(p)
	return met
}
