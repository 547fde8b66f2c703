package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// Suite is what a store promises, whatever engine answers it. newStore makes a
// store on the engine with the clock.
func Suite(t *testing.T, newStore func(t *testing.T, now func() time.Time) *store.Store) {
	for name, test := range map[string]func(*testing.T, *harness){
		"OwnerWithoutRingHasTheZeroRing":             ownerWithoutRing,
		"CommittedChangeIsReadBackWhole":             committedChangeIsReadBack,
		"RefusedChangeLeavesNothing":                 refusedChangeLeavesNothing,
		"UnchangedRingIsNotWritten":                  unchangedRingIsNotWritten,
		"SameIdempotencyKeyIsTheSameChange":          sameIdempotencyKey,
		"IdempotencyKeyForAnotherOperationIsRefused": idempotencyKeyReused,
		"IdempotencyRecordIsOverAfterADay":           idempotencyRecordExpires,
		"IdempotencyKeysOfTwoOwnersAreTwo":           idempotencyKeysOfTwoOwners,
		"OneWinnerAmongManyCreates":                  oneWinnerAmongManyCreates,
		"ConcurrentChangesAreAllCountedOnce":         concurrentChangesAreCounted,

		"OfTwoWhoOffBoardEachOtherOneStays": twoOffBoardEachOther,
		"OffBoardedAdministratorIsRefused":  offBoardedAdministrator,

		"OwnerWithoutRingHasAnEmptyHistory":             emptyHistory,
		"HistoryIsEveryChangeNewestFirst":               historyIsEveryChange,
		"HistoryShowsAChangeOnceItIsCommitted":          historyIsCurrent,
		"HistoryIsOfOneOwner":                           historyIsOfOneOwner,
		"HistoryPagesEndWithTheFirstChange":             historyPagesEnd,
		"HistoryPagesMissAndRepeatNothingAmidstChanges": historyPagesAmidstChanges,
		"HistoryBeforeAnyRevisionIsARead":               historyBeforeAnyRevision,
		"HistoryForgetsAChangeAfter400Days":             historyForgets,
		"HistoryEndsWhereChangesHaveExpired":            historyEndsWhereExpired,
		"HistoryHasNoGapWhenAClockWasSetBack":           historyHasNoGap,

		"ScheduleIsWrittenAndRemovedWithItsChange":  scheduleIsOfItsChange,
		"SchedulesAreReadBackWhole":                 schedulesAreReadBackWhole,
		"ScheduleIsBoundBeforeThereIsAKey":          scheduleBeforeAnyKey,
		"SchedulesOfTwoOwnersAreTwo":                schedulesOfTwoOwners,
		"SchedulesAreListedInTheOrderOfTheirIDs":    schedulesAreListedInOrder,
		"EveryCharacterOfAnIDHasItsPlace":           everyCharacterIsListed,
		"ThousandSchedulesAreListed":                thousandSchedules,
		"RebindingOf97SchedulesIsOneChange":         rebindingIsOneChange,
		"RebindingOfMoreIsRefusedAndChangesNothing": rebindingOfTooManyIsRefused,
		"AffectedSchedulesAndRunsAreReadBack":       affectedAreReadBack,
		"ConcurrentBindingsAreAllCountedOnce":       concurrentBindingsAreCounted,

		"FactsAreInTheOrderOfTheNeeds": factsAreInOrder,
		"FactsAreCurrent":              factsAreCurrent,

		"RunsAreReadBackWhole":                     runsAreReadBackWhole,
		"RunAskedForAgainIsTheSameUnderTheNewKey":  runAskedForAgain,
		"LeasesAreNeverShortened":                  leasesAreNeverShortened,
		"RunThatIsOffTheRecordIsANewRun":           expiredRunIsANewRun,
		"RunsAtOnceAreOneRun":                      runsAtOnceAreOneRun,
		"RunningAreThoseWhoseLeaseHasNotRunOut":    runningAreThoseWhoseLeaseHasNotRunOut,
		"ExtensionsNeverShortenALease":             extensionsNeverShorten,
		"ExtensionsChangeNothingButTheLease":       extensionsChangeNothingButTheLease,
		"EndedRunIsNotExtended":                    endedRunIsNotExtended,
		"RunThatIsOffTheRecordIsNotExtended":       forgottenRunIsNotExtended,
		"RunEndsThoughItIsExtendedAtOnce":          endAndExtensionAtOnce,
		"RunsAreEndedByTheirAccountAndThePlatform": runsAreEndedByTheirAccount,
		"EndedRunThatIsAskedForAgainIsANewRun":     endedRunIsANewRun,
		"RunsOfTwoOwnersAreTwo":                    runsOfTwoOwners,

		"UsesAreKnownToWithinFiveMinutes": usesAreKnownToWithinFiveMinutes,
		"UsesOfTwoKeysAreApart":           usesOfKeysAreApart,
		"UsesOfDeletedKeysAreForgotten":   usesOfDeletedKeysAreForgotten,
		"OwnerWithoutRingHasNoUses":       usesOfAnOwnerWithoutRing,

		"RingsAreFoundByTheirOwnPolicy":          ringsAreFoundByTheirOwnPolicy,
		"ChangedDefaultReachesEveryRingUnderIt":  changedDefaultReachesEveryRing,
		"UsersOfAnAccountAreListedByTheirIDs":    accountsAreListed,
		"RingsThatAreFoundHaveTheirUses":         foundRingsHaveTheirUses,
		"AnnouncementIsMadeOnceInItsPeriod":      announcedOnce,
		"OneAnnouncesAmongMany":                  oneAnnouncesAmongMany,
		"RingsWhoseRotationWasNotAnnouncedYet":   notYetAnnounced,
		"NoticesOfASpanOfTimeAreFoundBothEndsIn": noticesOfASpanAreFound,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &harness{t: t, owner: NewOwner(t)}
			h.clock.Store(time.Now().UTC().Truncate(time.Millisecond).UnixMilli())
			h.store = newStore(t, h.now)
			test(t, h)
		})
	}
}

