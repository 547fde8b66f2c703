package lifecycle_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
)

// pass lets time go by, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// restored is the service whose table is restored: to an hour after what was done
// before, and an hour after what was done since.
func restored(t *testing.T, before, since func(*world)) (w *world, to time.Time) {
	w = newWorld(t)
	before(w)
	pass(time.Hour)
	to = time.Now()
	restore := w.table.Backup()
	pass(time.Hour)
	since(w)
	pass(time.Hour)
	w.noFaults()
	restore()
	return w, to
}

func (w *world) afterRestore(to time.Time, apply bool) lifecycle.Restored {
	w.t.Helper()
	done, err := w.AfterRestore(w.t.Context(), w.byOperator(), to, apply)
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func (w *world) byOperator() apikey.ChangeRequest {
	return apikey.ChangeRequest{Owner: w.owner, Actor: apikey.Actor{Kind: apikey.ActorOperator, ID: "restore"}, CorrelationID: "restore-1"}
}

// lostAfterCommit has calls of Secrets Manager fail that only come after a commit.
func (w *world) lostAfterCommit() {
	w.secrets.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if call.Operation == "UpdateSecretVersionStage" || call.Operation == "DeleteSecret" {
			return nil, errors.New("lost")
		}
		return next()
	})
}

func createOne(w *world) { w.create() }

func rotateOnce(w *world) { w.rotate() }

func createAndRotate(times int) func(*world) {
	return func(w *world) {
		w.create()
		for range times {
			w.rotate()
		}
	}
}

func deleteOldest(w *world) {
	must(w, func() error {
		_, err := w.DeleteOne(w.t.Context(), w.request(""), w.ring().PhasedOut[0].ID)
		return err
	})
}

// A restore loses what happened since, and the secrets tell of it: a key stays only
// as far as they show it.
func TestAfterARestoreAKeyStaysAsFarAsItsSecretShowsIt(t *testing.T) {
	for name, c := range map[string]restoreCase{
		"nothing happened":                       {createOne, func(*world) {}, true, nil, nil},
		"nothing happened after a rotation":      {createAndRotate(1), func(*world) {}, true, []int{0}, nil},
		"rotated":                                {createOne, rotateOnce, false, []int{0}, []string{"not_current"}},
		"rotated, and AWSCURRENT not yet moved":  {createOne, func(w *world) { w.lostAfterCommit(); w.rotate() }, false, []int{0}, []string{"not_current"}},
		"rotated twice":                          {createOne, func(w *world) { w.rotate(); w.rotate() }, false, nil, []string{"not_current", "not_shown"}},
		"rotated, and the old key deleted":       {createOne, func(w *world) { w.rotate(); deleteOldest(w) }, false, nil, []string{"not_current", "not_shown"}},
		"a Phased out key deleted":               {createAndRotate(1), deleteOldest, true, nil, []string{"not_shown"}},
		"an older one, which nothing shows":      {createAndRotate(2), func(*world) {}, true, []int{1}, []string{"not_shown"}},
		"all deleted":                            {createAndRotate(1), (*world).deleteAll, false, nil, []string{"secret_gone"}},
		"all deleted, and another created":       {createOne, func(w *world) { w.deleteAll(); w.create() }, false, nil, []string{"secret_gone"}},
		"the same, and the old secret there yet": {createOne, func(w *world) { w.lostAfterCommit(); w.deleteAll(); w.create() }, false, nil, []string{"secret_replaced"}},
		"off-boarded": {createOne, func(w *world) {
			_, err := w.Suspend(w.t.Context(), w.request(""))
			must(w, func() error { return err })
		}, false, nil, []string{"secret_gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, to := restored(t, c.before, c.since)
				c.check(t, w, to)
			})
		})
	}
}

// restoreCase is what happened before and since, and what is left of it.
type restoreCase struct {
	before, since func(*world)
	// What is left of the ring's keys, by their number in it, the Active one last.
	active    bool
	phasedOut []int
	reasons   []string
}

