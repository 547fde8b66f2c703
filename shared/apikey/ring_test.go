package apikey_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

// later is after every key of ringOf was made.
var later = noon.Add(time.Hour)

// operation is a change of a ring with one shape for all of them.
type operation struct {
	name  string
	event apikey.EventType
	do    func(apikey.Ring) (apikey.Ring, apikey.Event, error)
}

// The new key is the 900th: no ring has it.
var (
	create = operation{"create", apikey.EventCreated, func(r apikey.Ring) (apikey.Ring, apikey.Event, error) {
		return r.Create(at(later), material(900))
	}}
	rotate = operation{"rotate", apikey.EventRotated, func(r apikey.Ring) (apikey.Ring, apikey.Event, error) {
		return r.Rotate(at(later), material(900))
	}}
	deleteAll = operation{"delete all", apikey.EventAllDeleted, func(r apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event := r.DeleteAll(at(later))
		if event == nil {
			return next, apikey.Event{}, errNothingToDelete
		}
		return next, *event, nil
	}}
)

// errNothingToDelete is how an operation tells that DeleteAll changed nothing.
var errNothingToDelete = errors.New("nothing to delete")

const nothingToDelete = apikey.Code("nothing to delete")

func deleteKey(name string, id apikey.KeyID) operation {
	return operation{name, apikey.EventDeleted, func(r apikey.Ring) (apikey.Ring, apikey.Event, error) {
		return r.DeleteOne(at(later), id)
	}}
}

func TestEveryOperationInEveryState(t *testing.T) {
	never := apikey.Ring{Owner: ada}
	suspended := apikey.Ring{Owner: ada, Revision: 4, Suspended: true}
	gone, _, _ := deleteAll.do(ringOf(t, 3))
	usedUp := func(r apikey.Ring) apikey.Ring {
		r.Allowance.FullAt = later.Add(apikey.AllowanceSize * apikey.AllowanceRefillPeriod)
		return r
	}
	const (
		allowed   = apikey.Code("")
		exists    = apikey.CodeActiveKeyExists
		off       = apikey.CodeOwnerSuspended
		noActive  = apikey.CodeNoActiveKey
		tooMany   = apikey.CodeTooManyPhasedOutKeys
		isActive  = apikey.CodeKeyActive
		unknown   = apikey.CodeKeyNotFound
		rate      = apikey.CodeRotationRateExceeded
		unchanged = nothingToDelete
	)
	for _, state := range []struct {
		name string
		ring apikey.Ring
		// What create, rotate, the deletion of the Active key, of the oldest
		// Phased out key, of an unknown key and of all keys answer.
		create, rotate, deleteActive, deletePhasedOut, deleteUnknown, deleteAll apikey.Code
	}{
		{"never had a key", never, allowed, noActive, unknown, unknown, unknown, unchanged},
		{"Active key only", ringOf(t, 1), exists, allowed, isActive, unknown, unknown, allowed},
		{"one Phased out key", ringOf(t, 2), exists, allowed, isActive, allowed, unknown, allowed},
		{"19 Phased out keys", ringOf(t, 20), exists, allowed, isActive, allowed, unknown, allowed},
		{"20 Phased out keys", ringOf(t, 21), exists, tooMany, isActive, allowed, unknown, allowed},
		{"all keys deleted", gone, allowed, noActive, unknown, unknown, unknown, unchanged},
		{"suspended", suspended, off, noActive, unknown, unknown, unknown, unchanged},
		{"no key, allowance used up", usedUp(never), rate, noActive, unknown, unknown, unknown, unchanged},
		{"suspended, allowance used up", usedUp(suspended), off, noActive, unknown, unknown, unknown, unchanged},
		{"two keys, allowance used up", usedUp(ringOf(t, 2)), exists, rate, isActive, allowed, unknown, allowed},
		{"21 keys, allowance used up", usedUp(ringOf(t, 21)), exists, tooMany, isActive, allowed, unknown, allowed},
	} {
		activeID := id(800)
		if state.ring.Active != nil {
			activeID = state.ring.Active.ID
		}
		oldestID := id(801)
		if len(state.ring.PhasedOut) > 0 {
			oldestID = state.ring.PhasedOut[0].ID
		}
		for _, c := range []struct {
			operation operation
			want      apikey.Code
		}{
			{create, state.create},
			{rotate, state.rotate},
			{deleteKey("delete the Active key", activeID), state.deleteActive},
			{deleteKey("delete a Phased out key", oldestID), state.deletePhasedOut},
			{deleteKey("delete an unknown key", id(802)), state.deleteUnknown},
			{deleteAll, state.deleteAll},
		} {
			t.Run(state.name+"/"+c.operation.name, func(t *testing.T) {
				if c.want == allowed {
					wantChanged(t, state.ring, c.operation)
				} else {
					wantRefused(t, state.ring, c.operation, c.want)
				}
			})
		}
	}
}

