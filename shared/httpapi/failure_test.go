package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// internalDetail is what a caller reads of every defect.
const internalDetail = "Something went wrong here that should not. Tell the operator the requestId."

func (a answer) wantInternal() {
	a.t.Helper()
	a.wantRefused(http.StatusInternalServerError, apikey.CodeInternal, "")
	if detail := a.problem().Detail; detail != internalDetail {
		a.t.Errorf("the detail is %q", detail)
	}
}

func TestUnknownErrorIsA500ThatTellsNothing(t *testing.T) {
	for name, err := range map[string]error{
		"of the code":  errors.New("table user-api-keys: cause 4711"),
		"with a cause": &apikey.Error{Code: apikey.CodeInternal, Detail: "cause 4711", Field: "cause 4711"},
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, err)
			got := s.send(post(""))
			got.wantInternal()
			if strings.Contains(got.body, "4711") {
				t.Errorf("answered %s", got.body)
			}
			line := s.logLines()[0]
			if line["level"] != "ERROR" || line["error"] != err.Error() {
				t.Errorf("logged %v", line)
			}
		})
	}
}

func TestBodyThatCannotBeEncodedIsA500(t *testing.T) {
	s := newScene(t)
	s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Status: http.StatusOK, ETag: `"3"`, Body: map[string]any{"reply": func() {}}}, nil
	}
	got := s.send(post(""))
	got.wantInternal()
	if _, there := got.headers["ETag"]; there {
		t.Error("the problem has an ETag")
	}
}

// A panic's value may hold anything, a credential among it.
func TestPanicIsA500ThatTellsNothingOfItsValue(t *testing.T) {
	const value = "value xyzzy"
	for place, arrange := range map[string]func(*scene){
		"in the handler": func(s *scene) {
			s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) { panic(value) }
		},
		"with an error": func(s *scene) {
			s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) { panic(errors.New(value)) }
		},
		"of the runtime": func(s *scene) {
			s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) {
				return httpapi.Response{Body: map[string]int{value: 1}[value+"!"], Status: []int{}[len(value)]}, nil
			}
		},
		"in the authenticator": func(s *scene) {
			s.principal = func(context.Context, string) (apikey.Principal, error) { panic(value) }
		},
		"in the permission": func(s *scene) {
			s.permit = func(apikey.Principal) error { panic(value) }
		},
	} {
		t.Run(place, func(t *testing.T) {
			s := newScene(t)
			arrange(s)
			got := s.send(post(""))
			got.wantInternal()
			if strings.Contains(got.body, "xyzzy") || strings.Contains(s.log.String(), "xyzzy") {
				t.Errorf("answered %s, logged %s", got.body, s.log.String())
			}
			lines := s.logLines()
			if len(lines) != 2 || lines[0]["msg"] != "panic" || !strings.Contains(lines[0]["stack"].(string), "httpapi_test") {
				t.Errorf("logged %v", lines)
			}
		})
	}
}

func TestHandlerAfterAPanicIsFineAgain(t *testing.T) {
	s := newScene(t)
	fine := s.handle
	s.handle = func(context.Context, *httpapi.Request) (httpapi.Response, error) { panic("once") }
	s.send(post("")).wantInternal()
	s.handle = fine
	s.send(post("")).wantOK()
}

// A dependency that does not answer is a 503 of ours, in time for the answer to
// be sent, rather than the gateway's time-out.
func TestAnswerIsReadyASecondBeforeTheFunctionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.handle = func(ctx context.Context, _ *httpapi.Request) (httpapi.Response, error) {
			<-ctx.Done()
			return httpapi.Response{}, apikey.Unavailable("The key store", ctx.Err())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		began := time.Now()
		got := s.sendIn(ctx, post(""))
		got.wantRefused(http.StatusServiceUnavailable, apikey.CodeUnavailable, "")
		if took := time.Since(began); took != 14*time.Second {
			t.Errorf("answered after %v", took)
		}
		if got.headers["Retry-After"] == "" {
			t.Error("nothing tells when to try again")
		}
	})
}

func TestContextOfAHandlerEndsWithTheRequest(t *testing.T) {
	var handlers context.Context
	s := newScene(t)
	s.handle = func(ctx context.Context, _ *httpapi.Request) (httpapi.Response, error) {
		handlers = ctx
		return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, ctx.Err()
	}
	s.send(post("")).wantOK()
	if handlers.Err() == nil {
		t.Error("what the handler started may go on after the answer")
	}
	if _, limited := handlers.Deadline(); limited {
		t.Error("a function without a deadline has none to keep")
	}
}

func TestFunctionWithoutTimeLeftStartsNothing(t *testing.T) {
	s := newScene(t)
	s.handle = func(ctx context.Context, _ *httpapi.Request) (httpapi.Response, error) {
		if ctx.Err() == nil {
			t.Error("the handler believes that it has time")
		}
		return httpapi.Response{}, apikey.Unavailable("The key store", ctx.Err())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	s.sendIn(ctx, post("")).wantRefused(http.StatusServiceUnavailable, apikey.CodeUnavailable, "")
}
