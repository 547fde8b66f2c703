package schedules_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
)

// rotatedWith is a world where so many schedules are pinned to the key that was
// rotated away last; from is its id.
func rotatedWith(t *testing.T, n int) (w world, from apikey.KeyID) {
	w = newWorld(t)
	from = w.active()
	w.bindMany(n)
	w.Bind(functest.Jane, "following", apikey.KeyID{})
	w.Rotate(functest.Jane)
	w.Calm()
	return w, from
}

type rebound struct{ Rebound, Remaining int }

func (w world) rebound(from apikey.KeyID) (got rebound) {
	w.t.Helper()
	w.send(rebind(from.String())).Must(http.StatusOK).Decode(&got)
	return got
}

// pinnedTo is how many schedules of Jane's are pinned to the key.
func (w world) pinnedTo(id apikey.KeyID) (n int) {
	w.t.Helper()
	w.Calm()
	for _, s := range w.Schedules(functest.Jane) {
		if s.Binding == apikey.Pinned && s.KeyID == id {
			n++
		}
	}
	return n
}

func (w world) want(got, want rebound) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("answered %+v, want %+v", got, want)
	}
}

func TestRebindingPinsAllSchedulesOfAKeyToTheActiveOne(t *testing.T) {
	w, from := rotatedWith(t, 250)
	before := w.Ring(functest.Jane).Revision
	w.Calm()
	w.want(w.rebound(from), rebound{250, 0})
	w.WantCalls("GetItem", "Query", "TransactWriteItems", "GetItem", "Query", "TransactWriteItems", "GetItem", "Query", "TransactWriteItems")
	if n := w.pinnedTo(w.active()); n != 250 {
		t.Errorf("%d are pinned to the Active key", n)
	}
	w.wantRevision(before + 3)
	if event := w.LastChange(functest.Jane); len(event.Schedules) != 250-2*store.MaxSchedulesPerChange {
		t.Errorf("the last change announces %d schedules", len(event.Schedules))
	}
	// It is repeatable, and has no more to do.
	w.want(w.rebound(from), rebound{0, 0})
	w.wantRevision(before + 3)
}

func TestRebindingTakesSchedulesOfADeletedKeyToo(t *testing.T) {
	w, from := rotatedWith(t, 2)
	w.DeleteAll(functest.Jane)
	for range apikey.MaxRemembered {
		w.Pass(time.Hour)
		w.Create(functest.Jane)
		w.DeleteAll(functest.Jane)
	}
	w.Pass(time.Hour)
	w.Create(functest.Jane)
	if w.Ring(functest.Jane).Knows(from) {
		t.Fatal("the key is not forgotten")
	}
	w.want(w.rebound(from), rebound{2, 0})
	w.Calm()
	w.wantWhole()
}

func TestRebindingWithNothingToDoChangesNothing(t *testing.T) {
	w, from := rotatedWith(t, 2)
	w.Bind(colleague, "theirs", w.Create(colleague).Key.ID)
	theirs := w.Ring(colleague).Active.ID
	w.Rotate(colleague)
	w.Bind(functest.Jane, "current", w.active())
	before := w.Ring(functest.Jane).Revision
	for name, id := range map[string]apikey.KeyID{
		"the Active key": w.active(), "a key without schedules": w.phasedOut(), "a colleague's key": theirs,
	} {
		t.Run(name, func(t *testing.T) { world{w.World, t}.want(w.rebound(id), rebound{0, 0}) })
	}
	w.send(rebind(unknownKey)).Is(http.StatusOK, `{"rebound": 0, "remaining": 0}`)
	w.wantRevision(before)
	if w.pinnedTo(from) != 2 || w.Ring(colleague).PhasedOut[0].PinnedCount != 1 {
		t.Error("what was not asked for was rebound")
	}
}

