package relay_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// recordAt tells where in the batch the first record of the owner is.
func recordAt(batch records, owner apikey.Owner) int {
	return slices.IndexFunc(batch, func(r record) bool { return iamIDOf(r) == owner.IAMID })
}

// A ring that cannot be read is as little mended by waiting as a record is.
func TestDamagedRingHoldsUpNoneAndItsChangesAreAnnounced(t *testing.T) {
	w := newWorld(t)
	owners, batch := w.owners(3)
	ill := owners[1]
	w.damage(ill, "RING")
	if failed := w.deliver(batch); failed != "" {
		t.Errorf("reported %s", failed)
	}
	if diff := cmp.Diff(announcedBy(batch), w.arrived()); diff != "" {
		t.Errorf("committed (-) and announced (+): %s", diff)
	}
	kept := w.queue.Messages()
	if len(kept) != 1 || !strings.Contains(kept[0].Body, batch[recordAt(batch, ill)].Change.SequenceNumber) || !strings.Contains(kept[0].Reason, "damaged") {
		t.Errorf("in the queue: %v", kept)
	}
}

func TestRingThatIsOutOfReachIsNotTakenForDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, batch := w.owners(1)
		for _, code := range []string{"ProvisionedThroughputExceededException", "AccessDeniedException"} {
			w.Table.Transport.SetFault(awstest.Refuse(http.StatusBadRequest, code))
			if failed := w.deliver(batch); failed != batch[0].Change.SequenceNumber || len(w.queue.Messages()) != 0 {
				t.Errorf("%s: reported %q, in the queue: %v", code, failed, w.queue.Messages())
			}
		}
	})
}

// A record that somebody made up must not cost another owner the secret.
func TestDeletionThatNamesAnotherOwnersSecretTakesNothing(t *testing.T) {
	w := newWorld(t)
	owners, _ := w.owners(2)
	w.DeleteAll(owners[0])
	forged := w.stream.Next()[0]
	arn := w.Ring(owners[1]).SecretARN
	forged.Change.NewImage["secretArn"] = events.NewStringAttribute(arn)
	if failed := w.deliver(records{forged}); failed != "" {
		t.Errorf("reported %s", failed)
	}
	if w.Secrets.Labels(arn) == nil {
		t.Error("the other owner's secret was deleted")
	}
	if kept := w.queue.Messages(); len(kept) != 1 || !strings.Contains(kept[0].Reason, "another owner's secret") {
		t.Errorf("in the queue: %v", kept)
	}
}

// Whoever takes the Active key's version away, by hand, leaves a secret that no
// repair mends; those behind it go on.
func TestSecretWithoutTheActiveKeysVersionIsSetAsideOnceItCannotJustBeLate(t *testing.T) {
	w := newWorld(t)
	owners, _ := w.owners(2)
	w.breakOffRotations(owners)
	batch := w.stream.Next()
	w.failFor(owners[0], awstest.On("UpdateSecretVersionStage", awstest.Refuse(http.StatusBadRequest, "ResourceNotFoundException")))
	at := recordAt(batch, owners[0])
	if failed := w.deliver(batch); failed != batch[at].Change.SequenceNumber || len(w.queue.Messages()) != 0 {
		t.Errorf("at once: reported %q, in the queue: %v", failed, w.queue.Messages())
	}
	w.Pass(6 * time.Minute)
	if failed := w.deliver(batch); failed != "" || len(w.queue.Messages()) != 1 {
		t.Errorf("then: reported %q, in the queue: %v", failed, w.queue.Messages())
	}
	w.wantRepaired(owners[1])
}

// Behind a record that fails, all others come again, for hours perhaps.
func TestOneInstanceSetsARecordAsideAndCountsItOnce(t *testing.T) {
	w := newWorld(t)
	owners, good := w.owners(2)
	bad := poison(t, good[1])["no kind"]
	batch := append(slices.Clone(good), bad)
	w.damage(owners[1], "RING")
	w.failFor(owners[0], awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"))
	count := func(message string) int { return strings.Count(w.Logged(), `"msg":"`+message) }
	for range 5 {
		if failed := w.deliver(batch); failed != batch[recordAt(batch, owners[0])].Change.SequenceNumber {
			t.Fatalf("reported %q", failed)
		}
	}
	if kept := w.queue.Messages(); len(kept) != 2 {
		t.Errorf("in the queue after five times: %v", kept)
	}
	if asides, failures := count("set aside"), count("not relayed"); asides != 2 || failures != 5 {
		t.Errorf("after five times: set aside %d, not relayed %d", asides, failures)
	}
	w.Calm()
	if failed := w.deliver(batch); failed != "" || count("relayed") != 1 || count("set aside") != 2 || len(w.queue.Messages()) != 2 {
		t.Errorf("then: reported %q, relayed %d, set aside %d", failed, count("relayed"), count("set aside"))
	}
}