// NewOwner is an owner that nobody else has, also in a table that other tests use.
func NewOwner(t testing.TB) apikey.Owner {
	t.Helper()
	id, err := apikey.NewUUID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return apikey.Owner{AccountID: "account-1", IAMID: "IBMid-" + id.String(), Username: "ada@example.com"}
}

type harness struct {
	t     *testing.T
	owner apikey.Owner
	store *store.Store
	clock atomic.Int64 // milliseconds since 1970
}

func (h *harness) now() time.Time { return time.UnixMilli(h.clock.Load()).UTC() }

func (h *harness) command() apikey.Command {
	return apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorUser, ID: h.owner.IAMID}, Now: h.now(), CorrelationID: "request-1"}
}

// Material is made-up material of a new key.
func Material(t testing.TB, owner apikey.Owner) apikey.Material {
	t.Helper()
	id, err := apikey.NewUUID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := apikey.NewCredential(owner.Locator(), id, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return apikey.Material{KeyID: id, Digest: credential.Digest(), SecretARN: "arn:" + owner.IAMID, VersionID: id.String()}
}

func (h *harness) create(key string) (store.Result, error) {
	material := Material(h.t, h.owner)
	return h.store.Update(h.t.Context(), h.owner, store.Idempotency{Key: key, Operation: "create"},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, err := ring.Create(h.command(), material)
			return next, &event, err
		})
}

func (h *harness) rotate(key string) (store.Result, error) {
	material := Material(h.t, h.owner)
	return h.store.Update(h.t.Context(), h.owner, store.Idempotency{Key: key, Operation: "rotate"},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, err := ring.Rotate(h.command(), material)
			return next, &event, err
		})
}

// deleteOldest deletes the key that has been Phased out for longest.
func (h *harness) deleteOldest() (store.Result, error) {
	return h.store.Update(h.t.Context(), h.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, err := ring.DeleteOne(h.command(), ring.PhasedOut[0].ID)
			return next, &event, err
		})
}

func (h *harness) deleteAll() (store.Result, error) {
	return h.store.Update(h.t.Context(), h.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event := ring.DeleteAll(h.command())
			return next, event, nil
		})
}

func (h *harness) must(result store.Result, err error) store.Result {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	return result
}

func (h *harness) ring() apikey.Ring {
	h.t.Helper()
	ring, err := h.store.Ring(h.t.Context(), h.owner.Locator())
	if err != nil {
		h.t.Fatal(err)
	}
	return ring
}

func ownerWithoutRing(t *testing.T, h *harness) {
	if diff := cmp.Diff(apikey.Ring{}, h.ring()); diff != "" {
		t.Error(diff)
	}
}

func committedChangeIsReadBack(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.must(h.rotate(""))
	result := h.must(h.rotate("key-1"))
	if result.Ring.Revision != 3 || len(result.Ring.PhasedOut) != 2 {
		t.Fatalf("after create and two rotations: %+v", result.Ring)
	}
	result = h.must(h.deleteOldest())
	if diff := cmp.Diff(result.Ring, h.ring()); diff != "" {
		t.Errorf("the ring that was written (-) and the one that was read (+): %s", diff)
	}
	if result.Event == nil || result.Event.ID == "" || result.Event.Revision != 4 {
		t.Errorf("the event of the change: %+v", result.Event)
	}
}