func TestRebindingNeedsAnActiveKey(t *testing.T) {
	w, from := rotatedWith(t, 2)
	w.DeleteAll(functest.Jane)
	revision := w.Ring(functest.Jane).Revision
	for _, id := range []string{from.String(), unknownKey} {
		w.send(rebind(id)).Refused(http.StatusConflict, apikey.CodeNoActiveKey)
	}
	if now := w.Ring(functest.Jane).Revision; now != revision {
		t.Errorf("the ring went from revision %d to %d", revision, now)
	}
	w.send(w.asColleague(rebind(from.String()))).Refused(http.StatusConflict, apikey.CodeNoActiveKey)
}

// Whatever stops it, what was rebound stays so and is counted, what remains is
// never counted too low, and the same request does the rest.
func TestRebindingThatStopsHalfWayTellsHowFarItCame(t *testing.T) {
	const most = store.MaxSchedulesPerChange
	lostForGood := func(world) awstest.Fault {
		lost := awstest.On("TransactWriteItems", awstest.From(2, awstest.LoseAnswer))
		return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if strings.Contains(string(call.Body), `"EVENT#`) && call.Operation == "GetItem" {
				return awstest.Reset(call, next)
			}
			return lost(call, next)
		}
	}
	for name, test := range map[string]struct {
		fault func(world) awstest.Fault
		first rebound
		// left is how many are pinned to the key after that, in truth.
		left int
		rest rebound
	}{
		"the second transaction does not arrive": {
			func(world) awstest.Fault { return awstest.On("TransactWriteItems", awstest.From(2, awstest.Reset)) },
			rebound{most, 250 - most}, 250 - most, rebound{250 - most, 0},
		},
		"it is throttled": {
			func(world) awstest.Fault {
				return awstest.On("TransactWriteItems", awstest.From(2, awstest.Refuse(400, "ProvisionedThroughputExceededException")))
			},
			rebound{most, 250 - most}, 250 - most, rebound{250 - most, 0},
		},
		"the schedules cannot be read again": {
			func(world) awstest.Fault {
				return awstest.On("Query", awstest.From(3, awstest.Refuse(400, "AccessDeniedException")))
			},
			rebound{2 * most, 250 - 2*most}, 250 - 2*most, rebound{250 - 2*most, 0},
		},
		"the ring cannot be read again": {
			func(world) awstest.Fault { return awstest.On("GetItem", awstest.From(2, awstest.Reset)) },
			rebound{most, 250 - most}, 250 - most, rebound{250 - most, 0},
		},
		"the second transaction's answer is lost for good": {
			lostForGood, rebound{most, 250 - most}, 250 - 2*most, rebound{250 - 2*most, 0},
		},
		"the second transaction's answer is lost once": {
			func(world) awstest.Fault { return awstest.On("TransactWriteItems", awstest.Nth(2, awstest.LoseAnswer)) },
			rebound{250, 0}, 0, rebound{0, 0},
		},
		"all keys are deleted meanwhile": {
			func(w world) awstest.Fault {
				return during(2, "TransactWriteItems", func() { w.DeleteAll(functest.Jane) })
			},
			rebound{most, 250 - most}, 250 - most, rebound{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, from := rotatedWith(t, 250)
				w.Table.Transport.SetFault(test.fault(w))
				w.want(w.rebound(from), test.first)
				if left := w.pinnedTo(from); left != test.left {
					t.Errorf("%d are left pinned, want %d", left, test.left)
				}
				if halfWay := strings.Contains(w.Logged(), "stopped half-way"); halfWay != (test.first.Remaining > 0) {
					t.Errorf("the log tells that it stopped half-way: %t", halfWay)
				}
				if w.Ring(functest.Jane).Active == nil {
					return // there is no rest
				}
				w.want(w.rebound(from), test.rest)
				w.Calm()
				w.wantWhole()
			})
		})
	}
}

// Of nothing rebound, the reason is told.
func TestRebindingThatFailsAtOnceIsRefused(t *testing.T) {
	for _, operation := range []string{"GetItem", "Query", "TransactWriteItems"} {
		synctest.Test(t, func(t *testing.T) {
			w, from := rotatedWith(t, 250)
			w.Table.Transport.SetFault(awstest.On(operation, awstest.Reset))
			w.send(rebind(from.String())).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
			if left := w.pinnedTo(from); left != 250 {
				t.Errorf("%d are left pinned", left)
			}
		})
	}
}

