package store_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// walker is a scene with a clock of its own.
type walker struct {
	*scene

	at time.Time
}

func newWalker(t *testing.T) *walker {
	w := &walker{at: time.Date(2026, 11, 3, 23, 50, 0, 0, time.UTC)}
	w.scene = newSceneAt(t, func() time.Time { return w.at })
	return w
}

func (w *walker) today() store.Walk {
	w.t.Helper()
	walk, err := w.store.DailyWalk(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return walk
}

func (w *walker) advance(walk store.Walk) store.Walk {
	w.t.Helper()
	walk, err := w.store.AdvanceWalk(w.t.Context(), walk)
	if err != nil {
		w.t.Fatal(err)
	}
	return walk
}

// goOn advances a walk to where it goes on; "" is its end.
func (w *walker) goOn(walk store.Walk, token string) store.Walk {
	w.t.Helper()
	walk.Token, walk.Done = token, token == ""
	return w.advance(walk)
}

func (w *walker) want(when string, got, want store.Walk) {
	w.t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(store.Walk{})); diff != "" {
		w.t.Errorf("%s (-want +got): %s", when, diff)
	}
}

func TestAWalkGoesOnWhereItWasBrokenOffAndIsMadeOnceADay(t *testing.T) {
	w := newWalker(t)
	walk := w.today()
	w.want("never walked", walk, store.Walk{Day: "2026-11-03"})
	w.goOn(walk, "page 2")
	w.want("broken off", w.today(), store.Walk{Day: "2026-11-03", Pages: 1, Token: "page 2"})
	walk = w.goOn(w.today(), "page 3")
	w.want("gone on", walk, store.Walk{Day: "2026-11-03", Pages: 2, Token: "page 3"})
	w.goOn(walk, "")
	w.want("done", w.today(), store.Walk{Day: "2026-11-03", Pages: 3, Done: true})

	w.at = w.at.Add(10 * time.Minute)
	w.want("the next day", w.today(), store.Walk{Day: "2026-11-04"})
	w.goOn(w.today(), "page 2")
	w.want("begun", w.today(), store.Walk{Day: "2026-11-04", Pages: 1, Token: "page 2"})
	w.at = w.at.Add(24 * time.Hour)
	w.want("not finished", w.today(), store.Walk{Day: "2026-11-05"})
}

func TestAWalkIsOneReadAndOneWriteAPage(t *testing.T) {
	w := newWalker(t)
	walk := w.today()
	w.wantCalls("read", "GetItem", 1)
	w.goOn(w.goOn(walk, "page 2"), "")
	w.wantCalls("two pages", "PutItem", 2)
}

// Of two who walk at once, the quicker one goes on; the other stops, and spoils
// nothing.
func TestASlowerWalkerStops(t *testing.T) {
	w := newWalker(t)
	quick, slow := w.today(), w.today()
	quick = w.goOn(w.goOn(quick, "page 2"), "page 3")
	if slow = w.goOn(slow, "page 2"); !slow.Done {
		t.Error("the slower one goes on")
	}
	w.want("after it", w.today(), quick)
	w.want("the same page", w.goOn(w.today(), "page 4"), store.Walk{Day: "2026-11-03", Pages: 3, Token: "page 4"})
	if again := w.goOn(quick, "page 4"); !again.Done {
		t.Error("a page was done twice, and both go on")
	}
}

// Nor does one of yesterday, or by a clock that was set back.
func TestDaysOfAWalkDoNotGoBack(t *testing.T) {
	w := newWalker(t)
	yesterday := w.goOn(w.today(), "page 2")
	w.at = w.at.Add(time.Hour)
	today := w.goOn(w.today(), "page 2")
	if late := w.goOn(yesterday, "page 3"); !late.Done {
		t.Error("yesterday's goes on")
	}
	w.at = w.at.Add(-time.Hour)
	w.want("by a clock that was set back", w.today(), today)
}

// What cannot be read is walked anew, to its end.
func TestADamagedWalkIsWalkedAnew(t *testing.T) {
	for name, spoil := range map[string]func(attributes){
		"without a day":       without("day"),
		"a day is no date":    with("day", "S", "tomorrow"),
		"a day is a number":   with("day", "N", "20261103"),
		"without pages":       without("pages"),
		"pages are a text":    with("pages", "S", "2"),
		"half a page":         with("pages", "N", "1.5"),
		"without a token":     without("token"),
		"a token is a number": with("token", "N", "2"),
		"without an end":      without("done"),
		"an end is a text":    with("done", "S", "no"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalker(t)
			w.goOn(w.goOn(w.today(), "page 2"), "page 3")
			item := attributes{
				"pk": attributes{"S": "SWEEP"}, "sk": attributes{"S": "SECRETS"}, "day": attributes{"S": "2026-11-03"},
				"pages": attributes{"N": "2"}, "token": attributes{"S": "page 3"}, "done": attributes{"BOOL": false},
			}
			spoil(item)
			w.send("PutItem", encoded(t, attributes{"TableName": storetest.Table, "Item": item}))
			walk := w.today()
			w.want("damaged", walk, store.Walk{Day: "2026-11-03"})
			walk = w.goOn(walk, "page 2")
			w.want("begun", walk, store.Walk{Day: "2026-11-03", Pages: 1, Token: "page 2"})
			w.want("on record", w.today(), walk)
			w.want("done", w.goOn(walk, ""), store.Walk{Day: "2026-11-03", Pages: 2, Done: true})
			w.want("on record", w.today(), store.Walk{Day: "2026-11-03", Pages: 2, Done: true})
		})
	}
}

func TestWalksUnderFaults(t *testing.T) {
	for name, test := range everyFault {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWalker(t)
				walk := w.goOn(w.today(), "page 2")
				w.engine.Transport.SetFault(test.fault())
				got, err := w.store.DailyWalk(t.Context())
				if apikey.CodeOf(err) != test.code || (got.Pages == 1) != (err == nil) {
					t.Errorf("read as %+v, %v", got, err)
				}
				w.engine.Transport.SetFault(test.fault())
				walk.Token = "page 3"
				got, err = w.store.AdvanceWalk(t.Context(), walk)
				if apikey.CodeOf(err) != test.code {
					t.Errorf("advanced to %+v, %v", got, err)
				}
				w.engine.Transport.SetFault(nil)
				lost := name == "loses all answers" || name == "loses one answer"
				// An answer that was lost looks as if somebody else had been quicker: the
				// walk ends here, and goes on at the next run.
				if err == nil && got.Done != lost {
					t.Errorf("advanced to %+v", got)
				}
				if wrote := w.today().Pages == 2; wrote != (err == nil || lost) {
					t.Errorf("on record is %+v", w.today())
				}
			})
		})
	}
}

func TestAWalkStopsWithItsRequest(t *testing.T) {
	w := newWalker(t)
	walk := w.today()
	w.engine.Transport.TakeCalls()
	ctx, cancel := context.WithCancel(t.Context())
	w.engine.Transport.SetFault(awstest.On("PutItem", cancelling(cancel)))
	if _, err := w.store.AdvanceWalk(ctx, walk); apikey.CodeOf(err) != apikey.CodeUnavailable {
		t.Errorf("answered %v", err)
	}
	w.wantCalls("the request is over", "PutItem", 1)
}
