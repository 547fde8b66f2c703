package schedules_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

func TestUnboundScheduleIsGone(t *testing.T) {
	w := newWorld(t)
	w.send(bind("nightly", pinned(w.active().String()))).Must(http.StatusCreated)
	got := w.send(unbind("nightly")).Must(http.StatusNoContent)
	if got.Body != "" || got.Headers["Content-Type"] != "" {
		t.Errorf("answered %q, %v", got.Body, got.Headers)
	}
	w.wantRevision(4)
	w.send(read("nightly")).Refused(http.StatusNotFound, apikey.CodeScheduleNotFound)
	w.send(unbind("nightly")).Refused(http.StatusNotFound, apikey.CodeScheduleNotFound)
	w.send(list).Is(http.StatusOK, `{"schedules": [], "nextCursor": null}`)
	w.wantRevision(4)
	w.send(bind("nightly", following)).Must(http.StatusCreated)
}

// The event has the schedule as it was bound, or as it was when it was unbound.
func TestEveryChangeOfAScheduleIsAnnounced(t *testing.T) {
	w := newWorld(t)
	w.send(bind("nightly", `{"description":"every night"}`)).Must(http.StatusCreated)
	bound := w.LastChange(functest.Jane)
	w.Pass(time.Hour)
	w.send(unbind("nightly")).Must(http.StatusNoContent)
	unbound := w.LastChange(functest.Jane)
	if bound.Type != apikey.EventScheduleBound || bound.Revision != 3 || unbound.Type != apikey.EventScheduleUnbound || unbound.Revision != 4 {
		t.Errorf("announced %+v and %+v", bound, unbound)
	}
	want := []apikey.Schedule{{
		ID: "nightly", Binding: apikey.FollowActive, Description: "every night", BoundAt: functest.InvokedAt, Revision: 3,
	}}
	for _, event := range []apikey.Event{bound, unbound} {
		if diff := cmp.Diff(want, event.Schedules); diff != "" {
			t.Errorf("%s: %s", event.Type, diff)
		}
		if event.Actor != (apikey.Actor{Kind: apikey.ActorUser, ID: functest.Jane.IAMID}) || event.CorrelationID == "" || len(event.Keys) != 0 {
			t.Errorf("announced: %+v", event)
		}
	}
}