func TestADeletedKeyIsNotFoundAgain(t *testing.T) {
	ring, _, err := ringOf(t, 3).DeleteOne(at(later), id(1))
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, ring, deleteKey("delete it again", id(1)), apikey.CodeKeyNotFound)
}

func TestMayCreateAndMayRotateSayWhatCreateAndRotateDo(t *testing.T) {
	for keys := range 22 {
		ring := ringOf(t, keys)
		_, _, createErr := create.do(ring)
		_, _, rotateErr := rotate.do(ring)
		if got, want := apikey.CodeOf(ring.MayCreate(at(later))), apikey.CodeOf(createErr); got != want {
			t.Errorf("with %d keys: may create says %q, create %q", keys, got, want)
		}
		if got, want := apikey.CodeOf(ring.MayRotate(at(later))), apikey.CodeOf(rotateErr); got != want {
			t.Errorf("with %d keys: may rotate says %q, rotate %q", keys, got, want)
		}
	}
}

func TestCheckRevisionAcceptsOnlyTheExpectedOnes(t *testing.T) {
	ring := apikey.Ring{Revision: 7}
	for _, c := range []struct {
		name     string
		expected []int64
		want     apikey.Code
	}{
		{"nothing expected", nil, ""},
		{"the one", []int64{7}, ""},
		{"among others", []int64{5, 7, 9}, ""},
		{"an earlier one", []int64{6}, apikey.CodeRevisionMismatch},
		{"a later one", []int64{8}, apikey.CodeRevisionMismatch},
		{"others", []int64{1, 70, -7}, apikey.CodeRevisionMismatch},
		{"none of none", []int64{}, apikey.CodeRevisionMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := apikey.CodeOf(ring.CheckRevision(c.expected)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestKeysAreFoundWhereTheyStand(t *testing.T) {
	ring, _, err := ringOf(t, 4).DeleteOne(at(later), id(2))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]struct {
		status     apikey.Status
		remembered bool
	}{
		1: {apikey.StatusPhasedOut, false},
		2: {"", true},
		3: {apikey.StatusPhasedOut, false},
		4: {apikey.StatusActive, false},
		5: {"", false},
	} {
		key, exists := ring.Key(id(n))
		if exists != (want.status != "") || key.Status != want.status || exists && key.Digest != digest(n) {
			t.Errorf("key %d: %+v, %t", n, key, exists)
		}
		deleted, remembered := ring.Remembers(id(n))
		if remembered != want.remembered || remembered && deleted.Digest != digest(n) {
			t.Errorf("key %d: remembered as %+v, %t", n, deleted, remembered)
		}
		if ring.Knows(id(n)) != (exists || remembered) {
			t.Errorf("key %d: known: %t", n, ring.Knows(id(n)))
		}
	}
}

// wantChanged wants one revision more, and one event that announces it.
func wantChanged(t *testing.T, ring apikey.Ring, o operation) {
	t.Helper()
	next, event, err := o.do(ring)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if next.Revision != ring.Revision+1 {
		t.Errorf("the revision went from %d to %d", ring.Revision, next.Revision)
	}
	if event.Type != o.event || event.Revision != next.Revision || event.Owner != ring.Owner || len(event.Keys) == 0 {
		t.Errorf("announced as %+v", event)
	}
	if event.Actor != user || event.CorrelationID != "request-1" || !event.OccurredAt.Equal(later) {
		t.Errorf("announced without who, when and why: %+v", event)
	}
}

// wantRefused wants the ring back as it was, and no event.
func wantRefused(t *testing.T, ring apikey.Ring, o operation, code apikey.Code) {
	t.Helper()
	next, event, err := o.do(ring)
	if code == nothingToDelete {
		if !errors.Is(err, errNothingToDelete) {
			t.Errorf("got %v, want no event", err)
		}
	} else if apikey.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
	if diff := cmp.Diff(ring, next); diff != "" {
		t.Errorf("the ring changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(apikey.Event{}, event); diff != "" {
		t.Errorf("there is an event (-none +got):\n%s", diff)
	}
}
