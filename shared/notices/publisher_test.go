package notices_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/notices/noticestest"
)

// many are so many events, told apart by their ids; each lists so many schedules
// of the largest kind.
func many(t *testing.T, count, schedules int) []apikey.Event {
	t.Helper()
	events := make([]apikey.Event, count)
	for n := range events {
		event := samples(t)["schedule-bound"]
		event.ID = fmt.Sprintf("event-%03d", n)
		event.Schedules = nil
		for i := range schedules {
			event.Schedules = append(event.Schedules, largestSchedule(i, apikey.KeyID{6: 0x70, 8: 0x80}))
		}
		events[n] = event
	}
	return events
}

func idOf(t *testing.T, n noticestest.Notice) string {
	t.Helper()
	var detail struct{ Metadata struct{ ID string } }
	if err := json.Unmarshal([]byte(n.Detail), &detail); err != nil {
		t.Fatal(err)
	}
	return detail.Metadata.ID
}

func idsOf(t *testing.T, arrived []noticestest.Notice) []string {
	t.Helper()
	ids := []string{}
	for _, n := range arrived {
		ids = append(ids, idOf(t, n))
	}
	return ids
}

// notTaken are the places of the events that were not taken.
func notTaken(errs []error) (places []int) {
	for n, err := range errs {
		if err != nil {
			places = append(places, n)
		}
	}
	return places
}

// The bus refuses a call of more than ten entries, or of too many bytes.
func TestEveryNoticeArrivesOnceInAsFewCallsAsEventBridgeAllows(t *testing.T) {
	for _, test := range []struct{ events, schedules, calls int }{
		{0, 0, 0}, {1, 1, 1}, {10, 1, 1}, {11, 1, 2}, {100, 1, 10}, {20, 90, 20}, {20, 50, 10}, {20, 20, 3},
	} {
		t.Run(fmt.Sprintf("%d of %d schedules", test.events, test.schedules), func(t *testing.T) {
			bus := noticestest.NewBus()
			events := many(t, test.events, test.schedules)
			errs := notices.New(bus.Client(), noticestest.BusName).Publish(t.Context(), events)
			if len(errs) != len(events) || notTaken(errs) != nil {
				t.Fatalf("%d answers: %v", len(errs), errors.Join(errs...))
			}
			want := []string{}
			for _, event := range events {
				want = append(want, event.ID)
			}
			if diff := cmp.Diff(want, idsOf(t, bus.Arrived())); diff != "" {
				t.Errorf("published (-) and arrived (+): %s", diff)
			}
			if calls := bus.Transport.TakeCalls(); len(calls) != test.calls {
				t.Errorf("%d calls, want %d", len(calls), test.calls)
			}
		})
	}
}

func TestEntryTellsWhatHappenedAndWhen(t *testing.T) {
	bus := noticestest.NewBus()
	event := samples(t)["rotated"]
	if errs := notices.New(bus.Client(), noticestest.BusName).Publish(t.Context(), []apikey.Event{event}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	want := noticestest.Notice{
		EventBusName: noticestest.BusName, Source: "userapikey", DetailType: "User API Key Rotated",
		Detail: string(encoded(t, event)), Time: float64(event.OccurredAt.UnixMilli()) / 1000,
	}
	if diff := cmp.Diff([]noticestest.Notice{want}, bus.Arrived()); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
}

func TestEachEntryIsAnsweredByItself(t *testing.T) {
	bus := noticestest.NewBus()
	bus.SetRefusal(func(n noticestest.Notice) string {
		if id := idOf(t, n); strings.HasSuffix(id, "3") || id == "event-010" {
			return "InternalFailure"
		}
		return ""
	})
	errs := notices.New(bus.Client(), noticestest.BusName).Publish(t.Context(), many(t, 25, 1))
	if diff := cmp.Diff([]int{3, 10, 13, 23}, notTaken(errs)); diff != "" {
		t.Errorf("refused (-) and reported (+): %s", diff)
	}
	if text := errs[3].Error(); !strings.Contains(text, "InternalFailure") || !strings.Contains(text, "injected") {
		t.Errorf("the error does not tell why: %s", text)
	}
	if arrived := len(bus.Arrived()); arrived != 21 {
		t.Errorf("%d arrived, want 21", arrived)
	}
}

// One call's failure is its own entries' only, whichever way it fails.
func TestCallThatFailsTakesNoOtherWithIt(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"throttled":      awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
		"internal error": awstest.Refuse(http.StatusInternalServerError, "InternalException"),
		"access denied":  awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
		"reset":          awstest.Reset,
		"answer lost":    awstest.LoseAnswer,
		"slow":           awstest.Hang,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus := noticestest.NewBus()
				bus.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
					if strings.Contains(string(call.Body), "event-015") {
						return fault(call, next)
					}
					return next()
				})
				began := time.Now()
				errs := notices.New(bus.Client(), noticestest.BusName).Publish(t.Context(), many(t, 30, 1))
				if diff := cmp.Diff([]int{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, notTaken(errs)); diff != "" {
					t.Errorf("failed (-) and reported (+): %s", diff)
				}
				if calls := len(bus.Transport.TakeCalls()); calls > 5 {
					t.Errorf("%d calls: retries are not bounded", calls)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestCallThatFailsOnceIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := noticestest.NewBus()
		bus.Transport.SetFault(awstest.Once(awstest.Refuse(http.StatusBadRequest, "ThrottlingException")))
		if errs := notices.New(bus.Client(), noticestest.BusName).Publish(t.Context(), many(t, 10, 1)); notTaken(errs) != nil {
			t.Error(errors.Join(errs...))
		}
		if arrived := len(bus.Arrived()); arrived != 10 {
			t.Errorf("%d arrived", arrived)
		}
	})
}

func TestNothingIsPublishedBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := noticestest.NewBus()
		bus.Transport.SetFault(awstest.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		errs := notices.New(bus.Client(), noticestest.BusName).Publish(ctx, many(t, 100, 1))
		if failed := len(notTaken(errs)); failed != 100 {
			t.Errorf("%d of 100 failed", failed)
		}
		if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended by %v", err)
		}
		calls := len(bus.Transport.TakeCalls())
		if bus.Transport.SetFault(nil); calls > 1 {
			t.Errorf("%d calls were made, 1 of them in time", calls)
		}
	})
}

// What EventBridge does not tell of an entry is not taken for taken.
func TestAnswerThatIsTooShortIsNoSuccess(t *testing.T) {
	bus := noticestest.NewBus()
	bus.Transport.SetFault(func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		return awstest.Answer(http.StatusOK, map[string]any{"FailedEntryCount": 0, "Entries": []any{map[string]string{"EventId": "1"}}}), nil
	})
	errs := notices.New(bus.Client(), noticestest.BusName).Publish(t.Context(), many(t, 3, 1))
	if diff := cmp.Diff([]int{1, 2}, notTaken(errs)); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
}
