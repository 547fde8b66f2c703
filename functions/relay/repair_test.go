package relay_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
)

func TestRelayFinishesWhatAChangeLeftToDo(t *testing.T) {
	ada := storetest.NewOwner(t)
	for name, change := range map[string]func(*world){
		"rotation":          func(w *world) { w.Rotate(ada) },
		"many rotations":    func(w *world) { w.Rotate(ada); w.Rotate(ada); w.Rotate(ada) },
		"deletion of one":   func(w *world) { w.Rotate(ada); w.DeleteOne(ada, w.Ring(ada).PhasedOut[0].ID) },
		"deletion of all":   func(w *world) { w.DeleteAll(ada) },
		"off-boarding":      func(w *world) { w.Suspend(ada) },
		"all and a new one": func(w *world) { w.DeleteAll(ada); w.Create(ada) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Create(ada)
			w.Rotate(ada)
			w.breakOff(func() { change(w) })
			if failed := w.deliver(w.stream.Next()); failed != "" {
				t.Errorf("reported %s", failed)
			}
			w.wantRepaired(ada)
			want := 0
			if w.Ring(ada).Active != nil {
				want = 1
			}
			if names := w.Secrets.Names(); len(names) != want {
				t.Errorf("secrets: %v, want %d", names, want)
			}
		})
	}
}

// The stages are the ring's, whatever a record says, and however late it comes.
func TestLateRecordMovesNoStageBack(t *testing.T) {
	w := newWorld(t)
	ada := storetest.NewOwner(t)
	w.Create(ada)
	w.Rotate(ada)
	late := w.stream.Next()
	w.Rotate(ada)
	before := w.Secrets.Labels(w.Ring(ada).SecretARN)
	for _, batch := range []records{late, {late[1]}, {late[0]}, {late[1], late[0], late[1]}} {
		w.Calm()
		if failed := w.deliver(batch); failed != "" {
			t.Errorf("reported %s", failed)
		}
		for _, call := range w.Secrets.Transport.TakeCalls() {
			if call != "DescribeSecret" {
				t.Errorf("there is nothing to do, and it calls %s", call)
			}
		}
	}
	if diff := cmp.Diff(before, w.Secrets.Labels(w.Ring(ada).SecretARN)); diff != "" {
		t.Errorf("labels before (-) and after (+): %s", diff)
	}
}

// A deletion that comes late, or that names a secret that it never deleted, takes no
// secret that the ring names.
func TestLateDeletionOfAllTakesNoNewSecret(t *testing.T) {
	w := newWorld(t)
	ada := storetest.NewOwner(t)
	w.Create(ada)
	w.DeleteAll(ada)
	late := w.stream.Next()
	w.Create(ada)
	arn := w.Ring(ada).SecretARN
	forged := late[1]
	forged.Change.NewImage = maps.Clone(late[1].Change.NewImage)
	forged.Change.NewImage["secretArn"] = events.NewStringAttribute(arn)
	if failed := w.deliver(records{late[1], forged, late[0]}); failed != "" {
		t.Errorf("reported %s", failed)
	}
	if w.Secrets.Labels(arn) == nil {
		t.Error("the new secret was deleted")
	}
	w.wantRepaired(ada)
}

func TestSecretIsRepairedOncePerOwnerAndOnlyWhenKeysChanged(t *testing.T) {
	w := newWorld(t)
	w.JaneHasSchedules()
	ada := storetest.NewOwner(t)
	w.Create(ada)
	batch := w.stream.Next()
	w.Calm()
	w.deliver(batch)
	if calls := w.Secrets.Transport.TakeCalls(); len(calls) != 2 {
		t.Errorf("of two owners in %d records: %v", len(batch), calls)
	}
	w.deliver(slices.DeleteFunc(batch, func(r record) bool {
		return !strings.Contains(r.Change.NewImage["type"].String(), "Schedule")
	}))
	if calls := w.Secrets.Transport.TakeCalls(); len(calls) != 0 {
		t.Errorf("of schedules: %v", calls)
	}
}

func iamIDOf(r record) string { return r.Change.NewImage["owner"].Map()["iamId"].String() }

// failFor fails the calls that concern the owner's secret.
func (w *world) failFor(owner apikey.Owner, fault awstest.Fault) {
	w.Secrets.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if strings.Contains(string(call.Body), owner.Locator().String()) {
			return fault(call, next)
		}
		return next()
	})
}

func TestSecretThatCannotBeRepairedNowHoldsBackItsOwnRecordsOnly(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"throttled":     awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
		"access denied": awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
		"a defect":      func(call awstest.Call, _ func() (*http.Response, error)) (*http.Response, error) { panic(call) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				owners, _ := w.owners(5)
				w.breakOffRotations(owners)
				batch := w.stream.Next()
				isIll := func(owner apikey.Owner) bool { return owner.IAMID == iamIDOf(batch[2]) }
				ill := owners[slices.IndexFunc(owners, isIll)]
				w.failFor(ill, fault)
				if failed := w.deliver(batch); failed != batch[2].Change.SequenceNumber {
					t.Errorf("reported %q", failed)
				}
				if diff := cmp.Diff(announcedBy(batch), w.arrived()); diff != "" {
					t.Errorf("committed (-) and announced (+): %s", diff)
				}
				for _, owner := range slices.DeleteFunc(slices.Clone(owners), isIll) {
					w.wantRepaired(owner)
				}
				w.Calm()
				if failed := w.deliver(batch[2:]); failed != "" {
					t.Errorf("then: reported %q", failed)
				}
				w.wantRepaired(ill)
			})
		})
	}
}