// A function that runs out of time answers what it has done, and in time.
func TestRebindingEndsBeforeTheFunctionDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, from := rotatedWith(t, 250)
		w.Table.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			select {
			case <-time.After(900 * time.Millisecond):
				return next()
			case <-call.Context.Done():
				return nil, call.Context.Err()
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		var got rebound
		w.SendIn(ctx, w.function(), rebind(from.String())).Must(http.StatusOK).Decode(&got)
		if ctx.Err() != nil {
			t.Error("the function has ended")
		}
		w.want(got, rebound{194, 56})
		if left := w.pinnedTo(from); left != 56 {
			t.Errorf("%d are left pinned", left)
		}
		w.want(w.rebound(from), rebound{56, 0})
	})
}

// Every schedule that is counted was pinned to the key that was Active then: the
// first transaction's wait for another rebinding, from that key.
func TestRotationAmidstARebinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, from := rotatedWith(t, 250)
		second := w.active()
		w.Table.Transport.SetFault(during(2, "TransactWriteItems", func() {
			if hit := w.Rotate(functest.Jane).Affected.Count; hit != store.MaxSchedulesPerChange {
				t.Errorf("the rotation stopped %d schedules", hit)
			}
		}))
		w.want(w.rebound(from), rebound{250, 0})
		if on := []int{w.pinnedTo(from), w.pinnedTo(second), w.pinnedTo(w.active())}; on[0] != 0 || on[1] != 97 || on[2] != 153 {
			t.Errorf("pinned to the three keys: %v", on)
		}
		w.want(w.rebound(second), rebound{97, 0})
		w.Calm()
		w.wantWhole()
	})
}

func TestBindingsAndUnbindingsAmidstARebindingAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, from := rotatedWith(t, 250)
		w.Table.Transport.SetFault(during(2, "TransactWriteItems", func() {
			w.Unbind(functest.Jane, "nightly-000")               // rebound already
			w.Unbind(functest.Jane, "nightly-100")               // about to be
			w.Bind(functest.Jane, "nightly-101", w.active())     // by somebody else
			w.Bind(functest.Jane, "nightly-249", apikey.KeyID{}) // follows now
			w.Bind(functest.Jane, "another", w.active())
		}))
		w.want(w.rebound(from), rebound{247, 0})
		bound := w.Schedules(functest.Jane)
		if len(bound) != 250 || bound["nightly-249"].Binding != apikey.FollowActive || w.pinnedTo(from) != 0 {
			t.Errorf("%d are bound, nightly-249 as %+v", len(bound), bound["nightly-249"])
		}
		w.Calm()
		w.wantWhole()
	})
}

// If-Match is for the whole rebinding: it goes on only while nobody else changes
// anything.
func TestConditionalRebindingStopsWhenAnotherChangeIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, from := rotatedWith(t, 250)
		conditional := rebind(from.String()).With("If-Match", fmt.Sprintf(`"%d"`, w.Ring(functest.Jane).Revision))
		w.Table.Transport.SetFault(during(2, "TransactWriteItems", func() { w.Bind(functest.Jane, "another", apikey.KeyID{}) }))
		w.send(conditional).Is(http.StatusOK, `{"rebound": 97, "remaining": 153}`)
		w.send(conditional).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
		conditional = rebind(from.String()).With("If-Match", fmt.Sprintf(`"%d"`, w.Ring(functest.Jane).Revision))
		w.send(conditional).Is(http.StatusOK, `{"rebound": 153, "remaining": 0}`)
	})
}

func TestTwoRebindingsAtOnceRebindEachScheduleOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, from := rotatedWith(t, 250)
		before := w.Ring(functest.Jane).Revision
		w.Table.Transport.SetFault(during(2, "TransactWriteItems", func() { w.want(w.rebound(from), rebound{153, 0}) }))
		w.want(w.rebound(from), rebound{97, 0})
		w.wantRevision(before + 3)
	})
}