func (c restoreCase) check(t *testing.T, w *world, to time.Time) {
	was := w.ring()
	keys := append(slices.Clone(was.PhasedOut), *was.Active)
	told := w.afterRestore(to, false)
	if diff := cmp.Diff(was, w.ring()); diff != "" {
		t.Fatalf("telling changed the ring: -before +after: %s", diff)
	}
	done := w.afterRestore(to, true)
	ring := w.ring()
	var left []int
	for _, key := range ring.PhasedOut {
		left = append(left, slices.IndexFunc(keys, func(k apikey.Key) bool { return k.ID == key.ID }))
	}
	if (ring.Active != nil) != c.active || !slices.Equal(left, c.phasedOut) {
		t.Errorf("Active: %v, Phased out: %v", ring.Active, left)
	}
	if gone := len(keys) - len(left); done != told || ring.Active == nil && done.Deleted != gone {
		t.Errorf("it did %+v, having told %+v; %d keys are gone", done, told, gone)
	}
	if diff := cmp.Diff(c.reasons, w.reasons()); diff != "" {
		t.Errorf("reasons (-want +got): %s", diff)
	}
	if again := w.afterRestore(to, true); again != (lifecycle.Restored{}) {
		t.Errorf("once more, it did %+v", again)
	}
	if slices.Contains(c.reasons, "secret_replaced") && w.secrets.Labels(was.SecretARN) != nil {
		t.Error("the secret of keys that were all deleted is there yet")
	}
	w.checkSecret()
}

// reasons are those of the operator's changes, the first first. A history without a
// gap is part of it.
func (w *world) reasons() (reasons []string) {
	w.t.Helper()
	changes, _, err := w.Rings.History(w.t.Context(), w.owner.Locator(), store.MaxRevision, 100)
	if ring := w.ring(); err != nil || int64(len(changes)) != ring.Revision {
		w.t.Errorf("%d changes led to revision %d: %v", len(changes), ring.Revision, err)
	}
	slices.Reverse(changes)
	for _, change := range changes {
		if change.Actor == w.byOperator().Actor {
			reasons = append(reasons, change.Reason)
		}
	}
	return reasons
}

// What was done after the service was opened again is not the restore's, however
// late it is asked for once more.
func TestARestoreLeavesKeysAloneThatWereMadeAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, to := restored(t, createOne, rotateOnce)
		w.afterRestore(to, true)
		pass(time.Hour)
		made := w.create()
		w.rotate()
		w.orphan()
		if again := w.afterRestore(to, true); again != (lifecycle.Restored{}) {
			t.Errorf("once more, it did %+v", again)
		}
		if _, exists := w.ring().Key(made.Key.ID); !exists {
			t.Error("a key is gone that was made after the restore")
		}
		w.checkSecret()
	})
}

// orphan leaves the secret of a create that came to nothing.
func (w *world) orphan() {
	w.t.Helper()
	id, err := apikey.NewUUID(time.Now(), w.Random)
	must(w, func() error { return err })
	credential, err := apikey.NewCredential(w.owner.Locator(), id, w.Random)
	must(w, func() error { return err })
	_, err = w.Vault.Open(w.t.Context(), credential)
	must(w, func() error { return err })
}

// What the secrets showed is of one ring; another may have another secret.
func TestARestoreTakesNoKeyThatIsMadeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, to := restored(t, createOne, (*world).deleteAll)
		var made apikey.KeyID
		w.meanwhile("DescribeSecret", func() {
			w.deleteAll()
			pass(time.Hour)
			made = w.create().Key.ID
		})
		_, err := w.AfterRestore(t.Context(), w.byOperator(), to, true)
		if ring := w.ring(); apikey.CodeOf(err) != apikey.CodeRevisionMismatch || ring.Active == nil || ring.Active.ID != made {
			t.Errorf("%v, and the ring is %+v", err, ring)
		}
	})
}

// However a user changed keys since, and whatever was left for repairs: what is not
// Active any more authorizes nothing after the restore; and what was deleted, and
// repaired, is gone.
func TestNoRestoredDeadKeyAuthorizes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var stopped any
		synctest.Test(t, func(t *testing.T) {
			defer func() { stopped = recover() }()
			noRestoredDeadKeyAuthorizes(t, rt)
		})
		if stopped != nil {
			panic(stopped)
		}
	})
}

