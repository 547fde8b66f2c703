package lifecycle_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
)

// byAdministrator is a request of another user of the account's.
func (w *world) byAdministrator(deliveryKey string) apikey.ChangeRequest {
	return apikey.ChangeRequest{
		Owner: w.owner, Actor: apikey.Actor{Kind: apikey.ActorAdministrator, ID: "IBMid-ADMINISTRATOR"},
		CorrelationID: "request-2", DeliveryKey: deliveryKey,
	}
}

func (w *world) suspend(deliveryKey string) lifecycle.Deleted {
	w.t.Helper()
	deleted, err := w.Suspend(w.t.Context(), w.byAdministrator(deliveryKey))
	if err != nil {
		w.t.Fatal(err)
	}
	return deleted
}

func (w *world) reinstate(deliveryKey string) apikey.Ring {
	w.t.Helper()
	ring, err := w.Reinstate(w.t.Context(), w.byAdministrator(deliveryKey))
	if err != nil {
		w.t.Fatal(err)
	}
	return ring
}

func (w *world) deleteAll() {
	w.t.Helper()
	must(w, func() error {
		_, err := w.DeleteAll(w.t.Context(), w.request(""))
		return err
	})
}

func TestOffBoardingDeletesEveryKeyAndTellsWhatItStops(t *testing.T) {
	w := newWorld(t)
	first := w.create().Key
	w.bind("nightly", first.ID)
	w.run(first.ID, "run-1", time.Hour)
	second := w.rotate().Key
	w.run(second.ID, "run-2", time.Hour)
	w.noFaults()
	deleted := w.suspend("")
	if diff := cmp.Diff([]string{"GetItem", "GetItem", "Query", "Query", "TransactWriteItems", "DeleteSecret"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got): %s", diff)
	}
	if len(deleted.Keys) != 2 || deleted.Revision != 4 || deleted.Affected.RunCount != 2 || deleted.Affected.Schedules.Count != 1 {
		t.Errorf("answered %+v", deleted)
	}
	ring, change := w.ring(), w.lastChange()
	if ring.Active != nil || len(ring.PhasedOut) != 0 || !ring.Suspended || ring.Revision != 4 {
		t.Errorf("the ring is %+v", ring)
	}
	if change.Type != apikey.EventOwnerSuspended || change.Actor != w.byAdministrator("").Actor || len(change.Keys) != 2 ||
		change.AffectedRuns != 2 || change.AffectedSchedules.Count != 1 {
		t.Errorf("announced as %+v", change)
	}
	if names := w.secrets.Names(); len(names) != 0 {
		t.Errorf("secrets: %v", names)
	}
	if _, err := w.Create(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeOwnerSuspended {
		t.Errorf("create is answered %v", err)
	}
}

func TestReinstatementLetsTheUserMakeAKeyAgain(t *testing.T) {
	w := newWorld(t)
	w.create()
	w.suspend("")
	w.noFaults()
	ring := w.reinstate("")
	if diff := cmp.Diff([]string{"GetItem", "GetItem", "TransactWriteItems"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got): %s", diff)
	}
	if ring.Suspended || ring.Revision != 3 || w.lastChange().Type != apikey.EventOwnerReinstated {
		t.Errorf("answered %+v", ring)
	}
	w.create()
	w.checkSecret()
}

func TestNobodyIsOffBoardedWhoNeverHadAKey(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Suspend(t.Context(), w.byAdministrator("delivery-1")); apikey.CodeOf(err) != apikey.CodeUserNotFound {
		t.Errorf("suspension: %v", err)
	}
	if _, err := w.Reinstate(t.Context(), w.byAdministrator("delivery-2")); apikey.CodeOf(err) != apikey.CodeUserNotFound {
		t.Errorf("reinstatement: %v", err)
	}
	if items := w.table.Items(); len(items) != 0 {
		t.Errorf("written: %v", items)
	}
}

// One delivery is one change, however often it arrives and whatever came between.
func TestADeliveryThatComesTwiceUndoesNothingThatCameBetween(t *testing.T) {
	w := newWorld(t)
	w.create()
	first := w.suspend("delivery-1")
	w.reinstate("delivery-2")
	created := w.create()
	again := w.suspend("delivery-1")
	if diff := cmp.Diff(first.Keys, again.Keys); diff != "" || again.Revision != first.Revision {
		t.Errorf("answered revision %d, and %s", again.Revision, diff)
	}
	if ring := w.ring(); ring.Suspended || ring.Active == nil || ring.Active.ID != created.Key.ID {
		t.Errorf("the ring is %+v", ring)
	}
	w.suspend("delivery-3")
	w.reinstate("delivery-2")
	if ring := w.ring(); !ring.Suspended || ring.Revision != 5 {
		t.Errorf("the ring is %+v", ring)
	}
}

func TestSuspendingTwiceAndReinstatingTwiceIsOneChangeEach(t *testing.T) {
	w := newWorld(t)
	w.create()
	w.suspend("")
	if again := w.suspend(""); len(again.Keys) != 0 || again.Revision != 2 {
		t.Errorf("answered %+v", again)
	}
	w.reinstate("")
	if ring := w.reinstate(""); ring.Revision != 3 || ring.Suspended {
		t.Errorf("answered %+v", ring)
	}
}

func TestOffBoardingHonoursIfMatch(t *testing.T) {
	w := newWorld(t)
	w.create()
	stale := w.byAdministrator("")
	stale.ExpectedRevisions = []int64{7}
	if _, err := w.Suspend(t.Context(), stale); apikey.CodeOf(err) != apikey.CodeRevisionMismatch {
		t.Errorf("suspension: %v", err)
	}
	if _, err := w.Reinstate(t.Context(), stale); apikey.CodeOf(err) != apikey.CodeRevisionMismatch {
		t.Errorf("reinstatement: %v", err)
	}
	stale.ExpectedRevisions = []int64{1}
	if _, err := w.Suspend(t.Context(), stale); err != nil {
		t.Errorf("suspension at the revision: %v", err)
	}
}

func TestSecretsManagerDownDoesNotStopOffBoarding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create()
		w.secrets.Transport.SetFault(awstest.Reset)
		w.suspend("")
		if ring := w.ring(); ring.Active != nil || !ring.Suspended {
			t.Errorf("the ring is %+v", ring)
		}
		if change := w.lastChange(); change.SecretARN == "" {
			t.Error("the event does not name the secret that the relay is to delete")
		}
	})
}

