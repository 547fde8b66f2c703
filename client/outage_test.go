package client_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/userapikey/service/client"
)

// outages are ways in which no renewal is decided, and none of them is a no.
var outages = []struct {
	name   string
	answer http.HandlerFunc
}{
	{"connections break", breaks},
	{"no answer comes", hangs},
	{"503", says(503, asProblem, problem("unavailable"), "Retry-After", "2")},
	{"500", says(500, asProblem, problem("internal"))},
	{"throttled by the gateway", says(429, asJSON, `{"message":"Too Many Requests"}`)},
	{"a proxy's page", says(200, "text/html", "<html>Sign in</html>")},
	{"a proxy's 404", says(404, "text/html", "<html>not found</html>")},
	{"404 of another path", says(404, asProblem, problem("not_found"))},
	{"run_not_found with another status", says(410, asProblem, problem("run_not_found"))},
	{"the role was taken", says(403, asProblem, problem("role_required"))},
	{"the token is refused", says(401, asProblem, problem("unauthenticated"))},
	{"an answer that is cut off", says(200, asJSON, `{"allowed":true,"reason":"key_act`)},
	{"a decision that contradicts itself", says(200, asJSON, `{"allowed":false,"reason":"key_active"}`)},
	{"a no that decides nothing", says(200, asJSON, `{"allowed":false,"reason":"unavailable"}`)},
	{"a decision about nothing", says(200, asJSON, `{"allowed":true,"reason":"no_active_key"}`)},
}

func TestAnOutageShorterThanTheLeaseDoesNotStopTheJob(t *testing.T) {
	for _, outage := range outages {
		t.Run(outage.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				run := w.start(t.Context(), time.Hour)
				w.at(time.Minute)
				w.on(renewals, outage.answer)
				w.at(57 * time.Minute)
				mustRun(t, run)
				w.service.Intercept(nil)
				w.at(12 * time.Hour)
				mustRun(t, run)
			})
		})
	}
}

func TestAnOutageLongerThanTheLeaseStopsTheJobWhenTheLeaseEnds(t *testing.T) {
	for _, lease := range []time.Duration{10 * time.Second, time.Hour} {
		for _, outage := range outages {
			t.Run(outage.name+"/"+lease.String(), func(t *testing.T) {
				inBubble(t, func(t *testing.T, w *world) {
					run := w.start(t.Context(), lease)
					// The second lease is the one that is lost.
					w.at(lease / 3)
					w.on(renewals, outage.answer)
					w.at(lease/3 + lease - 1)
					mustRun(t, run)
					w.at(lease/3 + lease)
					lost := cause[*client.LeaseLostError](t, run)
					if failure, ok := errors.AsType[*client.Error](lost); !ok || failure.Op != "renew run" {
						t.Errorf("the lease was lost because of %v", lost.Err)
					}
					if attempts := len(w.times("POST", renewals)) - 1; attempts < 4 {
						t.Errorf("only %d attempts", attempts)
					}
				})
			})
		}
	}
}

func TestAttemptsToRenewKeepTheirDistance(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start(t.Context(), time.Hour)
		w.service.SetUnreachable(true)
		w.at(time.Hour)
		times := w.times("POST", renewals)
		for i := 1; i < len(times); i++ {
			if apart := times[i] - times[i-1]; apart < 500*time.Millisecond || apart > time.Minute {
				t.Errorf("attempts %d and %d are %s apart", i-1, i, apart)
			}
		}
		if len(times) < 40 || len(times) > 100 {
			t.Errorf("%d attempts in forty minutes", len(times))
		}
	})
}

func TestARenewalWaitsAsLongAsTheServiceAsks(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), time.Hour)
		w.on(renewals, says(503, asProblem, problem("unavailable"), "Retry-After", "420"))
		w.at(22 * time.Minute)
		w.service.Intercept(nil)
		w.at(31 * time.Minute)
		mustRun(t, run)
		if times := w.times("POST", renewals); len(times) != 2 || times[1] < 27*time.Minute || times[1] > 30*time.Minute+30*time.Second {
			t.Errorf("attempts at %v", times)
		}
	})
}

func TestRunsThatWereNotRenewedTogetherAreNotTriedAgainTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for range 20 {
			w.start(t.Context(), time.Hour)
		}
		w.on(renewals, says(503, asProblem, problem("unavailable"), "Retry-After", "60"))
		w.at(21*time.Minute + 30*time.Second)
		again := map[time.Duration]bool{}
		for _, at := range w.times("POST", renewals)[20:] {
			again[at] = true
		}
		if len(again) < 20 {
			t.Errorf("twenty were tried again at %d instants", len(again))
		}
	})
}

func TestARetryAfterBeyondTheLeaseLeavesOneMoreAttempt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		run := w.start(t.Context(), time.Hour)
		w.on(renewals, says(503, asProblem, problem("unavailable"), "Retry-After", "86400"))
		w.at(21 * time.Minute)
		w.service.Intercept(nil)
		w.at(2 * time.Hour)
		mustRun(t, run)
		if times := w.times("POST", renewals); times[1] >= time.Hour || times[1] < 59*time.Minute {
			t.Errorf("attempts at %v", times)
		}
	})
}