func TestIfMatchIsHonoured(t *testing.T) {
	w := newWorld(t)
	w.Bind(functest.Jane, "nightly", w.active())
	w.Rotate(functest.Jane)
	for _, request := range []functest.Request{
		bind("nightly", following), bind("other", following), unbind("nightly"), unbind("other"), rebind(w.phasedOut().String()), rebind(unknownKey),
	} {
		for _, stale := range []string{`"3"`, `"5"`, `"04"`, `W/"4"`, `"99999999999999999999"`} {
			w.send(request.With("If-Match", stale)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
		}
	}
	w.wantRevision(4)
	from := w.Ring(functest.Jane).PhasedOut[1].ID.String()
	w.send(rebind(from).With("If-Match", `"4"`)).Is(http.StatusOK, `{"rebound":1,"remaining":0}`)
	tag := w.send(bind("nightly", following).With("If-Match", `"5"`)).Must(http.StatusOK).Headers["ETag"]
	tag = w.send(bind("other", following).With("If-Match", tag)).Must(http.StatusCreated).Headers["ETag"]
	w.send(unbind("other").With("If-Match", `"1", `+tag)).Must(http.StatusNoContent)
	w.send(unbind("nightly").With("If-Match", `*`)).Must(http.StatusNoContent)
	w.wantRevision(9)
}

func TestThousandSchedulesAreEnough(t *testing.T) {
	w := newWorld(t)
	w.BindMany(functest.Jane, ids(apikey.MaxSchedules), apikey.KeyID{})
	w.send(bind("one-more", following)).Refused(http.StatusConflict, apikey.CodeTooManySchedules)
	w.send(bind("nightly-007", pinned(w.active().String()))).Must(http.StatusOK)
	w.send(bind("nightly-007", pinned(w.active().String()))).Must(http.StatusOK)
	w.send(w.asColleague(bind("one-more", following))).Must(http.StatusCreated)
	w.send(unbind("nightly-008")).Must(http.StatusNoContent)
	w.send(bind("one-more", following)).Must(http.StatusCreated)
	w.send(bind("nightly-008", following)).Refused(http.StatusConflict, apikey.CodeTooManySchedules)
	w.wantRevision(2 + 11 + 3)
}

// Whatever changes at the same time, a PUT is answered by one state of things.
func TestBindingThatLosesARaceIsJudgedAnew(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(w world)
		body      func(w world) string
		status    int
		state     apikey.ScheduleState
	}{
		"a rotation, to the key of before": {
			func(w world) { w.Rotate(functest.Jane) }, func(w world) string { return pinned(w.active().String()) }, http.StatusConflict, "",
		},
		"a rotation, following": {
			func(w world) { w.Rotate(functest.Jane) }, func(world) string { return following }, http.StatusCreated, apikey.ScheduleReady,
		},
		"a deletion of all keys, following": {
			func(w world) { w.DeleteAll(functest.Jane); w.Create(functest.Jane) }, func(world) string { return following }, http.StatusCreated, apikey.ScheduleReady,
		},
		"the same binding": {
			func(w world) { w.Bind(functest.Jane, "nightly", apikey.KeyID{}) }, func(world) string { return following }, http.StatusOK, apikey.ScheduleReady,
		},
		"another binding": {
			func(w world) { w.Bind(functest.Jane, "nightly", w.active()) }, func(world) string { return following }, http.StatusOK, apikey.ScheduleReady,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				request := bind("nightly", test.body(w))
				w.Table.Transport.SetFault(during(1, "TransactWriteItems", func() { test.meanwhile(w) }))
				got := w.send(request).Must(test.status)
				if s := w.shown(got); s.State != test.state {
					t.Errorf("answered %+v", s)
				}
				w.Calm()
				w.wantWhole()
			})
		})
	}
}

func TestUnbindingThatLosesARaceIsJudgedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Bind(functest.Jane, "nightly", w.active())
		w.Table.Transport.SetFault(during(1, "TransactWriteItems", func() { w.Unbind(functest.Jane, "nightly") }))
		w.send(unbind("nightly")).Refused(http.StatusNotFound, apikey.CodeScheduleNotFound)
		w.wantRevision(4)
		w.Bind(functest.Jane, "nightly", w.active())
		w.Table.Transport.SetFault(during(1, "TransactWriteItems", func() { w.Bind(functest.Jane, "nightly", apikey.KeyID{}) }))
		w.send(unbind("nightly").With("If-Match", `"5"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
		w.wantRevision(6)
		w.Table.Transport.SetFault(during(1, "TransactWriteItems", func() { w.Bind(functest.Jane, "nightly", w.active()) }))
		w.send(unbind("nightly")).Must(http.StatusNoContent)
		w.wantRevision(8)
	})
}

// Every change is counted once, whoever wins.
func TestManyChangesAtOnceLeaveTheCountsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		active := w.active().String()
		api := w.function()
		var group sync.WaitGroup
		for i := range 30 {
			id := fmt.Sprint("nightly-", i%5)
			event := []functest.Request{bind(id, following), bind(id, pinned(active)), unbind(id)}[i%3].Event()
			event.RequestContext.RequestID = fmt.Sprint("request-", i)
			group.Go(func() {
				switch got := w.Deliver(api, event); got.Status {
				case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusNotFound:
				case http.StatusConflict:
					got.Refused(http.StatusConflict, apikey.CodeConflict)
				default:
					t.Errorf("answered %d %s", got.Status, got.Body)
				}
			})
		}
		group.Wait()
		w.Calm()
		w.wantWhole()
	})
}
