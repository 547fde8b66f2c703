package apikey_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

// TestOperationsShareNoMemory: whatever is done to what an operation returned,
// the old ring stays as it was, and so does the other thing that it returned.
func TestOperationsShareNoMemory(t *testing.T) {
	gone, _ := ringOf(t, 2).DeleteAll(at(later))
	for _, c := range []struct {
		operation operation
		ring      apikey.Ring
	}{
		{create, apikey.Ring{Owner: ada}},
		{create, gone},
		{rotate, ringOf(t, 1)},
		{rotate, ringOf(t, 4)},
		{deleteKey("delete the oldest", id(1)), ringOf(t, 4)},
		{deleteKey("delete one in the middle", id(2)), ringOf(t, 4)},
		{deleteKey("delete the newest", id(3)), ringOf(t, 4)},
		{deleteAll, ringOf(t, 4)},
		{deleteAll, ringOf(t, 21)},
		{setPolicy(apikey.RotationPolicy{MaxAgeDays: 90}), ringOf(t, 4)},
		{setPolicy(apikey.RotationPolicy{MaxAgeDays: 90}), withPolicy(ringOf(t, 4))},
		{rotate, withPolicy(ringOf(t, 4))},
		{suspend, withPolicy(ringOf(t, 4))},
		{reinstate, suspended(t, withPolicy(ringOf(t, 4)))},
	} {
		t.Run(c.operation.name, func(t *testing.T) {
			// Room after the lists is where an append would write.
			ring := c.ring
			ring.PhasedOut = roomy(ring.PhasedOut)
			ring.Deleted = roomy(ring.Deleted)
			before := deepCopy(ring)

			next, event, err := c.operation.do(ring)
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, "the operation changed the old ring", before, ring)

			nextBefore := deepCopy(next)
			for i := range event.Keys[:cap(event.Keys)] {
				event.Keys[:cap(event.Keys)][i] = apikey.Key{Name: "scribbled"}
			}
			if event.Policy != nil {
				event.Policy.MaxAgeDays = scribbledDays
			}
			wantSame(t, "the new ring shares memory with the event", nextBefore, next)

			scribble(&next)
			wantSame(t, "the old ring shares memory with what was returned", before, ring)
		})
	}
}

// roomy is the list with two more places, which are not empty.
func roomy[T any](list []T) []T {
	more := make([]T, len(list)+2)
	copy(more, list)
	return more[:len(list)]
}

// deepCopy copies the ring with the room after its lists.
func deepCopy(r apikey.Ring) apikey.Ring {
	if r.Active != nil {
		r.Active = new(*r.Active)
	}
	if r.Policy != nil {
		r.Policy = new(*r.Policy)
	}
	r.PhasedOut = copyWithRoom(r.PhasedOut)
	r.Deleted = copyWithRoom(r.Deleted)
	return r
}

func copyWithRoom[T any](list []T) []T {
	whole := make([]T, cap(list))
	copy(whole, list[:cap(list)])
	return whole[:len(list)]
}

const scribbledDays = 666

// scribble overwrites everything that the ring reaches, room included.
func scribble(r *apikey.Ring) {
	if r.Active != nil {
		*r.Active = apikey.Key{Name: "scribbled"}
	}
	if r.Policy != nil {
		r.Policy.MaxAgeDays = scribbledDays
	}
	for i := range r.PhasedOut[:cap(r.PhasedOut)] {
		r.PhasedOut[:cap(r.PhasedOut)][i] = apikey.Key{Name: "scribbled"}
	}
	for i := range r.Deleted[:cap(r.Deleted)] {
		r.Deleted[:cap(r.Deleted)][i] = apikey.DeletedKey{VersionID: "scribbled"}
	}
}

func wantSame(t *testing.T, complaint string, before, after apikey.Ring) {
	t.Helper()
	for _, diff := range []string{
		cmp.Diff(before, after, emptyIsNil),
		cmp.Diff(before.PhasedOut[:cap(before.PhasedOut)], after.PhasedOut[:cap(after.PhasedOut)], emptyIsNil),
		cmp.Diff(before.Deleted[:cap(before.Deleted)], after.Deleted[:cap(after.Deleted)], emptyIsNil),
	} {
		if diff != "" {
			t.Errorf("%s (-before +after):\n%s", complaint, diff)
		}
	}
}

// TestBindingsShareNoMemory is the same of schedules: neither the old ring nor
// the schedules that were given change, whatever is done to what was returned.
func TestBindingsShareNoMemory(t *testing.T) {
	type change func(apikey.Ring, []apikey.Schedule) (apikey.Ring, *apikey.Event, []apikey.Schedule)
	for name, change := range map[string]change{
		"bind": func(r apikey.Ring, given []apikey.Schedule) (apikey.Ring, *apikey.Event, []apikey.Schedule) {
			next, event, bound, err := r.Bind(at(later), &given[0], following(given[0].ID))
			if err != nil {
				t.Fatal(err)
			}
			return next, event, []apikey.Schedule{bound}
		},
		"rebind": func(r apikey.Ring, given []apikey.Schedule) (apikey.Ring, *apikey.Event, []apikey.Schedule) {
			next, event, rebound, err := r.Rebind(at(later), given)
			if err != nil {
				t.Fatal(err)
			}
			return next, event, rebound
		},
		"unbind": func(r apikey.Ring, given []apikey.Schedule) (apikey.Ring, *apikey.Event, []apikey.Schedule) {
			next, event := r.Unbind(at(later), given[0])
			return next, event, slices.Clone(given)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ring, given := bind(t, ringOf(t, 1), pinned("a", 1), pinned("b", 1))
			ring = deleted(t, rotatedOnce(t, rotatedOnce(t, ring, 2), 3), 2)
			ring.PhasedOut, ring.Deleted, given = roomy(ring.PhasedOut), roomy(ring.Deleted), roomy(given)
			before, givenBefore := deepCopy(ring), copyWithRoom(given)

			next, event, returned := change(ring, given)
			wantSame(t, "the operation changed the old ring", before, ring)

			nextBefore, returnedBefore := deepCopy(next), slices.Clone(returned)
			for i := range event.Schedules[:cap(event.Schedules)] {
				event.Schedules[:cap(event.Schedules)][i] = apikey.Schedule{ID: "scribbled"}
			}
			wantSame(t, "the new ring shares memory with the event", nextBefore, next)
			if diff := cmp.Diff(returnedBefore, returned); diff != "" {
				t.Errorf("the schedules share memory with the event (-before +after):\n%s", diff)
			}

			scribble(&next)
			for i := range returned[:cap(returned)] {
				returned[:cap(returned)][i] = apikey.Schedule{ID: "scribbled"}
			}
			wantSame(t, "the old ring shares memory with what was returned", before, ring)
			if diff := cmp.Diff(givenBefore[:cap(givenBefore)], given[:cap(given)]); diff != "" {
				t.Errorf("the schedules that were given changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestAffectedSchedulesShareNoMemory(t *testing.T) {
	ring, given := bind(t, ringOf(t, 1), pinned("a", 1), pinned("b", 1))
	for name, affected := range map[string]apikey.AffectedSchedules{
		"rotation": ring.ByRotation(given), "deletion": ring.ByDeletion(id(1), given), "deletion of all": ring.ByDeletionOfAll(given),
	} {
		before := slices.Clone(given)
		affected.First[0].ID = "scribbled"
		if diff := cmp.Diff(before, given); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
}
