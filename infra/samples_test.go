package infra_test

import (
	"context"
	"net/http"
	"time"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// The story that the contract's examples tell: the owner creates a key in May
// and rotates it in November.
var (
	sampleOwner    = functest.Jane
	sampleActor    = apikey.Actor{Kind: apikey.ActorUser, ID: sampleOwner.IAMID}
	firstCreatedAt = time.Date(2026, 5, 4, 8, 15, 30, 120e6, time.UTC)
	rotatedAt      = time.Date(2026, 11, 2, 16, 45, 9, 7e6, time.UTC)
)

const (
	firstKeyID       = "019df20e-8148-7e03-9b61-e593247747dd"
	secondKeyID      = "01a19d26-820f-7e18-9a3d-4169f6b09879"
	firstCredential  = functest.FirstCredential
	secondCredential = functest.SecondCredential
	// unknownCredential is well formed, but of no key.
	unknownCredential = "cpdk_WKhX7ZrHuROqf7KZfzTul8yRSQl8U55y316sWqgTETP_000SAMPLE00NOT0A0REAL0CREDENTIAL000000000032ziZ2R"
	// mistypedCredential has another last character than secondCredential.
	mistypedCredential = "cpdk_WKhX7ZrHuROqf7KZfzTul8yRObKRpaiJA7afb2D9Cwr_000SAMPLE00NOT0A0REAL0CREDENTIAL000000000022pm6iY"
	// sampleCursor leads to what the history has after its change to revision 2.
	sampleCursor = "hSONbYJSKPAy"
)

func nothingYet(*world) {}

// keyCreated makes the first sample key.
func keyCreated(w *world) {
	w.now = firstCreatedAt
	credential := w.credential(firstCredential)
	w.update(func(ctx context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		material, err := w.vault.Open(ctx, credential)
		if err != nil {
			return ring, apikey.Event{}, err
		}
		return ring.Create(w.command(), material)
	})
}

// keyToRotate makes the first sample key and lets time pass.
func keyToRotate(w *world) {
	keyCreated(w)
	w.now = rotatedAt
}

// keyRotated makes the first sample key, and then the second.
func keyRotated(w *world) {
	keyToRotate(w)
	w.rotateToSecond()
}

// rotateToSecond makes the second sample key of the first, and says in the
// change, as the product does, which schedules that stopped.
func (w *world) rotateToSecond() {
	w.t.Helper()
	credential := w.credential(secondCredential)
	w.update(func(ctx context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		material, err := w.vault.Stage(ctx, ring.SecretARN, credential)
		if err != nil {
			return ring, apikey.Event{}, err
		}
		if err := w.vault.Promote(ctx, material, ring.Active.VersionID); err != nil {
			return ring, apikey.Event{}, err
		}
		affected, err := w.rings.Affected(ctx, sampleOwner.Locator(), jobauth.OfRotation(ring))
		if err != nil {
			return ring, apikey.Event{}, err
		}
		next, event, err := ring.Rotate(w.command(), material)
		event.AffectedSchedules = affected.Schedules
		return next, event, err
	})
}

// allDeleted leaves no key of the two, and the revision 3.
func allDeleted(w *world) {
	keyRotated(w)
	w.update(func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event := ring.DeleteAll(w.command())
		return next, *event, nil
	})
}

// firstKeyDeleted leaves the second sample key alone.
func firstKeyDeleted(w *world) {
	keyRotated(w)
	w.update(func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		return ring.DeleteOne(w.command(), w.keyID(firstKeyID))
	})
}

// ownerSuspended leaves an owner whose key was deleted by off-boarding.
func ownerSuspended(w *world) {
	keyCreated(w)
	w.update(func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event := ring.Suspend(w.command())
		return next, *event, nil
	})
}

// allowanceUsedUp leaves the owner without a key, by ten creates and deletions.
func allowanceUsedUp(w *world) {
	w.leap(1, func(ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		var event apikey.Event
		for range apikey.AllowanceSize {
			created, _, err := ring.Create(w.command(), w.material(""))
			if err != nil {
				return ring, event, err
			}
			next, deleted := created.DeleteAll(w.command())
			ring, event = next, *deleted
		}
		return ring, event, nil
	})
}

// allowanceUsedUpWithKey leaves a key to rotate, by nine rotations too many.
func allowanceUsedUpWithKey(w *world) {
	keyCreated(w)
	w.rotate(apikey.AllowanceSize-1, 0)
}

// fullOfPhasedOutKeys leaves as many Phased out keys as may be.
func fullOfPhasedOutKeys(w *world) {
	keyCreated(w)
	w.rotate(apikey.MaxPhasedOut, apikey.AllowanceRefillPeriod)
}