func noRestoredDeadKeyAuthorizes(t *testing.T, rt *rapid.T) {
	var truth apikey.Ring
	live := func(name string) func(w *world) {
		return func(w *world) {
			for _, step := range rapid.SliceOfN(rapid.SampledFrom([]string{"create", "rotate", "rotate lost", "delete one", "delete all"}), 0, 8).Draw(rt, name) {
				pass(20 * time.Minute)
				live1(w, step)
			}
			truth = w.ring()
		}
	}
	w, to := restored(t, live("before"), live("since"))
	w.afterRestore(to, true)
	ring := w.ring()
	if ring.Active != nil && (truth.Active == nil || truth.Active.ID != ring.Active.ID) {
		rt.Errorf("%s is Active, and was not any more: %+v", ring.Active.ID, truth)
	}
	for _, key := range ring.PhasedOut {
		if _, exists := truth.Key(key.ID); !exists {
			rt.Errorf("the deleted key %s is Phased out", key.ID)
		}
	}
	if truth.Active != nil && truth.LastCreatedAt.Before(to) && ring.Active == nil && ring.Revision == truth.Revision {
		rt.Errorf("the key was Active since before, and is not any more")
	}
	if again := w.afterRestore(to, true); again != (lifecycle.Restored{}) {
		rt.Errorf("once more, it did %+v", again)
	}
}

// live1 is what a user does, and the relay finishes but for the last rotation.
func live1(w *world, step string) {
	switch step {
	case "create":
		_, _ = w.Create(w.t.Context(), w.request(""))
	case "rotate":
		_, _ = w.Rotate(w.t.Context(), w.request(""))
	case "rotate lost":
		w.lostAfterCommit()
		_, _ = w.Rotate(w.t.Context(), w.request(""))
		w.noFaults()
	case "delete one":
		if keys := w.ring().PhasedOut; len(keys) > 0 {
			_, _ = w.DeleteOne(w.t.Context(), w.request(""), keys[0].ID)
		}
	case "delete all":
		_, _ = w.DeleteAll(w.t.Context(), w.request(""))
	}
}

// Whatever fails, and where ever it stops: what is asked for again does the rest,
// and comes to the same end.
func TestARestoreThatIsBrokenOffIsFinishedByTheNext(t *testing.T) {
	// What a deleted secret and a Phased out key that nothing shows need.
	since := map[string]func(*world){"rotated twice": func(w *world) { w.rotate(); w.rotate() }, "all deleted": (*world).deleteAll}
	for name, since := range since {
		for _, lost := range []bool{false, true} { // the call, or only its answer
			t.Run(fmt.Sprintf("%s/lost %t", name, lost), func(t *testing.T) {
				awstest.AtEachCall(t, func(t *testing.T, n int) bool { return brokenOffAt(t, n, lost, since) })
			})
		}
	}
}

// brokenOffAt has the n-th call fail, or only its answer be lost, and all after it;
// it tells whether so many were made.
func brokenOffAt(t *testing.T, n int, lost bool, since func(*world)) (met bool) {
	w, to := restored(t, createAndRotate(1), since)
	calls := 0
	fault := func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if calls++; calls < n {
			return next()
		}
		if lost && calls == n {
			_, _ = next()
		}
		return nil, errors.New("broken off")
	}
	w.table.Transport.SetFault(fault)
	w.secrets.Transport.SetFault(fault)
	_, _ = w.AfterRestore(t.Context(), w.byOperator(), to, true)
	met = calls >= n
	w.noFaults()
	w.afterRestore(to, true)
	if ring := w.ring(); ring.Active != nil || len(ring.PhasedOut) != 0 {
		t.Errorf("broken off at call %d: %+v", n, ring)
	}
	w.reasons()
	return met
}

// A secret that cannot be read shows nothing, and takes no key away.
func TestARestoreDecidesNothingWithoutSecretsManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, to := restored(t, createOne, rotateOnce)
		was := w.ring()
		for _, operation := range []string{"ListSecrets", "DescribeSecret"} {
			w.secrets.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
				if call.Operation == operation {
					return awstest.Answer(http.StatusBadRequest, map[string]string{"__type": "AccessDeniedException"}), nil
				}
				return next()
			})
			_, err := w.AfterRestore(t.Context(), w.byOperator(), to, true)
			if diff := cmp.Diff(was, w.ring()); apikey.CodeOf(err) != apikey.CodeUnavailable || diff != "" {
				t.Errorf("without %s: %v, %s", operation, err, diff)
			}
		}
	})
}
