package client_test

import (
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/client"
)

const yes = `{"allowed":true,"reason":"key_active","key":{"id":"k","name":"n"},"run":{"ref":"r","leaseExpiresAt":"2026-11-03T12:00:00Z"}}`

// hostile are answers that are not the service's yes, however much they look
// like it.
var hostile = map[string]http.HandlerFunc{
	"nothing":                        says(200, asJSON, ""),
	"no content type":                says(200, "", yes),
	"a page":                         says(200, "text/html; charset=utf-8", "<html>"+yes+"</html>"),
	"a yes as text":                  says(200, "text/plain", yes),
	"a page as JSON":                 says(200, asJSON, "<html>Please sign in</html>"),
	"a yes with 500":                 says(500, asJSON, yes),
	"a yes with 503":                 says(503, asProblem, yes),
	"a yes with 403":                 says(403, asJSON, yes),
	"a yes with 201":                 says(201, asJSON, yes),
	"a yes with 204":                 says(204, asJSON, ""),
	"a yes with 302":                 says(302, asJSON, yes, "Location", "https://evil.example/"),
	"a problem with 200":             says(200, asProblem, yes),
	"cut off":                        says(200, asJSON, yes[:len(yes)-1]),
	"cut off by the connection":      says(200, asJSON, yes, "Content-Length", "4000"),
	"something after it":             says(200, asJSON, yes+yes),
	"null":                           says(200, asJSON, "null"),
	"true":                           says(200, asJSON, "true"),
	"a list":                         says(200, asJSON, "["+yes+"]"),
	"allowed as text":                says(200, asJSON, strings.Replace(yes, "true", `"true"`, 1)),
	"allowed as number":              says(200, asJSON, strings.Replace(yes, "true", `1`, 1)),
	"allowed is null":                says(200, asJSON, strings.Replace(yes, "true", `null`, 1)),
	"not said":                       says(200, asJSON, strings.Replace(yes, `"allowed":true,`, "", 1)),
	"in capitals":                    says(200, asJSON, strings.Replace(yes, "allowed", "ALLOWED", 1)),
	"a no and a yes":                 says(200, asJSON, strings.Replace(yes, "{", `{"allowed":false,`, 1)),
	"a no and a yes in capitals":     says(200, asJSON, strings.Replace(yes, `"allowed"`, `"allowed":false,"Allowed"`, 1)),
	"no reason":                      says(200, asJSON, strings.Replace(yes, `"reason":"key_active",`, "", 1)),
	"reason in capitals":             says(200, asJSON, strings.Replace(yes, "reason", "Reason", 1)),
	"allowed for a reason against":   says(200, asJSON, strings.Replace(yes, "key_active", "key_deleted", 1)),
	"allowed for an unknown reason":  says(200, asJSON, strings.Replace(yes, "key_active", "key_fine", 1)),
	"allowed for being phased out":   says(200, asJSON, strings.Replace(yes, "key_active", "key_phased_out", 1)),
	"a no that decides nothing":      says(200, asJSON, `{"allowed":false,"reason":"unavailable"}`),
	"allowed for being undecided":    says(200, asJSON, strings.Replace(yes, "key_active", "unavailable", 1)),
	"a reason that is no word":       says(200, asJSON, strings.Replace(yes, "key_active", "key active", 1)),
	"a run without a name":           says(200, asJSON, strings.Replace(yes, `"ref":"r"`, `"ref":""`, 1)),
	"a run that leads elsewhere":     says(200, asJSON, strings.Replace(yes, `"ref":"r"`, `"ref":".."`, 1)),
	"no run":                         says(200, asJSON, strings.Replace(yes, `"run"`, `"ran"`, 1)),
	"a key of a wrong type":          says(200, asJSON, strings.Replace(yes, `"id":"k"`, `"id":7`, 1)),
	"huge":                           says(200, asJSON, strings.Replace(yes, "{", "{"+strings.Repeat(" ", 1<<20), 1)),
	"huge at its end":                says(200, asJSON, yes+strings.Repeat(" ", 1<<20)),
	"huge when decompressed":         says(200, asJSON, compressed(strings.Repeat(" ", 1<<20)+yes), "Content-Encoding", "gzip"),
	"compressed otherwise":           says(200, asJSON, compressed(yes), "Content-Encoding", "br"),
	"allowed deep within":            says(200, asJSON, `{"decision":`+yes+`}`),
	"no JSON in the end":             says(200, asJSON, yes+"]"),
	"two bytes of another encoding":  says(200, asJSON, "\xff\xfe"+yes),
	"an endless problem":             endless(503, asProblem),
	"an endless yes":                 endless(200, asJSON),
	"a decision with an error's way": says(200, asJSON, `{"allowed":true,"code":"unavailable","detail":"x"}`),
}

func compressed(text string) string {
	var out strings.Builder
	writer := gzip.NewWriter(&out)
	_, _ = writer.Write([]byte(text))
	_ = writer.Close()
	return out.String()
}

// endless answers for as long as somebody reads.
func endless(status int, mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		for {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
				return
			}
		}
	}
}

