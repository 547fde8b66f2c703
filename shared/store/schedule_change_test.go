package store_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
)

// bindAgain has a schedule follow the Active key, and tells how it was bound before.
func (s *scene) bindAgain(id string, idempotency store.Idempotency) (before *apikey.Schedule, result store.Result, err error) {
	result, err = s.store.UpdateSchedule(s.t.Context(), s.owner, id, idempotency,
		func(ring apikey.Ring, bound *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
			before = bound
			next, event, _, err := ring.Bind(apikey.Command{Now: time.Now()}, bound, apikey.Schedule{ID: id, Binding: apikey.FollowActive})
			return next, event, err
		})
	return before, result, err
}

// A change that is refused, or found to be made already, is judged by a ring and a
// schedule of one instant: no other call comes in between.
func TestRingAndScheduleOfAChangeAreReadInOneCall(t *testing.T) {
	s := newScene(t)
	for name, idempotency := range map[string]store.Idempotency{
		"without a key": {}, "with a key": {Key: "key-1", Operation: "bind"},
	} {
		if before, result, err := s.bindAgain(name, idempotency); err != nil || before != nil || result.Event == nil {
			t.Fatalf("%s: bound as %+v before, %+v, %v", name, before, result.Event, err)
		}
		if diff := cmp.Diff([]string{"TransactGetItems", "TransactWriteItems"}, s.engine.Transport.TakeCalls()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		before, result, err := s.bindAgain(name, store.Idempotency{})
		if err != nil || before == nil || before.ID != name || before.Revision != result.Ring.Revision || result.Event != nil {
			t.Errorf("%s: bound as %+v before, %+v, %v", name, before, result.Event, err)
		}
		if diff := cmp.Diff([]string{"TransactGetItems"}, s.engine.Transport.TakeCalls()); diff != "" {
			t.Errorf("%s, again: %s", name, diff)
		}
	}
	if s.revision() != 2 {
		t.Errorf("the ring is at revision %d", s.revision())
	}
}

func TestChangeOfAScheduleIsMadeOnceUnderOneKey(t *testing.T) {
	s := newScene(t)
	once := store.Idempotency{Key: "key-1", Operation: "bind"}
	_, first, err := s.bindAgain("nightly", once)
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := s.bindAgain("nightly", once)
	if err != nil || !again.Replayed || again.Event.ID != first.Event.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, _, err := s.bindAgain("nightly", store.Idempotency{Key: "key-1", Operation: "unbind"}); apikey.CodeOf(err) != apikey.CodeIdempotencyKeyReused {
		t.Errorf("for something else: %v", err)
	}
}

func TestReadOfAScheduleThatConflictsIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.engine.Transport.SetFault(awstest.On("TransactGetItems", awstest.Once(cancelTransaction("TransactionConflict"))))
		if _, _, err := s.bindAgain("nightly", store.Idempotency{}); err != nil || s.revision() != 1 {
			t.Errorf("bound: %v", err)
		}
		s.engine.Transport.SetFault(awstest.On("TransactGetItems", awstest.Reset))
		if _, _, err := s.bindAgain("hourly", store.Idempotency{}); apikey.CodeOf(err) != apikey.CodeUnavailable || s.revision() != 1 {
			t.Errorf("bound: %v", err)
		}
	})
}

// An item that is not the schedule that was asked for is a defect, and not taken
// for none.
func TestScheduleThatIsAnotherIsADefect(t *testing.T) {
	s := newScene(t)
	if _, _, err := s.bindAgain("nightly", store.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	s.engine.Transport.SetFault(awstest.On("TransactGetItems", func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		response, err := next()
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(response.Body)
		response.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `"nightly"`, `"hourly"`, 1)))
		return response, err
	}))
	if before, _, err := s.bindAgain("nightly", store.Idempotency{}); apikey.CodeOf(err) != apikey.CodeInternal {
		t.Errorf("bound as %+v before, %v", before, err)
	}
}
