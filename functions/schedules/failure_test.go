package schedules_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// operation is a request in a world where five schedules are bound: "following",
// and "nightly-000" to "nightly-003", which are pinned to the key before.
type operation struct {
	request func(w world) functest.Request
	status  int
	// changes is how many revisions it adds.
	changes int64
	// again is the status of the same request once it has taken effect.
	again int
	// calls are those of the table.
	calls []string
}

var operations = map[string]operation{
	"bind": {
		func(w world) functest.Request { return bind("new", pinned(w.active().String())) },
		http.StatusCreated, 1, http.StatusOK, []string{"TransactGetItems", "TransactWriteItems"},
	},
	"bind anew": {
		func(world) functest.Request { return bind("nightly-000", following) },
		http.StatusOK, 1, http.StatusOK, []string{"TransactGetItems", "TransactWriteItems"},
	},
	"bind as it is": {
		func(world) functest.Request { return bind("following", following) },
		http.StatusOK, 0, http.StatusOK, []string{"TransactGetItems"},
	},
	"unbind": {
		func(world) functest.Request { return unbind("nightly-000") },
		http.StatusNoContent, 1, http.StatusNotFound, []string{"TransactGetItems", "TransactWriteItems"},
	},
	"rebind": {
		func(w world) functest.Request { return rebind(w.Ring(functest.Jane).PhasedOut[1].ID.String()) },
		http.StatusOK, 1, http.StatusOK, []string{"GetItem", "Query", "TransactWriteItems"},
	},
	"rebind from the Active key": {
		func(w world) functest.Request { return rebind(w.active().String()) },
		http.StatusOK, 0, http.StatusOK, []string{"GetItem"},
	},
	"rebind what is not pinned": {
		func(world) functest.Request { return rebind(unknownKey) },
		http.StatusOK, 0, http.StatusOK, []string{"GetItem", "Query"},
	},
	"read": {
		func(world) functest.Request { return read("following") },
		http.StatusOK, 0, http.StatusOK, []string{"BatchGetItem"},
	},
	"list": {
		func(world) functest.Request { return list },
		http.StatusOK, 0, http.StatusOK, []string{"Query", "GetItem"},
	},
}

// before is the revision in the world of the operations.
const before = 5

func operationsWorld(t *testing.T) world {
	w, _ := rotatedWith(t, 4)
	w.wantRevision(before)
	w.Calm()
	return w
}

// The cost of each operation, in calls. Secrets Manager is never one of them.
func TestCallsOfEachOperation(t *testing.T) {
	for name, o := range operations {
		t.Run(name, func(t *testing.T) {
			w := operationsWorld(t)
			request := o.request(w)
			w.Calm()
			w.send(request).Must(o.status)
			w.WantCalls(o.calls...)
			w.wantRevision(before + o.changes)
		})
	}
	// Who has bound no schedule has none to rebind, and none is looked for.
	w := newWorld(t)
	w.send(rebind(unknownKey)).Must(http.StatusOK)
	w.WantCalls("GetItem")
}

// Every call of every operation goes wrong in every way, once or from then on: the
// answer is the operation's own or 503, nothing is half done, and the same request
// made again has the one effect.
func TestNothingIsHalfDoneWhateverCallFails(t *testing.T) {
	faults := map[string]awstest.Fault{
		"is reset":        awstest.Reset,
		"loses an answer": awstest.LoseAnswer,
		"fails":           awstest.Refuse(http.StatusInternalServerError, "InternalServerError"),
		"is throttled":    awstest.Refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
		"is denied":       awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
	}
	for name, o := range operations {
		for how, fault := range faults {
			for call := range o.calls {
				for howLong, at := range map[string]func(int, awstest.Fault) awstest.Fault{"once": awstest.Nth, "for good": awstest.From} {
					t.Run(fmt.Sprintf("%s: call %d %s, %s", name, call+1, how, howLong), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							o.underFault(operationsWorld(t), at(call+1, fault))
						})
					})
				}
			}
		}
	}
}

func (o operation) underFault(w world, fault awstest.Fault) {
	w.t.Helper()
	request := o.request(w)
	w.Table.Transport.SetFault(fault)
	got := w.send(request)
	w.Calm()
	made := w.Ring(functest.Jane).Revision - before
	switch {
	case got.Status != o.status:
		got.Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
	case made != o.changes:
		w.t.Errorf("answered %d, and %d changes were made", got.Status, made)
	}
	want := o.status
	switch made {
	case 0:
	case o.changes:
		want = o.again
	default:
		w.t.Fatalf("%d changes were made", made)
	}
	w.wantWhole()
	w.send(request).Must(want)
	w.wantRevision(before + o.changes)
}