// Whatever the user does at the same time, no key is left that works.
func TestNothingThatTheUserDoesAtTheSameTimeSavesAKey(t *testing.T) {
	for name, c := range map[string]struct {
		given, meanwhile func(*world)
	}{
		"create":      {func(w *world) { w.create(); w.deleteAll() }, func(w *world) { w.create() }},
		"rotate":      {func(w *world) { w.create() }, func(w *world) { w.rotate() }},
		"delete all":  {func(w *world) { w.create() }, func(w *world) { w.deleteAll() }},
		"made anew":   {func(w *world) { w.create() }, func(w *world) { w.deleteAll(); w.create() }},
		"a policy":    {func(w *world) { w.create() }, func(w *world) { w.setPolicy(ofDeployment) }},
		"the clock":   {func(w *world) { w.create(); w.inDays(90) }, func(w *world) { _, _ = w.rotateDue(w.ring().Active.ID) }},
		"suspend too": {func(w *world) { w.create() }, func(w *world) { w.suspend("") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.given(w)
			w.meanwhile("TransactWriteItems", func() { c.meanwhile(w) })
			w.suspend("")
			if ring := w.ring(); ring.Active != nil || len(ring.PhasedOut) != 0 || !ring.Suspended {
				t.Errorf("the ring is %+v", ring)
			}
			if names := w.secrets.Names(); len(names) != 0 {
				t.Errorf("secrets: %v", names)
			}
		})
	}
}

// A create or rotation that began before the suspension loses to it, and takes
// back what it put.
func TestAChangeThatLosesToTheSuspensionMakesNoKey(t *testing.T) {
	for name, c := range map[string]struct {
		given func(*world)
		do    func(*world) error
		at    string
		want  apikey.Code
	}{
		"create, at its commit": {
			func(w *world) { w.create(); w.deleteAll() }, (*world).tryCreate, "TransactWriteItems", apikey.CodeOwnerSuspended,
		},
		"create, at its material": {
			func(w *world) { w.create(); w.deleteAll() }, (*world).tryCreate, "CreateSecret", apikey.CodeOwnerSuspended,
		},
		"rotation, at its commit":   {func(w *world) { w.create() }, (*world).tryRotate, "TransactWriteItems", apikey.CodeNoActiveKey},
		"rotation, at its material": {func(w *world) { w.create() }, (*world).tryRotate, "PutSecretValue", apikey.CodeNoActiveKey},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.given(w)
			w.meanwhile(c.at, func() { w.suspend("") })
			if err := c.do(w); apikey.CodeOf(err) != c.want {
				t.Errorf("answered %v, want %s", err, c.want)
			}
			if ring := w.ring(); ring.Active != nil || !ring.Suspended {
				t.Errorf("the ring is %+v", ring)
			}
			if names := w.secrets.Names(); len(names) != 0 {
				t.Errorf("secrets: %v", names)
			}
		})
	}
}

func (w *world) tryCreate() error {
	_, err := w.Create(w.t.Context(), w.request(""))
	return err
}

func (w *world) tryRotate() error {
	_, err := w.Rotate(w.t.Context(), w.request(""))
	return err
}