// Records come again, perhaps for hours; who reads mail gets one for each change.
// Another instance does not know, so consumers go by the id all the same.
func TestOneInstanceAnnouncesARecordOnce(t *testing.T) {
	w := newWorld(t)
	owners, batch := w.owners(3)
	w.failFor(owners[0], awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"))
	for range 5 {
		if failed := w.deliver(batch); failed == "" {
			t.Fatal("all is done")
		}
	}
	if arrived := w.arrived(); len(arrived) != 3 {
		t.Errorf("delivered five times: %v", arrived)
	}
	w.Calm()
	w.restart()
	if failed := w.deliver(batch); failed != "" || len(w.arrived()) != 6 {
		t.Errorf("by another instance: reported %q, %v", failed, w.arrived())
	}
}

// What was not taken, or whose answer was lost, is announced again.
func TestWhatMayNotHaveArrivedIsAnnouncedAgain(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{"not sent": awstest.Reset, "answer lost": awstest.LoseAnswer} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				_, batch := w.owners(3)
				w.bus.Transport.SetFault(fault)
				if failed := w.deliver(batch); failed != batch[0].Change.SequenceNumber {
					t.Errorf("reported %q", failed)
				}
				w.bus.Transport.SetFault(nil)
				before := len(w.arrived())
				if failed := w.deliver(batch); failed != "" || len(w.arrived()) != before+3 {
					t.Errorf("then: reported %q, %d arrived, %d before", failed, len(w.arrived()), before)
				}
			})
		})
	}
}

func TestInstanceRemembersTheLastThousand(t *testing.T) {
	w := newWorld(t)
	_, batch := w.owners(1)
	announce := func(from, to int) {
		for n := from; n < to; n++ {
			image := maps.Clone(batch[0].Change.NewImage)
			image["id"] = events.NewStringAttribute(strconv.Itoa(n))
			again := batch[0]
			again.Change.NewImage = image
			w.deliver(records{again})
		}
	}
	announce(0, 1001)
	announce(1, 1001)
	if arrived := len(w.arrived()); arrived != 1001 {
		t.Errorf("%d of 1001 arrived", arrived)
	}
	announce(0, 1)
	if arrived := len(w.arrived()); arrived != 1002 {
		t.Errorf("%d: what is forgotten is announced again", arrived)
	}
}

// A secret that somebody deleted by hand would otherwise hold up everybody else's
// notices for twenty hours.
func TestLostSecretIsSetAsideOnceItCannotJustBeLate(t *testing.T) {
	w := newWorld(t)
	owners, batch := w.owners(3)
	ill := owners[0]
	if err := w.Keys.Vault.Delete(t.Context(), w.Ring(ill).SecretARN); err != nil {
		t.Fatal(err)
	}
	at := recordAt(batch, ill)
	if failed := w.deliver(batch); failed != batch[at].Change.SequenceNumber || len(w.queue.Messages()) != 0 {
		t.Errorf("at once: reported %q, in the queue %v", failed, w.queue.Messages())
	}
	w.Pass(6 * time.Minute)
	if failed := w.deliver(batch); failed != "" {
		t.Errorf("then: reported %q", failed)
	}
	kept := w.queue.Messages()
	if len(kept) != 1 || !strings.Contains(kept[0].Body, batch[at].Change.SequenceNumber) || !strings.Contains(kept[0].Reason, "is gone") {
		t.Errorf("in the queue: %v", kept)
	}
	if !strings.Contains(w.Logged(), "set aside: its secret is beyond repair") {
		t.Error("the log does not tell")
	}
	if arrived := w.arrived(); len(arrived) != 3 {
		t.Errorf("arrived: %v", arrived)
	}
}

// The announcements do not wait for Secrets Manager until time is up.
func TestSlowSecretsLeaveTimeForTheAnnouncements(t *testing.T) {
	slowly := func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		<-time.After(2 * time.Second)
		return next()
	}
	for name, fault := range map[string]awstest.Fault{"slow": slowly, "slower": awstest.Hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				owners, _ := w.owners(100)
				w.breakOffRotations(owners)
				batch := w.stream.Next()
				w.relay.Now = time.Now
				w.Secrets.Transport.SetFault(fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				failed, err := w.deliverIn(ctx, batch)
				if err != nil || failed == "" || ctx.Err() != nil {
					t.Errorf("reported %q, %v, %v", failed, err, ctx.Err())
				}
				if diff := cmp.Diff(announcedBy(batch), w.arrived()); diff != "" {
					t.Errorf("committed (-) and announced (+): %s", diff)
				}
			})
		})
	}
}

// The log tells which change it was, and nothing that anybody could use.
func TestLogTellsNoticesAndNoCredential(t *testing.T) {
	w := newWorld(t)
	issued := w.Create(functest.Jane)
	w.deliver(w.stream.Next())
	logged := w.Logged()
	for _, want := range []string{`"relayed"`, `"type":"User API Key Created"`, `"revision":1`, `"lagMilliseconds":0`, functest.Jane.Locator().String()} {
		if !strings.Contains(logged, want) {
			t.Errorf("%s is not in the log: %s", want, logged)
		}
	}
	for _, n := range w.bus.Arrived() {
		if strings.Contains(logged+n.Detail, issued.Credential.Reveal()) || strings.Contains(n.Detail, "secret") {
			t.Errorf("%s", n.Detail)
		}
	}
}
