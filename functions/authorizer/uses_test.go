package authorizer_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
)

// onUse applies the fault to the writes of last uses only.
func onUse(fault awstest.Fault) awstest.Fault {
	return awstest.On("UpdateItem", func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if !bytes.Contains(call.Body, []byte(`{"S":"USE"}`)) {
			return next()
		}
		return fault(call, next)
	})
}

// lastUsedAt is when Jane's key was last used, as a view tells.
func (w world) lastUsedAt(id apikey.KeyID) time.Time {
	w.t.Helper()
	_, all, err := w.Keys.Rings.RingAndUses(w.t.Context(), functest.Jane.Locator())
	if err != nil {
		w.t.Fatal(err)
	}
	return all[id]
}

// instances are other instances of the function on the same table.
func (w world) instances(n int) []world {
	all := make([]world, n)
	for i := range all {
		all[i] = w
		all[i].function = authorizer.New(w.World, w.Keys.Rings, w.Now, w.Log)
	}
	return all
}

// countWrites counts from now on how many uses were noted.
func (w world) countWrites() (noted func() int) {
	var (
		mu    sync.Mutex
		count int
	)
	w.Table.Transport.SetFault(onUse(func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		response, err := next()
		if err == nil && response.StatusCode == http.StatusOK {
			mu.Lock()
			defer mu.Unlock()
			count++
		}
		return response, err
	}))
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

// However many instances use a key, at whatever times.
func TestLastUseIsTrueToWithinFiveMinutesAndSeldomWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t)
	noted := w.countWrites()
	instances := w.instances(3)
	id := w.Ring(functest.Jane).Active.ID
	began := w.Now()
	for range 600 {
		w.Pass(time.Duration(random.Int64N(int64(3 * time.Minute))))
		instances[random.IntN(3)].invoked(byCredential(functest.SecondCredential))
		if off := w.Now().Sub(w.lastUsedAt(id)); off < 0 || off >= store.UsePrecision {
			t.Fatalf("%v after the beginning the last use is off by %v", w.Now().Sub(began), off)
		}
	}
	if periods := int(w.Now().Sub(began)/store.UsePrecision) + 1; noted() > periods {
		t.Errorf("noted %d times in %d periods of %v", noted(), periods, store.UsePrecision)
	}
}

func TestManyInstancesNoteOneUse(t *testing.T) {
	w := newWorld(t)
	noted := w.countWrites()
	instances := w.instances(8)
	for range 3 {
		var group sync.WaitGroup
		before := noted()
		for _, instance := range instances {
			for range 4 {
				group.Go(func() {
					if answer, err := instance.invoke(byOwner(functest.Jane)); err != nil {
						t.Errorf("answered %s, %v", answer, err)
					}
				})
			}
		}
		group.Wait()
		if now := noted(); now != before+1 {
			t.Errorf("noted %d times", now-before)
		}
		w.Pass(store.UsePrecision)
	}
}

// A key's use is noted for that key alone, and forgotten with it.
func TestUsesAreOfTheirKeys(t *testing.T) {
	w := newWorld(t)
	old := w.Ring(functest.Jane).Active.ID
	w.invoked(byOwner(functest.Jane))
	usedAt := w.Now()
	w.Pass(time.Hour)
	issued := w.Rotate(functest.Jane)
	w.invoked(byCredential(functest.SecondCredential)) // refused
	if !w.lastUsedAt(issued.Key.ID).IsZero() || w.lastUsedAt(old) != usedAt {
		t.Errorf("the new key was used at %v, the old one at %v", w.lastUsedAt(issued.Key.ID), w.lastUsedAt(old))
	}
	w.decided("JOB_RUNNER_TOKEN", byOwner(functest.Jane), byOwner(functest.Jane))
	if w.lastUsedAt(issued.Key.ID) != w.Now() || w.lastUsedAt(old) != usedAt {
		t.Errorf("the new key was used at %v, the old one at %v", w.lastUsedAt(issued.Key.ID), w.lastUsedAt(old))
	}
	w.DeleteOne(functest.Jane, old)
	w.Pass(time.Hour)
	w.protected(restToken("Bearer " + issued.Credential.Reveal()))
	if w.lastUsedAt(issued.Key.ID) != w.Now() || !w.lastUsedAt(old).IsZero() {
		t.Errorf("the new key was used at %v, the deleted one at %v", w.lastUsedAt(issued.Key.ID), w.lastUsedAt(old))
	}
}

// A use that cannot be noted costs no decision, and no more than half a second.
func TestUseThatCannotBeNotedCostsNoDecision(t *testing.T) {
	underEachFault(t, functest.SecondCredential, "the last use of a key is not noted", func(t *testing.T, w world, fault awstest.Fault) {
		people := w.people(50)
		following(w)
		w.Table.Transport.SetFault(onUse(fault))
		asked := questionsOfGateways(bearer(byCredential(functest.SecondCredential)))
		asked["by credential"], asked["by owner, with a run"] = byCredential(functest.SecondCredential), byOwner(functest.Jane).run("run-1")
		asked["by schedule"] = ofJane("nightly")(w)
		asked["a batch"] = question{"requests": asking(people, byTheirOwner)}
		for shape, q := range asked {
			began := time.Now()
			answer, err := w.invokeWithin(15*time.Second, []byte(w.encode(q)))
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("%s: took %v", shape, took)
			}
			if err != nil || !isAllowed(answer, len(people)) {
				t.Errorf("%s: answered %s, %v", shape, answer, err)
			}
			w.Pass(store.UsePrecision)
		}
	})
}

// isAllowed tells whether an answer of any shape allows, a batch all that were
// asked about.
func isAllowed(answer []byte, batch int) bool {
	var got struct {
		Decisions             []decision
		Allowed, IsAuthorized bool
		PolicyDocument        struct{ Statement []struct{ Effect string } }
	}
	if json.Unmarshal(answer, &got) != nil {
		return false
	}
	if len(got.Decisions) > 0 {
		return len(got.Decisions) == batch && reasons(got.Decisions)["key_active"] == batch
	}
	return got.Allowed || got.IsAuthorized || len(got.PolicyDocument.Statement) == 1 && got.PolicyDocument.Statement[0].Effect == "Allow"
}

// What failed is not tried again with every decision.
func TestUseThatCannotBeNotedIsTriedOnceInFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Table.Transport.SetFault(onUse(awstest.Refuse(http.StatusBadRequest, "AccessDeniedException")))
		for range 3 {
			w.invoked(byOwner(functest.Jane))
			w.WantCalls("GetItem", "UpdateItem")
			for range 5 {
				w.invoked(byOwner(functest.Jane))
				w.WantCalls("GetItem")
			}
			w.Pass(store.UsePrecision)
		}
	})
}