// Or else the tests below would show nothing.
func TestTheYesThatHostileAnswersImitateIsOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", says(200, asJSON, yes))
		request := w.adasJob()
		request.RunID, request.Lease = "run-1", 6*time.Second
		if decision, err := w.client.Authorize(t.Context(), request); err != nil || !decision.Allowed {
			t.Errorf("Authorize: %+v, %v", decision, err)
		}
		w.on("", inBatch(says(200, asJSON, yes)))
		if decisions, err := w.client.AuthorizeBatch(t.Context(), []client.Request{request}); err != nil || !decisions[0].Allowed {
			t.Errorf("AuthorizeBatch: %+v, %v", decisions, err)
		}
		w.service.Intercept(nil)
		run := w.start(t.Context(), 6*time.Second)
		w.on(renewals, says(200, asJSON, yes))
		w.at(time.Minute)
		mustRun(t, run)
	})
}

func TestHostileAnswersAllowNothing(t *testing.T) {
	for name, answer := range hostile {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.on("", answer)
				request := w.adasJob()
				request.RunID = "run-1"
				if decision, err := w.client.Authorize(t.Context(), request); err == nil || decision != (client.Decision{}) {
					t.Errorf("Authorize: %+v, %v", decision, err)
				}
				if run, err := w.client.StartRun(t.Context(), request); err == nil || run != nil {
					t.Errorf("StartRun: %+v, %v", run, err)
				}
				w.on("", inBatch(answer))
				decisions, err := w.client.AuthorizeBatch(t.Context(), []client.Request{request})
				if err == nil && decisions[0].Reason != client.Unavailable || len(decisions) != 1 || decisions[0].Allowed {
					t.Errorf("AuthorizeBatch: %+v, %v", decisions, err)
				}
			})
		})
	}
}

// inBatch answers the same as the only decision of a batch.
func inBatch(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(&wrapped{ResponseWriter: w}, r)
	}
}

type wrapped struct {
	http.ResponseWriter
}

func (w *wrapped) Write(body []byte) (int, error) {
	if len(body) == 1<<16 {
		return w.ResponseWriter.Write(body)
	}
	if _, err := w.ResponseWriter.Write([]byte(`{"decisions":[` + string(body) + `]}`)); err != nil {
		return 0, err
	}
	return len(body), nil
}

func TestABatchOfAnotherLengthAllowsNothing(t *testing.T) {
	for name, body := range map[string]string{
		"too few":        `{"decisions":[` + yes + `]}`,
		"too many":       `{"decisions":[` + yes + `,` + yes + `,` + yes + `]}`,
		"none":           `{"decisions":[]}`,
		"null":           `{"decisions":null}`,
		"not said":       `{}`,
		"in capitals":    `{"DECISIONS":[` + yes + `,` + yes + `]}`,
		"twice":          `{"decisions":[],"decisions":[` + yes + `,` + yes + `]}`,
		"one is null":    `{"decisions":[` + yes + `,null]}`,
		"one is a text":  `{"decisions":[` + yes + `,"yes"]}`,
		"one is hostile": `{"decisions":[` + yes + `,{"allowed":true,"reason":"key_unknown"}]}`,
		"an object":      `{"decisions":{"0":` + yes + `,"1":` + yes + `}}`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.on("", says(200, asJSON, body))
				decisions, err := w.client.AuthorizeBatch(t.Context(), []client.Request{w.adasJob(), w.adasJob()})
				if got := failure(t, err); got.Code != client.CodeUnexpectedAnswer || got.Op != "authorize batch" {
					t.Errorf("got %v", err)
				}
				if len(decisions) != 2 || decisions[0].Allowed || decisions[1].Allowed {
					t.Errorf("got %+v", decisions)
				}
			})
		})
	}
}

func TestOfAnAnswerWithoutEndNotMuchMoreThanAMegabyteIsRead(t *testing.T) {
	for _, status := range []int{200, 400} {
		inBubble(t, func(t *testing.T, w *world) {
			written := 0
			ended := make(chan struct{})
			w.on("", func(response http.ResponseWriter, r *http.Request) {
				defer close(ended)
				endless(status, asJSON)(&counted{response, &written}, r)
			})
			if _, err := w.client.Authorize(t.Context(), w.adasJob()); err == nil {
				t.Error("no error")
			}
			if <-ended; written > 1<<20+1<<18 {
				t.Errorf("%d bytes were read", written)
			}
		})
	}
}

// counted counts what was written.
type counted struct {
	http.ResponseWriter
	bytes *int
}

func (c *counted) Write(part []byte) (int, error) {
	*c.bytes += len(part)
	return c.ResponseWriter.Write(part)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		inBubble(t, func(t *testing.T, w *world) {
			w.on(authorizations, says(status, asJSON, yes, "Location", "/v1/elsewhere"))
			_, err := w.client.Authorize(t.Context(), w.adasJob())
			if got := failure(t, err); got.Status != status || !strings.Contains(got.Detail, "redirect") {
				t.Errorf("got %v", err)
			}
			if requests := w.service.Requests(); len(requests) != 1 {
				t.Errorf("the token went to %s", requests[1].Path)
			}
		})
	}
}

// Or a proxy could keep a job running whose key is gone.
func TestHostileAnswersRenewNothing(t *testing.T) {
	for name, answer := range hostile {
		// A renewal under a Phased out key is allowed, and need not name the run.
		if strings.Contains(name, "phased out") || strings.Contains(name, "run") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				run := w.start(t.Context(), 6*time.Second)
				w.on(renewals, answer)
				w.at(6 * time.Second)
				_ = cause[*client.LeaseLostError](t, run)
			})
		})
	}
}
