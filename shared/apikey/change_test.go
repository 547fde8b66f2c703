package apikey_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/userapikey/service/shared/apikey"
)

// emptyIsNil: a list of no keys may be nil.
var emptyIsNil = cmpopts.EquateEmpty()

// keyOf is an owner's n-th key as it was made at an instant.
func keyOf(n int, createdAt time.Time) apikey.Key {
	return apikey.Key{
		ID:        id(n),
		Name:      "cpd-apikey-IBMid-1-" + createdAt.Format("2006-01-02T15:04:05.000Z"),
		Status:    apikey.StatusActive,
		CreatedAt: createdAt,
		CreatedBy: user,
		Digest:    digest(n),
		VersionID: material(n).VersionID,
	}
}

func phasedOut(key apikey.Key, at time.Time) apikey.Key {
	key.Status, key.PhasedOutAt = apikey.StatusPhasedOut, at
	return key
}

func deletedKey(n int, at time.Time) apikey.DeletedKey {
	return apikey.DeletedKey{ID: id(n), Digest: digest(n), VersionID: material(n).VersionID, DeletedAt: at}
}

// announced is a key as an event shows it.
func announced(key apikey.Key) apikey.Key {
	key.Digest = apikey.Digest{}
	return key
}

func eventOf(kind apikey.EventType, revision int64, now time.Time, arn string, keys ...apikey.Key) apikey.Event {
	return apikey.Event{
		Type: kind, Owner: ada, Revision: revision, OccurredAt: now, Actor: user, CorrelationID: "request-1", Keys: keys, SecretARN: arn,
	}
}

func TestCreateMakesOneActiveKeyOfItsMaterial(t *testing.T) {
	ring, event, err := apikey.Ring{Owner: ada}.Create(at(noon), material(1))
	wantRing(t, ring, err, apikey.Ring{
		Owner:         ada,
		Revision:      1,
		Active:        new(keyOf(1, noon)),
		Allowance:     apikey.Allowance{FullAt: noon.Add(15 * time.Minute)},
		SecretARN:     "arn:secret",
		LastCreatedAt: noon,
	})
	wantEvent(t, event, eventOf("User API Key Created", 1, noon, "arn:secret", announced(keyOf(1, noon))))
}

func TestRotatePhasesTheOldKeyOutAtTheInstantOfTheNew(t *testing.T) {
	ring, event, err := ringOf(t, 2).Rotate(at(later), material(3))
	second := phasedOut(keyOf(2, noon.Add(time.Minute)), later)
	wantRing(t, ring, err, apikey.Ring{
		Owner:         ada,
		Revision:      3,
		Active:        new(keyOf(3, later)),
		PhasedOut:     []apikey.Key{phasedOut(keyOf(1, noon), noon.Add(time.Minute)), second},
		Allowance:     apikey.Allowance{FullAt: later.Add(15 * time.Minute)},
		SecretARN:     "arn:secret",
		LastCreatedAt: later,
	})
	wantEvent(t, event, eventOf("User API Key Rotated", 3, later, "arn:secret", announced(keyOf(3, later)), announced(second)))
}

func TestRotateFollowsItsMaterialToAnotherSecret(t *testing.T) {
	moved := material(2)
	moved.SecretARN = "arn:other"
	ring, event, err := ringOf(t, 1).Rotate(at(later), moved)
	if err != nil || ring.SecretARN != "arn:other" || event.SecretARN != "arn:other" {
		t.Errorf("ring of %q, event of %q, %v", ring.SecretARN, event.SecretARN, err)
	}
}

func TestDeleteOneForgetsNothingButTheKey(t *testing.T) {
	before := ringOf(t, 4)
	ring, event, err := before.DeleteOne(at(later), id(2))
	want := before
	want.Revision = 5
	want.PhasedOut = []apikey.Key{before.PhasedOut[0], before.PhasedOut[2]}
	want.Deleted = []apikey.DeletedKey{deletedKey(2, later)}
	wantRing(t, ring, err, want)
	second := phasedOut(keyOf(2, noon.Add(time.Minute)), noon.Add(2*time.Minute))
	wantEvent(t, event, eventOf("User API Key Deleted", 5, later, "arn:secret", announced(second)))
}

