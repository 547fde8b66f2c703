package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// Whatever is in an event, nothing of it is lost or changed on its way.
func TestAnyEventComesOutOfTheStreamAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newScene(t)
		written := someEvent(t, s.owner).Draw(r, "event")
		prefix := map[apikey.EventType]string{apikey.EventRotationDue: "DUE#", apikey.EventRotationFailed: "FAILED#", apikey.EventUseRefused: "REFUSED#"}[written.Type]
		if prefix == "" {
			prefix = "EVENT#"
			written.Revision = 1
			written = *s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
				ring.Revision = 1
				return ring, &written, nil
			}).Event
		} else if announced, err := s.store.Announce(t.Context(), written); err != nil || !announced {
			r.Fatal(announced, err)
		}
		got, err := store.EventOf(record(t, s.stored(prefix)))
		if prefix != "EVENT#" {
			written.ID = got.ID
		}
		if diff := cmp.Diff(written, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			r.Errorf("%v, -written +read: %s", err, diff)
		}
	})
}

func someEvent(t testing.TB, owner apikey.Owner) *rapid.Generator[apikey.Event] {
	anyText, anyCount := rapid.String(), rapid.IntRange(0, 1<<40)
	instant := rapid.Custom(func(r *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(r, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(r, "nanoseconds")).UTC()
	})
	maybe := rapid.OneOf(rapid.Just(time.Time{}), instant)
	actor := rapid.Custom(func(r *rapid.T) apikey.Actor {
		return apikey.Actor{Kind: apikey.ActorKind(anyText.Draw(r, "kind")), ID: anyText.Draw(r, "actor")}
	})
	id := rapid.Custom(func(r *rapid.T) apikey.KeyID {
		id := apikey.KeyID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, "id"))
		id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
		return id
	})
	key := rapid.Custom(func(r *rapid.T) apikey.Key {
		return apikey.Key{
			ID: id.Draw(r, "key"), Name: anyText.Draw(r, "name"), Status: apikey.Status(anyText.Draw(r, "status")), CreatedAt: maybe.Draw(r, "created"),
			CreatedBy: actor.Draw(r, "by"), PhasedOutAt: maybe.Draw(r, "phased out"), VersionID: anyText.Draw(r, "version"), PinnedCount: anyCount.Draw(r, "pinned"), Orphaned: rapid.Bool().Draw(r, "orphaned"),
		}
	})
	scheduleIDs := rapid.StringMatching(`[A-Za-z0-9._-]{1,128}`)
	schedule := rapid.Custom(func(r *rapid.T) apikey.Schedule {
		s := apikey.Schedule{
			ID: scheduleIDs.Draw(r, "schedule"), Binding: apikey.FollowActive, JobID: anyText.Draw(r, "job"), JobType: anyText.Draw(r, "job type"),
			Service: anyText.Draw(r, "service"), Description: anyText.Draw(r, "description"), BoundAt: instant.Draw(r, "bound"),
			Revision: rapid.Int64().Draw(r, "bound at revision"),
		}
		if rapid.Bool().Draw(r, "pinned") {
			s.Binding, s.KeyID = apikey.Pinned, id.Draw(r, "pinned to")
		}
		return s
	})
	policy := rapid.Custom(func(r *rapid.T) apikey.RotationPolicy {
		return apikey.RotationPolicy{
			MaxAgeDays: anyCount.Draw(r, "age"), NoticeDays: anyCount.Draw(r, "notice"), DeletePhasedOutAfterDays: anyCount.Draw(r, "deletion"),
		}
	})
	kinds := allKinds(t)
	return rapid.Custom(func(r *rapid.T) apikey.Event {
		e := apikey.Event{
			Type: rapid.SampledFrom(kinds).Draw(r, "type"), Owner: owner, Revision: rapid.Int64Range(0, store.MaxRevision).Draw(r, "revision"),
			OccurredAt: instant.Draw(r, "occurred"), Actor: actor.Draw(r, "actor"), CorrelationID: anyText.Draw(r, "correlation"),
			Keys: rapid.SliceOfN(key, 1, 3).Draw(r, "keys"), SecretARN: anyText.Draw(r, "secret"), AffectedRuns: anyCount.Draw(r, "runs"),
			Schedules: rapid.SliceOfNDistinct(schedule, 0, 3, func(s apikey.Schedule) string { return s.ID }).Draw(r, "schedules"),
			DueAt:     maybe.Draw(r, "due"), Reason: anyText.Draw(r, "reason"),
			Job: apikey.Job{ID: anyText.Draw(r, "job"), Type: anyText.Draw(r, "job type"), Service: anyText.Draw(r, "service")},
		}
		if first := rapid.SliceOfN(schedule, 0, 3).Draw(r, "affected"); len(first) > 0 {
			e.AffectedSchedules = apikey.AffectedSchedules{First: first, Count: len(first) + anyCount.Draw(r, "more")}
		}
		if rapid.Bool().Draw(r, "policy?") {
			e.Policy = rapid.Ptr(policy, false).Draw(r, "policy")
		}
		return e
	})
}