func refusedChangeLeavesNothing(t *testing.T, h *harness) {
	if _, err := h.rotate("key-1"); apikey.CodeOf(err) != apikey.CodeNoActiveKey {
		t.Fatalf("a rotation without a key: %v", err)
	}
	if diff := cmp.Diff(apikey.Ring{}, h.ring()); diff != "" {
		t.Error(diff)
	}
	// Nor does a refusal take the idempotency key.
	h.must(h.create("key-1"))
}

func unchangedRingIsNotWritten(t *testing.T, h *harness) {
	before := h.must(h.create("")).Ring
	result := h.must(h.store.Update(t.Context(), h.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) { return ring, nil, nil }))
	if diff := cmp.Diff(before, result.Ring); diff != "" || result.Event != nil {
		t.Errorf("event %v, ring: %s", result.Event, diff)
	}
}

func sameIdempotencyKey(t *testing.T, h *harness) {
	first := h.must(h.create("key-1"))
	h.must(h.rotate(""))
	again := h.must(h.create("key-1"))
	if !again.Replayed {
		t.Fatal("the second create with the same key was not a replay")
	}
	if diff := cmp.Diff(first.Event, again.Event); diff != "" {
		t.Errorf("the first answer (-) and its replay (+): %s", diff)
	}
	if ring := h.ring(); ring.Revision != 2 {
		t.Errorf("the replay changed the ring: revision %d", ring.Revision)
	}
}

func idempotencyKeyReused(t *testing.T, h *harness) {
	h.must(h.create("key-1"))
	if _, err := h.rotate("key-1"); apikey.CodeOf(err) != apikey.CodeIdempotencyKeyReused {
		t.Errorf("a rotation with a create's key: %v", err)
	}
}

func idempotencyRecordExpires(t *testing.T, h *harness) {
	h.must(h.create(""))
	h.must(h.rotate("key-1"))
	h.clock.Add((store.IdempotencyTTL - time.Second).Milliseconds())
	if !h.must(h.rotate("key-1")).Replayed {
		t.Error("the record was over before its time")
	}
	h.clock.Add(time.Second.Milliseconds())
	if h.must(h.rotate("key-1")).Replayed {
		t.Error("the record outlived its time")
	}
	if !h.must(h.rotate("key-1")).Replayed {
		t.Error("the new record does not hold")
	}
}

func idempotencyKeysOfTwoOwners(t *testing.T, h *harness) {
	h.must(h.create("key-1"))
	h.owner = NewOwner(t)
	if h.must(h.create("key-1")).Replayed {
		t.Error("one owner's key replayed another owner's change")
	}
}

func oneWinnerAmongManyCreates(t *testing.T, h *harness) {
	const workers = 50
	codes := inParallel(workers, func(int) apikey.Code {
		_, err := h.create("")
		return apikey.CodeOf(err)
	})
	counts := map[apikey.Code]int{}
	for _, code := range codes {
		counts[code]++
	}
	if counts[""] != 1 || counts[""]+counts[apikey.CodeActiveKeyExists]+counts[apikey.CodeConflict] != workers {
		t.Errorf("outcomes of %d creates at once: %v", workers, counts)
	}
	if ring := h.ring(); ring.Revision != 1 {
		t.Errorf("revision %d after one create", ring.Revision)
	}
}

func concurrentChangesAreCounted(t *testing.T, h *harness) {
	h.must(h.create(""))
	const workers = 8
	codes := inParallel(workers, func(i int) apikey.Code {
		_, err := h.rotate(fmt.Sprint("key-", i))
		return apikey.CodeOf(err)
	})
	done := int64(0)
	for _, code := range codes {
		switch code {
		case "":
			done++
		case apikey.CodeConflict:
		default:
			t.Errorf("a rotation among others: %s", code)
		}
	}
	ring := h.ring()
	if ring.Revision != 1+done || int64(len(ring.PhasedOut)) != done || done == 0 {
		t.Errorf("%d rotations were answered with success; revision %d, %d Phased out", done, ring.Revision, len(ring.PhasedOut))
	}
	ids := []apikey.KeyID{ring.Active.ID}
	for _, key := range ring.PhasedOut {
		if slices.Contains(ids, key.ID) {
			t.Errorf("key %s is in the ring twice", key.ID)
		}
		ids = append(ids, key.ID)
	}
}

func inParallel(workers int, work func(int) apikey.Code) []apikey.Code {
	codes := make([]apikey.Code, workers)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() { codes[i] = work(i) })
	}
	group.Wait()
	return codes
}