// Lambda may deliver an event more than once, and late: what others have changed
// since must stay as it is.
func TestEventDeliveredTwiceHasTheEffectOfOne(t *testing.T) {
	for name, test := range map[string]struct {
		given     func(w world)
		event     functest.Request
		first     int
		meanwhile func(w world)
		again     int
		// left is the schedule's description then; "-" is no schedule.
		left string
	}{
		"a new binding, at once": {
			func(world) {}, bind("nightly", `{"description":"one"}`), http.StatusCreated, func(world) {}, http.StatusOK, "one",
		},
		"a new binding, unbound since": {
			func(world) {}, bind("nightly", `{"description":"one"}`), http.StatusCreated,
			func(w world) { w.send(unbind("nightly")).Must(http.StatusNoContent) }, http.StatusOK, "-",
		},
		"a new binding, bound anew since": {
			func(world) {}, bind("nightly", `{"description":"one"}`), http.StatusCreated,
			func(w world) { w.send(bind("nightly", `{"description":"two"}`)).Must(http.StatusOK) }, http.StatusOK, "two",
		},
		"with If-Match": {
			func(world) {}, bind("nightly", `{"description":"one"}`).With("If-Match", `"2"`), http.StatusCreated,
			func(w world) { w.send(bind("nightly", `{"description":"two"}`)).Must(http.StatusOK) }, http.StatusOK, "two",
		},
		"an unbinding, at once": {
			func(w world) { w.bindAll("nightly") }, unbind("nightly"), http.StatusNoContent, func(world) {}, http.StatusNoContent, "-",
		},
		"an unbinding, bound since": {
			func(w world) { w.bindAll("nightly") }, unbind("nightly"), http.StatusNoContent,
			func(w world) { w.send(bind("nightly", `{"description":"two"}`)).Must(http.StatusCreated) }, http.StatusNoContent, "two",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test.given(w)
			event, function := test.event.Event(), w.function()
			first := w.Deliver(function, event).Must(test.first)
			test.meanwhile(w)
			revision := w.Ring(functest.Jane).Revision
			again := w.Deliver(function, event).Must(test.again)
			if test.first == http.StatusCreated {
				if diff := cmp.Diff(w.shown(first), w.shown(again)); diff != "" {
					t.Errorf("answered (-) and then (+): %s", diff)
				}
			}
			w.wantRevision(revision)
			got := "-"
			if s, bound := w.Schedules(functest.Jane)["nightly"]; bound {
				got = s.Description
			}
			if got != test.left {
				t.Errorf("the schedule is %q, want %q", got, test.left)
			}
		})
	}
}

func TestEventDeliveredTwiceAtOnceHasTheEffectOfOne(t *testing.T) {
	for _, request := range []functest.Request{bind("new", following), bind("following", `{"description":"x"}`), unbind("nightly-000")} {
		synctest.Test(t, func(t *testing.T) {
			w := operationsWorld(t)
			event, function := request.Event(), w.function()
			w.Table.Transport.SetFault(during(1, "TransactWriteItems", func() {
				if got := w.Deliver(function, event); got.Status >= http.StatusMultipleChoices {
					t.Errorf("answered %d %s", got.Status, got.Body)
				}
			}))
			if got := w.Deliver(function, event); got.Status >= http.StatusMultipleChoices {
				t.Errorf("answered %d %s", got.Status, got.Body)
			}
			w.wantRevision(before + 1)
		})
	}
}

// A client that passes on the headers that it got gives all its requests one id; the
// gateway gives each its own.
func TestRequestsUnderOneIDAreNotTakenForEachOther(t *testing.T) {
	w := newWorld(t)
	for i, request := range []functest.Request{bind("one", following), bind("two", following), unbind("one"), unbind("two")} {
		event := request.Event()
		event.RequestContext.ExtendedRequestID = fmt.Sprintf("QkD0%dHCPIAMEfzg=", i)
		if got := w.Deliver(w.function(), event); got.Status != http.StatusCreated && got.Status != http.StatusNoContent {
			t.Errorf("answered %d %s", got.Status, got.Body)
		}
	}
	w.wantRevision(6)
}

// A key that is not Active gets no new schedules, so there is nothing that a second
// delivery could rebind.
func TestRebindingDeliveredTwiceRebindsOnce(t *testing.T) {
	w, from := rotatedWith(t, 2)
	event, function := rebind(from.String()).Event(), w.function()
	w.Deliver(function, event).Is(http.StatusOK, `{"rebound": 2, "remaining": 0}`)
	w.Rotate(functest.Jane)
	revision := w.Ring(functest.Jane).Revision
	w.Deliver(function, event).Is(http.StatusOK, `{"rebound": 0, "remaining": 0}`)
	w.wantRevision(revision)
}

// Idempotency-Key is for creates and rotations: elsewhere it neither repeats an
// answer nor refuses one, whatever it was used for and whatever it looks like.
func TestIdempotencyKeyMeansNothingHere(t *testing.T) {
	w := newWorld(t)
	key := func(r functest.Request) functest.Request { return r.With("Idempotency-Key", "no key of creates") }
	w.send(key(bind("nightly", `{"description":"one"}`))).Must(http.StatusCreated)
	w.send(key(bind("nightly", `{"description":"two"}`))).Must(http.StatusOK)
	w.send(key(bind("hourly", following))).Must(http.StatusCreated)
	w.send(key(unbind("nightly"))).Must(http.StatusNoContent)
	w.send(key(unbind("nightly"))).Refused(http.StatusNotFound, apikey.CodeScheduleNotFound)
	w.send(key(rebind(w.phasedOut().String()))).Must(http.StatusOK)
	w.wantRevision(6)
}

// A schedule that cannot be decoded is a defect of ours and is not guessed at.
func TestScheduleThatCannotBeReadIsADefect(t *testing.T) {
	w := operationsWorld(t)
	w.Table.Transport.SetFault(func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		response, err := next()
		if err != nil {
			return nil, err
		}
		return replaced(response, `"follow_active"`, `"floating"`)
	})
	for _, request := range []functest.Request{read("following"), list, bind("following", `{"description":"x"}`), unbind("following"), rebind(unknownKey)} {
		w.send(request).Refused(http.StatusInternalServerError, apikey.CodeInternal)
	}
	w.wantRevision(before)
	if !strings.Contains(w.Logged(), `"level":"ERROR"`) {
		t.Error("the log does not tell")
	}
}
