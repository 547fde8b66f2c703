package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
)

func now() apikey.Command {
	return apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorSchedule, ID: "sweep"}, Now: time.Now(), CorrelationID: "run-1"}
}

// announcements are one of each kind about a ring with an Active and a Phased out
// key.
func announcements(ring apikey.Ring, c apikey.Command) map[string]apikey.Event {
	job := apikey.Job{ID: "job-1", Type: "runtime_service", Service: "watsonx"}
	return map[string]apikey.Event{
		"DUE#":     ring.RotationDue(c, c.Now.AddDate(0, 0, 7).UTC().Truncate(time.Millisecond)),
		"FAILED#":  ring.RotationFailed(c, apikey.CodeUnavailable),
		"REFUSED#": ring.UseRefused(c, ring.PhasedOut[0].ID, "key_phased_out", job),
	}
}

// announced are the owner's announcements beside the changes.
func (s *scene) announced() (sks []string) {
	s.t.Helper()
	for _, notice := range s.notices() {
		if notice.Err != nil {
			s.t.Error(notice.Err)
		}
		if kind := notice.Event.Type; !slices.Contains([]apikey.EventType{apikey.EventCreated, apikey.EventRotated}, kind) {
			sks = append(sks, string(kind))
		}
	}
	slices.Sort(sks)
	return sks
}

// notices are all that the table has.
func (s *scene) notices() (all []store.Noticed) {
	s.t.Helper()
	for cursor, first := "", true; first || cursor != ""; first = false {
		found, next, err := s.store.NoticesBetween(s.t.Context(), time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour), cursor)
		if err != nil {
			s.t.Fatal(err)
		}
		all, cursor = append(all, found...), next
	}
	return all
}

func TestAnAnnouncementIsOneConditionalWrite(t *testing.T) {
	s := newScene(t)
	s.changes(2)
	for prefix, event := range announcements(s.ring(), now()) {
		s.engine.Transport.TakeCalls()
		for _, want := range []bool{true, false} {
			announced, err := s.store.Announce(t.Context(), event)
			if announced != want || err != nil {
				t.Errorf("%s: %v, %v", prefix, announced, err)
			}
			s.wantCalls(prefix, "PutItem", 1)
		}
		stored := s.stored(prefix)
		expires := stored["expiresAt"].(attributes)["N"].(string)
		if expires == "" || stored["type"].(attributes)["S"] != string(event.Type) || stored["id"].(attributes)["S"] == "" {
			t.Errorf("%s: stored is %v", prefix, stored)
		}
	}
}

// What is announced once is announced under an id that stays.
func TestAnAnnouncementMadeAgainKeepsItsFirstID(t *testing.T) {
	s := newScene(t)
	s.changes(2)
	event := announcements(s.ring(), now())["DUE#"]
	if _, err := s.store.Announce(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	first := s.stored("DUE#")
	if _, err := s.store.Announce(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, s.stored("DUE#")); diff != "" {
		t.Error(diff)
	}
}

func TestAChangeIsNotAnnouncedByItself(t *testing.T) {
	s := newScene(t)
	result, err := s.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.engine.Transport.TakeCalls()
	withoutKeys := result.Ring.RotationDue(now(), time.Now())
	withoutKeys.Keys = nil
	for name, event := range map[string]apikey.Event{"a change": *result.Event, "about no key": withoutKeys, "of no type": {Keys: result.Event.Keys}} {
		announced, err := s.store.Announce(t.Context(), event)
		if wantDefect(t, name, err); announced {
			t.Errorf("%s: announced", name)
		}
	}
	s.wantCalls("refused", "PutItem", 0)
}

// Whatever becomes of calls, an announcement is there at most once, and there
// when it was said to be.
func TestAnnouncementsUnderFaults(t *testing.T) {
	for name, test := range everyFault {
		for _, prefix := range []string{"DUE#", "FAILED#", "REFUSED#"} {
			t.Run(prefix+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t)
					s.changes(2)
					event := announcements(s.ring(), now())[prefix]
					s.engine.Transport.SetFault(test.fault())
					announced, err := s.store.Announce(t.Context(), event)
					s.engine.Transport.SetFault(nil)
					if apikey.CodeOf(err) != test.code {
						t.Errorf("answered %v", err)
					}
					there := len(s.announced()) == 1
					// An answer that was lost: it is there, and was there before as far as
					// anybody can tell.
					if lost := strings.HasPrefix(name, "loses"); there != (err == nil || lost) || announced != (err == nil && !lost) {
						t.Errorf("there: %v, announced: %v", there, announced)
					}
				})
			})
		}
	}
}

