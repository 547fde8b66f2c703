package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/userapikey/service/client"
)

// failure is the client's own error in err.
func failure(t *testing.T, err error) *client.Error {
	t.Helper()
	found, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("%v is no *client.Error", err)
	}
	return found
}

func TestAuthorizeTellsTheDecision(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		deleted := w.ada.Active()
		phasedOut := w.ada.Rotate()
		follows, pinned := w.ada.FollowActive("nightly"), w.ada.Pin("weekly")
		active := w.ada.Rotate()
		w.ada.Delete(deleted.ID)
		bySchedule := func(ref string) client.Request {
			r := job()
			r.ScheduleRef = ref
			return r
		}
		byOwner := job()
		byOwner.Owner = &client.OwnerRef{AccountID: "acme", IAMID: "nobody"}
		for _, c := range []struct {
			name    string
			request client.Request
			reason  client.Reason
			key     *client.Key
		}{
			{"Active key", byCredential(active.Credential), client.KeyActive, &client.Key{ID: active.ID, Name: active.Name}},
			{"owner", w.adasJob(), client.KeyActive, &client.Key{ID: active.ID, Name: active.Name}},
			{"schedule", bySchedule(follows), client.KeyActive, &client.Key{ID: active.ID, Name: active.Name}},
			{"Phased out key", byCredential(phasedOut.Credential), client.KeyPhasedOut, &client.Key{ID: phasedOut.ID, Name: phasedOut.Name}},
			{"pinned schedule", bySchedule(pinned), client.ScheduleKeyPhasedOut, &client.Key{ID: phasedOut.ID, Name: phasedOut.Name}},
			{"deleted key", byCredential(deleted.Credential), client.KeyDeleted, &client.Key{ID: deleted.ID}},
			{"no credential", byCredential(""), client.CredentialMalformed, nil},
			{"other owner", byOwner, client.NoActiveKey, nil},
			{"other schedule", bySchedule("nothing"), client.ScheduleUnknown, nil},
		} {
			decision, err := w.client.Authorize(t.Context(), c.request)
			if err != nil || decision.Reason != c.reason || decision.Allowed != (c.reason == client.KeyActive) {
				t.Fatalf("%s: %+v, %v", c.name, decision, err)
			}
			if (decision.Key == nil) != (c.key == nil) || c.key != nil && *decision.Key != *c.key {
				t.Errorf("%s: key %+v, want %+v", c.name, decision.Key, c.key)
			}
			if (decision.Owner == nil) != (c.key == nil) || decision.Run != nil || (decision.Secret != nil) != decision.Allowed {
				t.Errorf("%s: %+v", c.name, decision)
			}
		}
	})
}

func TestARunIDIsRecordedForTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		request := w.adasJob()
		request.RunID, request.Lease = "run-1", 1500*time.Millisecond
		decision, err := w.client.Authorize(t.Context(), request)
		if err != nil || decision.Run == nil || !decision.Run.LeaseExpiresAt.Equal(w.began.Add(2*time.Second)) {
			t.Errorf("got %+v, %v", decision.Run, err)
		}
	})
}

func TestEveryFieldOfARequestIsSent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		_, _ = w.client.Authorize(t.Context(), client.Request{
			JobID: "job-1", RunID: "run-1", Lease: time.Minute, JobType: client.RuntimeService, Service: "notebooks",
			Trigger: client.AdHoc, Credential: client.NewCredential("text"), ScheduleRef: "ref",
			Owner: &client.OwnerRef{AccountID: "acme", IAMID: "IBMid-1"},
		})
		want := `{"jobId":"job-1","runId":"run-1","leaseSeconds":60,"jobType":"runtime_service","service":"notebooks",` +
			`"trigger":"ad_hoc","credential":"text","scheduleRef":"ref","owner":{"accountId":"acme","iamId":"IBMid-1"}}`
		if got := w.service.Requests()[0].Body; got != want {
			t.Errorf("sent %s\nwant %s", got, want)
		}
	})
}

func TestTheServiceIsAskedUnderItsStageAsTheRunner(t *testing.T) {
	seen := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		says(200, asJSON+"; charset=utf-8", `{"allowed":false,"reason":"no_active_key"}`)(w, r)
	}))
	defer server.Close()
	c := newClient(t, client.Config{BaseURL: server.URL + "/live/", Tokens: client.StaticToken("abc.def"), UserAgent: "nightly/2.3"})
	if _, err := c.Authorize(t.Context(), job()); err != nil {
		t.Fatal(err)
	}
	r := <-seen
	if r.Method != "POST" || r.URL.Path != "/live/v1/job-authorizations" || r.Header.Get("Authorization") != "Bearer abc.def" ||
		r.Header.Get("User-Agent") != "nightly/2.3 userapikey-client-go" || r.Header.Get("Content-Type") != asJSON {
		t.Errorf("sent %s %s %v", r.Method, r.URL.Path, r.Header)
	}
}

func TestAnErrorOfTheServiceIsToldWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", says(400, asProblem, `{"type":"about:blank","title":"Invalid request","status":400,"code":"invalid_request",
			"detail":"owner.iamId is missing or empty.","field":"owner.iamId","requestId":"r-1"}`))
		_, err := w.client.Authorize(t.Context(), job())
		got := failure(t, err)
		if got.Op != "authorize" || got.Status != 400 || got.Code != client.CodeInvalidRequest || got.Field != "owner.iamId" || got.RequestID != "r-1" {
			t.Errorf("got %+v", *got)
		}
		if want := "user API key service: authorize: 400 invalid_request: owner.iamId is missing or empty. (request r-1)"; err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	})
}

func TestAnErrorOfTheGatewayTellsItsRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", says(403, asJSON, `{"message":"Forbidden"}`, "X-Amzn-RequestId", "aws-1"))
		_, err := w.client.Authorize(t.Context(), job())
		if got := failure(t, err); got.Code != client.CodeUnexpectedAnswer || got.Status != 403 || got.RequestID != "aws-1" {
			t.Errorf("got %+v", *got)
		}
	})
}

// fails answers so many requests so, and those after that with a no.
func (w *world) fails(times int, answer http.HandlerFunc) {
	made := 0
	w.on("", func(response http.ResponseWriter, r *http.Request) {
		if made++; made > times {
			answer = says(200, asJSON, no)
		}
		answer(response, r)
	})
}

const no = `{"allowed":false,"reason":"no_active_key"}`

func TestWhatMayPassIsTriedAFewTimes(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"broken":                breaks,
		"hanging":               hangs,
		"cut off":               says(200, asJSON, no, "Content-Length", "1000"),
		"unavailable":           says(503, asProblem, problem("unavailable"), "Retry-After", "1"),
		"at fault":              says(500, asProblem, problem("internal")),
		"gateway's 502":         says(502, asJSON, `{"message":"Internal server error"}`),
		"throttled with a time": says(429, asJSON, `{"message":"Too Many Requests"}`, "Retry-After", "0"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.fails(3, answer)
				if decision, err := w.client.Authorize(t.Context(), job()); err != nil || decision.Reason != client.NoActiveKey {
					t.Errorf("got %+v, %v", decision, err)
				}
				w.on("", answer)
				decision, err := w.client.Authorize(t.Context(), job())
				if _ = failure(t, err); decision != (client.Decision{}) {
					t.Errorf("got %+v", decision)
				}
				if made := len(w.times("POST", authorizations)); made != 4+4 {
					t.Errorf("%d attempts", made)
				}
			})
		})
	}
}

func TestWhatWillNotPassIsNotTriedAgain(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"invalid":                   says(400, asProblem, problem("invalid_request")),
		"no role":                   says(403, asProblem, problem("role_required"), "Retry-After", "1"),
		"not found":                 says(404, asProblem, problem("not_found")),
		"too large":                 says(413, asProblem, problem("payload_too_large")),
		"throttled without a time":  says(429, asJSON, `{"message":"Too Many Requests"}`),
		"redirect":                  says(307, "", "", "Location", "/elsewhere"),
		"a page":                    says(200, "text/html", "<html>"),
		"wants more time than used": says(503, asProblem, problem("unavailable"), "Retry-After", "31"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.on("", answer)
				_, err := w.client.Authorize(t.Context(), job())
				_ = failure(t, err)
				if made := len(w.service.Requests()); made != 1 || time.Since(w.began) != 0 {
					t.Errorf("%d attempts in %s", made, time.Since(w.began))
				}
			})
		})
	}
}

func TestRetryAfterIsHonouredInSecondsAndAsADate(t *testing.T) {
	// The service's clock is an hour ahead: a date counts from the answer's own.
	now := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
	for name, header := range map[string][]string{
		"seconds":           {"Retry-After", "7"},
		"date":              {"Retry-After", now.Add(7 * time.Second).Format(http.TimeFormat), "Date", now.Format(http.TimeFormat)},
		"date, of no clock": {"Retry-After", now.Add(7*time.Second - time.Hour).Format(http.TimeFormat), "Date", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.fails(1, says(503, asProblem, problem("unavailable"), header...))
				if _, err := w.client.Authorize(t.Context(), job()); err != nil {
					t.Error(err)
				}
				if waited := time.Since(w.began); waited < 7*time.Second || waited > 10500*time.Millisecond {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}

func TestRetryAfterIsInTheError(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "0": 0, "": 0, "soon": 0, "-5": 0, "1.5": 0,
		"99999999999999999999999": 24 * time.Hour, "Fri, 31 Dec 1999 23:00:00 GMT": 0, "Sat, 01 Jan 2000 00:02:00 GMT": 2 * time.Minute,
	} {
		inBubble(t, func(t *testing.T, w *world) {
			w.on("", says(429, asProblem, problem("too_many_requests"), "Retry-After", text))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := w.client.Authorize(ctx, job())
			if got := failure(t, err).RetryAfter; got != want {
				t.Errorf("%q is %s, want %s", text, got, want)
			}
		})
	}
}

func TestTheCallersContextEndsAuthorize(t *testing.T) {
	stop := errors.New("stop")
	for name, answer := range map[string]http.HandlerFunc{
		"in a request": hangs,
		"in a wait":    says(503, asProblem, problem("unavailable"), "Retry-After", "30"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.on("", answer)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(stop) })
				decision, err := w.client.Authorize(ctx, job())
				if !errors.Is(err, stop) || decision.Allowed || time.Since(w.began) != 5*time.Second {
					t.Errorf("got %+v, %v after %s", decision, err, time.Since(w.began))
				}
				_ = failure(t, err) // what was met until then
			})
		})
	}
}

func TestNothingIsWaitedForThatComesAfterTheCallersDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", says(503, asProblem, problem("unavailable"), "Retry-After", "20"))
		ctx, cancel := context.WithTimeout(t.Context(), 19*time.Second)
		defer cancel()
		_, err := w.client.Authorize(ctx, job())
		if got := failure(t, err); got.RetryAfter != 20*time.Second || time.Since(w.began) != 0 {
			t.Errorf("got %v after %s", err, time.Since(w.began))
		}
	})
}

func TestADecisionReadsAsTheServiceWritesIt(t *testing.T) {
	text := `{"allowed":true,"reason":"key_active","key":{"id":"k","name":"n"},"owner":{"accountId":"a","iamId":"i","username":"u"},` +
		`"run":{"ref":"r","leaseExpiresAt":"2026-11-03T12:00:00Z"},"secret":{"arn":"s","versionId":"v"}}`
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", says(200, asJSON, text[:len(text)-1]+`,"ofALaterVersion":1}`))
		decision, err := w.client.Authorize(t.Context(), job())
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(decision); string(again) != text {
			t.Errorf("got %s", again)
		}
	})
}

func TestConcurrentAnswersAreNotMixedUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bob := w.service.AddOwner("acme", "IBMid-2")
		done := make(chan struct{})
		for i := range 40 {
			go func() {
				defer func() { done <- struct{}{} }()
				owner := slices.Repeat([]*client.OwnerRef{w.ada.Ref(), bob.Ref()}, 20)[i]
				request := job()
				request.Owner = owner
				decision, err := w.client.Authorize(t.Context(), request)
				if err != nil || decision.Owner.IAMID != owner.IAMID {
					t.Errorf("asked for %s, got %+v, %v", owner.IAMID, decision.Owner, err)
				}
			}()
		}
		for range 40 {
			<-done
		}
	})
}

// The service asks all of them for the same wait.
func TestRunnersThatFailedTogetherDoNotComeBackTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", says(503, asProblem, problem("unavailable"), "Retry-After", "2"))
		var runners sync.WaitGroup
		for range 100 {
			runners.Go(func() { _, _ = w.client.Authorize(t.Context(), w.adasJob()) })
		}
		w.at(3 * time.Second)
		again := map[time.Duration]bool{}
		for _, at := range w.times("POST", authorizations) {
			if at > 0 && at < 2*time.Second {
				t.Errorf("one came back after %s", at)
			}
			again[at] = at > 0
		}
		if delete(again, 0); len(again) < 90 {
			t.Errorf("a hundred came back at %d instants", len(again))
		}
		w.service.Intercept(nil)
		runners.Wait()
	})
}
