package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// anyOperation is something that the store does, with a request that may end.
type anyOperation func(context.Context, *scene) error

// readsAndWrites are the operations on schedules, facts, runs and uses, on what
// indexes lead to, announcements and walks.
var readsAndWrites = map[string]anyOperation{
	"a fact": func(ctx context.Context, s *scene) error {
		_, err := s.store.Fact(ctx, s.needsRing())
		return err
	},
	"facts": func(ctx context.Context, s *scene) error {
		_, errs := s.store.Facts(ctx, []jobauth.Needs{s.needs("s000"), s.other().needsRing()})
		if (errs[0] == nil) != (errs[1] == nil) {
			s.t.Errorf("one of two: %v", errs)
		}
		return errs[0]
	},
	"a page of schedules": func(ctx context.Context, s *scene) error {
		_, _, err := s.store.Schedules(ctx, s.owner.Locator(), "", 10)
		return err
	},
	"all schedules": func(ctx context.Context, s *scene) error {
		_, err := s.store.AllSchedules(ctx, s.owner.Locator())
		return err
	},
	"a run recorded": func(ctx context.Context, s *scene) error {
		_, err := s.store.RecordRun(ctx, s.run("b", time.Now()))
		return err
	},
	"a run extended": func(ctx context.Context, s *scene) error {
		_, err := s.store.ExtendRun(ctx, s.run("a", time.Now()))
		return err
	},
	"a run ended": func(ctx context.Context, s *scene) error {
		return s.store.EndRun(ctx, s.run("a", time.Now()).Ref(), "")
	},
	"a run and its ring": func(ctx context.Context, s *scene) error {
		_, _, err := s.store.RunAndRing(ctx, s.run("a", time.Now()).Ref())
		return err
	},
	"running operations": func(ctx context.Context, s *scene) error {
		return s.store.Running(ctx, s.owner.Locator(), func(jobauth.Run) {})
	},
	"a use": func(ctx context.Context, s *scene) error {
		return s.store.Use(ctx, apikey.Ring{Owner: s.owner}, apikey.KeyID{6: 0x70, 8: 0x80})
	},
	"a ring and its uses": func(ctx context.Context, s *scene) error {
		_, _, err := s.store.RingAndUses(ctx, s.owner.Locator())
		return err
	},
	"due rings": func(ctx context.Context, s *scene) error {
		return s.store.DueRings(ctx, store.DueByDefault, time.Now().Add(time.Hour), func([]store.FoundRing) error { return nil })
	},
	"an account's rings": func(ctx context.Context, s *scene) error {
		_, _, err := s.store.AccountRings(ctx, s.owner.AccountID, "", 10)
		return err
	},
	"an announcement": func(ctx context.Context, s *scene) error {
		_, err := s.store.Announce(ctx, s.coming().RotationDue(now(), time.Now()))
		return err
	},
	"what was announced": func(ctx context.Context, s *scene) error {
		_, err := s.store.NotYetAnnounced(ctx, []apikey.Ring{s.coming()})
		return err
	},
	"notices of a span": func(ctx context.Context, s *scene) error {
		_, _, err := s.store.NoticesBetween(ctx, time.Now(), time.Now(), "")
		return err
	},
	"an item's notice": func(ctx context.Context, s *scene) error {
		_, _, err := s.store.NoticeOf(ctx, "OWNER#"+s.owner.Locator().String(), "EVENT#0000000001")
		return err
	},
	"a walk": func(ctx context.Context, s *scene) error {
		_, err := s.store.DailyWalk(ctx)
		return err
	},
	"a walk's next page": func(ctx context.Context, s *scene) error {
		_, err := s.store.AdvanceWalk(ctx, store.Walk{Day: "2026-11-03"})
		return err
	},
	"a binding": func(ctx context.Context, s *scene) error {
		_, err := s.store.Update(ctx, s.owner, store.Idempotency{}, func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, _, err := ring.Bind(apikey.Command{Now: time.Now()}, nil, apikey.Schedule{ID: "nightly", Binding: apikey.FollowActive})
			return next, event, err
		})
		return err
	},
}

// coming is a ring whose rotation is coming.
func (s *scene) coming() apikey.Ring {
	return apikey.Ring{Owner: s.owner, Active: &apikey.Key{ID: apikey.KeyID{6: 0x70, 8: 0x80}}}
}

// Nothing goes on when the request is over that it was for.
func TestWhatHangsIsUnavailableWhenItsRequestEnds(t *testing.T) {
	for name, operation := range readsAndWrites {
		for fault, c := range map[string]struct {
			fault awstest.Fault
			limit time.Duration
		}{
			"hangs":               {awstest.Hang, time.Second},
			"its answer hangs":    {awstest.HoldAnswer, time.Second},
			"it was over already": {awstest.LoseAnswer, 0},
		} {
			t.Run(name+"/"+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t)
					s.changes(1)
					s.bindMany(1)
					s.record(s.run("a", time.Now()))
					s.engine.Transport.SetFault(c.fault)
					ctx, cancel := context.WithTimeout(t.Context(), c.limit)
					defer cancel()
					began := time.Now()
					err := operation(ctx, s)
					if apikey.CodeOf(err) != apikey.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("answered %v", err)
					}
					if took := time.Since(began); took != c.limit {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}
