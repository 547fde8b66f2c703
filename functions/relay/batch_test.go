package relay_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/notices/noticestest"
	"github.com/userapikey/service/shared/store/storetest"
)

// owners make so many keys, each an owner's own, and answer the records of it.
func (w *world) owners(count int) (all []apikey.Owner, batch records) {
	for range count {
		owner := storetest.NewOwner(w.t)
		w.Create(owner)
		all = append(all, owner)
	}
	return all, w.stream.Next()
}

func TestEveryChangeIsAnnounced(t *testing.T) {
	w := newWorld(t)
	w.JaneHasSchedules()
	w.Rotate(functest.Jane)
	w.DeleteAll(functest.Jane)
	batch := w.stream.Next()
	if failed := w.deliver(batch); failed != "" || len(batch) != 7 {
		t.Errorf("%d records, reported: %q", len(batch), failed)
	}
	want := []string{
		"IBMid-5500SAMPLE 1 Created", "IBMid-5500SAMPLE 2 Schedule Bound", "IBMid-5500SAMPLE 3 Schedule Bound", "IBMid-5500SAMPLE 4 Rotated",
		"IBMid-5500SAMPLE 5 Schedule Bound", "IBMid-5500SAMPLE 6 Rotated", "IBMid-5500SAMPLE 7 All Deleted",
	}
	if diff := cmp.Diff(want, w.arrived()); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
	if failed := w.deliver(nil); failed != "" {
		t.Errorf("of no records: %q", failed)
	}
}

// Lambda goes on from the record that is reported, so a higher one would lose those
// between.
func TestLowestRecordThatFailedIsReportedAndTheOthersAreAnnounced(t *testing.T) {
	for _, refused := range [][]int{{0}, {7}, {29}, {12, 3, 25}, {29, 28}, {9, 10}, {0, 29}} {
		t.Run(fmt.Sprint(refused), func(t *testing.T) {
			w := newWorld(t)
			_, batch := w.owners(30)
			var isRefused []string
			for _, n := range refused {
				isRefused = append(isRefused, announcedBy(batch[n : n+1])[0])
			}
			w.bus.SetRefusal(func(n noticestest.Notice) string {
				if slices.Contains(isRefused, notedAs(t, n)) {
					return "ThrottlingException"
				}
				return ""
			})
			if failed := w.deliver(batch); failed != batch[slices.Min(refused)].Change.SequenceNumber {
				t.Errorf("reported %s, and %v were refused", failed, refused)
			}
			if arrived := len(w.arrived()); arrived != 30-len(refused) {
				t.Errorf("%d of 30 arrived", arrived)
			}
			w.bus.SetRefusal(nil)
			if failed := w.deliver(batch[slices.Min(refused):]); failed != "" {
				t.Errorf("then: %s", failed)
			}
			if diff := cmp.Diff(announcedBy(batch), w.arrived()); diff != "" {
				t.Errorf("committed (-) and announced (+): %s", diff)
			}
		})
	}
}

// poison are records that somebody else wrote, or that were damaged.
func poison(t *testing.T, good record) map[string]record {
	t.Helper()
	with := func(change func(image map[string]events.DynamoDBAttributeValue)) record {
		damaged := good
		damaged.Change.NewImage = maps.Clone(good.Change.NewImage)
		change(damaged.Change.NewImage)
		damaged.Change.SequenceNumber = "poison"
		return damaged
	}
	text := events.NewStringAttribute
	type image = map[string]events.DynamoDBAttributeValue
	return map[string]record{
		"no item":                 with(func(i image) { clear(i) }),
		"no kind":                 with(func(i image) { delete(i, "type") }),
		"a revision that is text": with(func(i image) { i["revision"] = text("one") }),
		"another owner's":         with(func(i image) { i["pk"] = text("OWNER#" + strings.Repeat("0", 32)) }),
		"nobody's":                with(func(i image) { i["pk"] = text("nobody") }),
		"of another kind":         with(func(i image) { i["sk"] = text("RUN#\x00\x1b\uffff") }),
		"of null, sets and binaries": with(func(i image) {
			i["keys"] = events.NewListAttribute([]events.DynamoDBAttributeValue{
				events.NewNullAttribute(), events.NewStringSetAttribute([]string{"a"}), events.NewBinaryAttribute([]byte{0, 1}),
			})
		}),
		"too large for the queue": with(func(i image) {
			i["revision"], i["other"] = text("one"), text(strings.Repeat("x", 390<<10))
		}),
	}
}

