package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/userapikey/service/client"
)

// keptToken is a source that keeps its token until it is refused.
type keptToken struct {
	tokens  []string
	refused []string
}

func (k *keptToken) Token(_ context.Context, refused string) (string, error) {
	k.refused = append(k.refused, refused)
	if refused == k.tokens[0] {
		k.tokens = k.tokens[1:]
	}
	return k.tokens[0], nil
}

func (w *world) with(tokens client.TokenSource) {
	config := w.service.Config()
	config.Tokens = tokens
	w.client = newClient(w.t, config)
}

// tokens are those of every request so far.
func (w *world) tokens() []string {
	var tokens []string
	for _, request := range w.service.Requests() {
		tokens = append(tokens, request.Token)
	}
	return tokens
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.service.AcceptTokens("token-2")
		source := &keptToken{tokens: []string{"token-1", "token-2"}}
		w.with(source)
		for range 2 {
			if decision, err := w.client.Authorize(t.Context(), w.adasJob()); err != nil || !decision.Allowed {
				t.Errorf("got %+v, %v", decision, err)
			}
		}
		if got := w.tokens(); !slices.Equal(got, []string{"token-1", "token-2", "token-2"}) {
			t.Errorf("sent %v", got)
		}
		if !slices.Equal(source.refused, []string{"", "token-1", ""}) {
			t.Errorf("the source was told of %q", source.refused)
		}
		w.service.AcceptTokens("token-9")
		source.tokens = []string{"token-2", "token-3", "token-4"}
		_, err := w.client.Authorize(t.Context(), w.adasJob())
		if got := failure(t, err); got.Code != client.CodeUnauthenticated || len(w.tokens()) != 5 {
			t.Errorf("got %v after %v", err, w.tokens())
		}
	})
}

func TestTheSameTokenIsNotSentAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.service.AcceptTokens("another")
		_, err := w.client.Authorize(t.Context(), w.adasJob())
		if got := failure(t, err); got.Status != 401 || len(w.tokens()) != 1 {
			t.Errorf("got %v after %v", err, w.tokens())
		}
	})
}

func TestARunOutlivesItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.service.AcceptTokens("token-1")
		w.with(&keptToken{tokens: []string{"token-1", "token-2"}})
		run := w.start(t.Context(), time.Hour)
		w.service.AcceptTokens("token-2")
		w.at(5 * time.Hour)
		mustRun(t, run)
		if renewed := w.service.Runs()[0].Renewals; renewed != 15 {
			t.Errorf("%d renewals", renewed)
		}
	})
}

func TestNothingIsSentWithoutAToken(t *testing.T) {
	broken := errors.New("the issuer is out of reach")
	for name, source := range map[string]client.TokenFunc{
		"an error":         func(context.Context, string) (string, error) { return "", broken },
		"an empty one":     func(context.Context, string) (string, error) { return "", nil },
		"two lines":        func(context.Context, string) (string, error) { return "secret-token\nHost: evil", nil },
		"two words":        func(context.Context, string) (string, error) { return "Bearer secret-token", nil },
		"another alphabet": func(context.Context, string) (string, error) { return "secret-tokén", nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.with(source)
				_, err := w.client.Authorize(t.Context(), w.adasJob())
				if got := failure(t, err); got.Code != client.CodeNoToken || len(w.tokens()) != 0 || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v after %v", err, w.tokens())
				}
				if (name == "an error") != errors.Is(err, broken) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestARefusedTokenWithoutAnotherIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.service.AcceptTokens("another")
		broken := errors.New("the issuer is out of reach")
		w.with(client.TokenFunc(func(_ context.Context, refused string) (string, error) {
			if refused != "" {
				return "", broken
			}
			return "token-1", nil
		}))
		decision, err := w.client.Authorize(t.Context(), w.adasJob())
		if got := failure(t, err); got.Code != client.CodeNoToken || !errors.Is(err, broken) || decision.Allowed {
			t.Errorf("got %+v, %v", decision, err)
		}
	})
}

// What the token source says may be long, and it may repeat the token.
func TestTheErrorOfATokenSourceIsKeptUnlessItTellsTheToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.service.AcceptTokens("another")
		broken := errors.New("line one\nline two")
		for _, told := range []string{"", "secret-token"} {
			w.with(client.TokenFunc(func(_ context.Context, refused string) (string, error) {
				if refused != "" {
					return "", fmt.Errorf("%s: %w", told, broken)
				}
				return "secret-token", nil
			}))
			_, err := w.client.Authorize(t.Context(), w.adasJob())
			if errors.Is(err, broken) != (told == "") {
				t.Errorf("got %v", err)
			}
			for ; err != nil; err = errors.Unwrap(err) {
				if text := fmt.Sprintf("%+v %#v", err, err); strings.Contains(text, "secret-token") {
					t.Error(text)
				}
			}
		}
	})
}

// The issuer may be down for as long as the service may.
func TestARunOutlivesAnOutageOfItsTokenSource(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		broken := errors.New("the issuer is out of reach")
		var down atomic.Bool
		w.with(client.TokenFunc(func(context.Context, string) (string, error) {
			if down.Load() {
				return "", broken
			}
			return "token-1", nil
		}))
		run := w.start(t.Context(), time.Hour)
		down.Store(true)
		w.at(55 * time.Minute)
		mustRun(t, run)
		down.Store(false)
		w.at(5 * time.Hour)
		mustRun(t, run)
		down.Store(true)
		w.at(6 * time.Hour)
		if lost := cause[*client.LeaseLostError](t, run); !errors.Is(lost, broken) {
			t.Errorf("lost because of %v", lost)
		}
	})
}