func TestDeleteAllLeavesNoKeyAndAnnouncesEveryKeyAndItsSecret(t *testing.T) {
	before := ringOf(t, 3)
	before.Suspended = true
	ring, event := before.DeleteAll(at(later))
	wantRing(t, ring, nil, apikey.Ring{
		Owner:         ada,
		Revision:      4,
		Deleted:       []apikey.DeletedKey{deletedKey(1, later), deletedKey(2, later), deletedKey(3, later)},
		Suspended:     true,
		LastCreatedAt: before.LastCreatedAt,
	})
	wantEvent(t, *event, eventOf("User API Key All Deleted", 4, later, "arn:secret",
		announced(before.PhasedOut[0]), announced(before.PhasedOut[1]), announced(*before.Active)))
}

func TestPhasedOutKeysStandInTheOrderOfTheirRotations(t *testing.T) {
	ring := ringOf(t, 21)
	for i, key := range ring.PhasedOut {
		if key.ID != id(i+1) || key.PhasedOutAt.Before(key.CreatedAt) {
			t.Errorf("place %d has key %v, made %v and phased out %v", i, key.ID, key.CreatedAt, key.PhasedOutAt)
		}
	}
	ring, _, err := ring.DeleteOne(at(later), id(7))
	if err != nil {
		t.Fatal(err)
	}
	ring, _, err = ring.Rotate(at(later), material(22))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(ring.PhasedOut, func(a, b apikey.Key) int { return a.PhasedOutAt.Compare(b.PhasedOutAt) }) {
		t.Error("a deletion and a rotation broke the order")
	}
}

func TestTheLastTenDeletedKeysAreRemembered(t *testing.T) {
	ring := ringOf(t, 21)
	var want []apikey.DeletedKey
	for n := 20; n >= 1; n-- {
		now := later.Add(time.Duration(-n) * time.Minute)
		next, _, err := ring.DeleteOne(at(now), id(n))
		if err != nil {
			t.Fatal(err)
		}
		ring = next
		want = append(want, deletedKey(n, now))
		if diff := cmp.Diff(want[max(0, len(want)-10):], ring.Deleted); diff != "" {
			t.Fatalf("after %d deletions (-want +got):\n%s", len(want), diff)
		}
	}
}

func TestDeletingAll21KeysRemembersTheActiveOne(t *testing.T) {
	ring, _, err := ringOf(t, 21).DeleteOne(at(later), id(1))
	if err != nil {
		t.Fatal(err)
	}
	ring, _, err = ring.Rotate(at(later), material(22))
	if err != nil {
		t.Fatal(err)
	}
	ring, event := ring.DeleteAll(at(later))
	var want []apikey.DeletedKey
	for n := 13; n <= 22; n++ {
		want = append(want, deletedKey(n, later))
	}
	if diff := cmp.Diff(want, ring.Deleted); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(event.Keys) != 21 {
		t.Errorf("%d keys were announced, want all 21", len(event.Keys))
	}
}

func TestEventsCarryNoDigestThoughTheRingKeepsIt(t *testing.T) {
	for _, o := range []operation{rotate, deleteKey("delete one", id(1)), deleteAll} {
		t.Run(o.name, func(t *testing.T) {
			ring, event, err := o.do(ringOf(t, 3))
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range event.Keys {
				if key.Digest != (apikey.Digest{}) {
					t.Errorf("key %v was announced with its digest", key.ID)
				}
				kept, exists := ring.Key(key.ID)
				deleted, remembered := ring.Remembers(key.ID)
				if exists && kept.Digest == (apikey.Digest{}) || remembered && deleted.Digest == (apikey.Digest{}) || !exists && !remembered {
					t.Errorf("the ring lost the digest of key %v", key.ID)
				}
			}
		})
	}
}

func TestInstantsAreKeptInMillisecondsOfUTC(t *testing.T) {
	now := time.Date(2026, 11, 3, 15, 0, 0, 123_999_999, time.FixedZone("+02:00", 2*60*60))
	want := later.Add(123 * time.Millisecond)
	ring, event, err := ringOf(t, 2).Rotate(at(now), material(3))
	if err != nil {
		t.Fatal(err)
	}
	ring, _, err = ring.DeleteOne(at(now), id(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]time.Time{
		"created": ring.Active.CreatedAt, "phased out": ring.PhasedOut[0].PhasedOutAt, "deleted": ring.Deleted[0].DeletedAt,
		"occurred": event.OccurredAt, "last created": ring.LastCreatedAt,
	} {
		if !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s at %v, want %v", name, got, want)
		}
	}
}

func wantRing(t *testing.T, ring apikey.Ring, err error, want apikey.Ring) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ring, emptyIsNil); diff != "" {
		t.Errorf("ring (-want +got):\n%s", diff)
	}
}

func wantEvent(t *testing.T, event, want apikey.Event) {
	t.Helper()
	if diff := cmp.Diff(want, event, emptyIsNil); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}