func TestWhatWasAnnouncedIsKnownInOneCallForAHundred(t *testing.T) {
	s := newScene(t)
	var rings []apikey.Ring
	for _, other := range s.rings(101) {
		rings = append(rings, other.ring())
	}
	for _, ring := range []apikey.Ring{rings[0], rings[99], rings[100]} {
		if _, err := s.store.Announce(t.Context(), ring.RotationDue(now(), time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	for count, c := range map[int]struct{ pending, calls int }{0: {0, 0}, 1: {0, 1}, 2: {1, 1}, 100: {98, 1}, 101: {98, 2}} {
		s.engine.Transport.TakeCalls()
		pending, err := s.store.NotYetAnnounced(t.Context(), rings[:count])
		if err != nil || len(pending) != c.pending {
			t.Errorf("of %d: %d, %v", count, len(pending), err)
		}
		s.wantCalls("known", "BatchGetItem", c.calls)
	}
	pending, err := s.store.NotYetAnnounced(t.Context(), rings)
	if diff := cmp.Diff(rings[1:99], pending); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
}

// What was announced of a key that is no longer Active says nothing of the next.
func TestANewKeysRotationIsNotYetAnnounced(t *testing.T) {
	s := newScene(t)
	s.changes(1)
	if _, err := s.store.Announce(t.Context(), s.ring().RotationDue(now(), time.Now())); err != nil {
		t.Fatal(err)
	}
	s.rotate()
	pending, err := s.store.NotYetAnnounced(t.Context(), []apikey.Ring{s.ring()})
	if err != nil || len(pending) != 1 {
		t.Errorf("%v, %v", pending, err)
	}
}

func TestWhatWasAnnouncedUnderFaults(t *testing.T) {
	for name, test := range everyFault {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.changes(1)
				rings := []apikey.Ring{s.ring()}
				s.engine.Transport.SetFault(test.fault())
				pending, err := s.store.NotYetAnnounced(t.Context(), rings)
				if apikey.CodeOf(err) != test.code || (len(pending) == 1) != (err == nil) {
					t.Errorf("%v, %v", pending, err)
				}
			})
		})
	}
}

// The instants that periods are told apart by are the clock's, in UTC.
func TestPeriodsOfAnnouncementsAreInUTC(t *testing.T) {
	zone := time.FixedZone("Apia", 13*60*60+1800)
	for name, c := range map[string]struct {
		at        time.Time
		day, hour string
	}{
		"UTC":      {time.Date(2026, 11, 3, 23, 59, 59, 999e6, time.UTC), "2026-11-03", "2026-11-03T23"},
		"midnight": {time.Date(2026, 11, 4, 0, 0, 0, 0, time.UTC), "2026-11-04", "2026-11-04T00"},
		"Apia":     {time.Date(2026, 11, 4, 0, 15, 0, 0, zone), "2026-11-03", "2026-11-03T10"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.changes(2)
			ring := s.ring()
			for prefix, want := range map[string]string{
				"FAILED#": "FAILED#" + ring.Active.ID.String() + "#" + c.day, "REFUSED#": "REFUSED#" + ring.PhasedOut[0].ID.String() + "#" + c.hour,
			} {
				event := announcements(ring, apikey.Command{Now: c.at})[prefix]
				event.OccurredAt = c.at // in whatever zone
				if _, err := s.store.Announce(t.Context(), event); err != nil {
					t.Fatal(err)
				}
				if sk := s.stored(prefix)["sk"].(attributes)["S"]; sk != want {
					t.Errorf("%s, want %s", sk, want)
				}
			}
		})
	}
}

func TestAnAnnouncementStopsWithItsRequest(t *testing.T) {
	s := newScene(t)
	s.changes(2)
	event := announcements(s.ring(), now())["DUE#"]
	s.engine.Transport.TakeCalls()
	ctx, cancel := context.WithCancel(t.Context())
	s.engine.Transport.SetFault(awstest.On("PutItem", cancelling(cancel)))
	if announced, err := s.store.Announce(ctx, event); announced || apikey.CodeOf(err) != apikey.CodeUnavailable {
		t.Errorf("%v, %v", announced, err)
	}
	s.wantCalls("the request is over", "PutItem", 1)
}