func TestPoisonAmongAHundredHoldsUpNone(t *testing.T) {
	for name, bad := range poison(t, func() record { w := newWorld(t); _, batch := w.owners(1); return batch[0] }()) {
		for _, at := range []int{0, 99} {
			t.Run(fmt.Sprintf("%s at %d", name, at), func(t *testing.T) {
				w := newWorld(t)
				_, good := w.owners(99)
				if failed := w.deliver(slices.Insert(slices.Clone(good), at, bad)); failed != "" {
					t.Errorf("reported %s", failed)
				}
				if diff := cmp.Diff(announcedBy(good), w.arrived()); diff != "" {
					t.Errorf("committed (-) and announced (+): %s", diff)
				}
				kept := w.queue.Messages()
				if len(kept) != 1 || !strings.Contains(kept[0].Body, `"SequenceNumber":"poison"`) || !strings.Contains(kept[0].Body, `"Keys"`) || kept[0].Reason == "" {
					t.Errorf("in the queue: %.200v", kept)
				}
			})
		}
	}
}

func TestPoisonThatTheQueueDoesNotTakeComesAgain(t *testing.T) {
	w := newWorld(t)
	_, good := w.owners(3)
	bad := poison(t, good[1])["no kind"]
	w.queue.Transport.SetFault(awstest.Refuse(http.StatusBadRequest, "AccessDenied"))
	if failed := w.deliver(records{good[0], bad, good[2]}); failed != "poison" {
		t.Errorf("reported %q", failed)
	}
	if arrived := len(w.arrived()); arrived != 2 {
		t.Errorf("%d of 2 arrived", arrived)
	}
	w.queue.Transport.SetFault(nil)
	if failed := w.deliver(records{bad, good[2]}); failed != "" || len(w.queue.Messages()) != 1 {
		t.Errorf("then: reported %q, in the queue: %v", failed, w.queue.Messages())
	}
}

// brokenOff are owners with random changes, none of which was finished.
func (w *world) brokenOff(random *rand.Rand) (owners []apikey.Owner) {
	w.breakOff(func() {
		for range 4 {
			owner := storetest.NewOwner(w.t)
			w.Create(owner)
			for range random.IntN(3) {
				w.Rotate(owner)
			}
			if random.IntN(3) == 0 {
				w.DeleteAll(owner)
				w.Create(owner)
			}
			owners = append(owners, owner)
		}
	})
	return owners
}

// deliverAtRandom delivers the records in any order and in batches of any size,
// while life goes on.
func (w *world) deliverAtRandom(random *rand.Rand, pending records, owners []apikey.Owner) {
	w.t.Helper()
	random.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	for len(pending) > 0 {
		n := 1 + random.IntN(len(pending))
		if failed := w.deliver(pending[:n]); failed != "" {
			w.t.Fatalf("reported %s", failed)
		}
		pending = pending[n:]
		if owner := owners[random.IntN(len(owners))]; random.IntN(2) == 0 && len(w.Ring(owner).PhasedOut) < 5 {
			w.Rotate(owner)
		}
	}
}

func TestRecordsTwiceLateAndInAnyOrderComeToTheSame(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			owners := w.brokenOff(random)
			all := w.stream.Next()
			w.deliverAtRandom(random, slices.Concat(all, all), owners)
			later := w.stream.Next()
			if failed := w.deliver(later); failed != "" {
				t.Fatalf("reported %s", failed)
			}
			for _, owner := range owners {
				w.wantRepaired(owner)
			}
			if names := w.Secrets.Names(); len(names) != len(owners) {
				t.Errorf("%d owners have keys, and there are %d secrets", len(owners), len(names))
			}
			if diff := cmp.Diff(announcedBy(append(all, later...)), slices.Compact(w.arrived())); diff != "" {
				t.Errorf("committed (-) and announced (+): %s", diff)
			}
		})
	}
}

// What cannot be announced for a defect of ours is tried again like anything else.
func TestPanicTellsLambdaThatTheBatchFailed(t *testing.T) {
	w := newWorld(t)
	_, batch := w.owners(2)
	w.bus.Transport.SetFault(func(call awstest.Call, _ func() (*http.Response, error)) (*http.Response, error) {
		panic(string(call.Body))
	})
	if failed, err := w.deliverIn(t.Context(), batch); err == nil {
		t.Errorf("reported %q", failed)
	}
	w.bus.Transport.SetFault(nil)
	if failed := w.deliver(batch); failed != "" || len(w.arrived()) != 2 {
		t.Errorf("then: reported %q, arrived %v", failed, w.arrived())
	}
}