// rotate phases keys out one after the other, in one go.
func (w *world) rotate(times int, pause time.Duration) {
	w.leap(2, func(ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		var event apikey.Event
		var err error
		for range times {
			w.now = w.now.Add(pause)
			if ring, event, err = ring.Rotate(w.command(), w.material(ring.SecretARN)); err != nil {
				return ring, event, err
			}
		}
		return ring, event, nil
	})
}

// leap makes several changes count as the one that leads to the revision.
func (w *world) leap(revision int64, changes func(apikey.Ring) (apikey.Ring, apikey.Event, error)) {
	w.t.Helper()
	w.update(func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event, err := changes(ring)
		next.Revision, event.Revision = revision, revision
		return next, event, err
	})
}

// material is that of a new key, which is only named and kept nowhere.
func (w *world) material(secretARN string) apikey.Material {
	w.t.Helper()
	id := w.newID()
	credential, err := apikey.NewCredential(sampleOwner.Locator(), id, w)
	if err != nil {
		w.t.Fatal(err)
	}
	if secretARN == "" {
		secretARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:gone-AbCdEf"
	}
	return apikey.Material{KeyID: id, Digest: credential.Digest(), SecretARN: secretARN, VersionID: id.String()}
}

func (w *world) newID() apikey.UUID {
	w.t.Helper()
	id, err := apikey.NewUUID(w.now, w)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// The faults.

func storeOutOfReach(w *world) { w.table.Transport.SetFault(awstest.Reset) }

func materialOutOfReach(w *world) { w.secrets.Transport.SetFault(awstest.Reset) }

func issuerOutOfReach(w *world) { w.issuer.outOfReach = true }

func noRandomness(w *world) { w.noRandom = true }

func noClock(w *world) { w.noClock = true }

// everyRaceLost lets other transactions win every time.
func everyRaceLost(w *world) {
	w.table.Transport.SetFault(awstest.On("TransactWriteItems", transactionConflict))
}

var transactionConflict = answering(400, map[string]any{
	"__type":              "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
	"message":             "injected",
	"CancellationReasons": []map[string]string{{"Code": "TransactionConflict"}, {"Code": "None"}},
})

// unreadableRing stores something that is no ring in the ring's place.
func unreadableRing(w *world) {
	w.table.Transport.SetFault(awstest.On("GetItem", answering(200, map[string]any{
		"Item": map[string]any{"pk": map[string]string{"S": "OWNER#?"}, "sk": map[string]string{"S": "RING"}, "revision": map[string]string{"S": "?"}},
	})))
}

// unreadableItems stores something that is none of them in the place of the
// owner's ring, schedules and runs.
func unreadableItems(w *world) {
	unreadable := func(sk string) map[string]any {
		return map[string]any{"pk": map[string]string{"S": "OWNER#" + sampleOwner.Locator().String()}, "sk": map[string]string{"S": sk}}
	}
	ref, err := apikey.ParseRunRef(sampleRunRef)
	if err != nil {
		w.t.Fatal(err)
	}
	w.table.Transport.SetFault(awstest.On("BatchGetItem", answering(200, map[string]any{
		"Responses": map[string]any{storetest.Table: []any{
			unreadable("RING"), unreadable("SCHEDULE#" + followingID), unreadable("RUN#" + ref.Name.String()),
		}},
		"UnprocessedKeys": map[string]any{},
	})))
}

// unreadableChange stores something that is no change in the history.
func unreadableChange(w *world) {
	w.table.Transport.SetFault(awstest.On("Query", answering(200, map[string]any{
		"Items": []any{map[string]any{"pk": map[string]string{"S": "OWNER#?"}, "sk": map[string]string{"S": "EVENT#0000000001"}}},
	})))
}

func answering(status int, body any) awstest.Fault {
	return func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		return awstest.Answer(status, body), nil
	}
}

func (w *world) command() apikey.Command {
	return apikey.Command{Actor: sampleActor, Now: w.now, CorrelationID: w.newID().String()}
}

func (w *world) credential(text string) apikey.Credential {
	credential, err := apikey.ParseCredential(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return credential
}

func (w *world) update(change func(context.Context, apikey.Ring) (apikey.Ring, apikey.Event, error)) {
	w.t.Helper()
	_, err := w.rings.Update(w.t.Context(), sampleOwner, store.Idempotency{},
		func(ctx context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, err := change(ctx, ring)
			return next, &event, err
		})
	if err != nil {
		w.t.Fatalf("the state before the request cannot be made: %v", err)
	}
}

func (w *world) operation(id string) operation { return loadContract(w.t).operation(w.t, id) }

// must sends a request that leads to the state; it is another one than the
// scenario's, so it has another id.
func (w *world) must(status int, c call) answer {
	w.t.Helper()
	c.requestID = w.newID().String()
	got := w.send(c)
	if got.status != status {
		w.t.Fatalf("%s is answered %d %s", c.operation.route(), got.status, got.body)
	}
	return got
}
