package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func TestTokenCommandIsToldWhoseTokenIsWanted(t *testing.T) {
	token, err := fromCommand(`echo "token-of-$LOAD_ROLE-$LOAD_OWNER"`)(t.Context(), person{number: 7, role: "Administrator"})
	if err != nil || token != "token-of-Administrator-7" {
		t.Errorf("got %q, %v", token, err)
	}
}

func TestTokenCommandThatFailsSaysWhy(t *testing.T) {
	for name, c := range map[string]struct{ command, want string }{
		"status":     {"echo not signed in >&2; exit 3", "exit status 3: not signed in"},
		"nothing":    {"true", "printed no token, or more than one"},
		"two lines":  {"echo one; echo two", "printed no token, or more than one"},
		"no command": {"no-such-command-anywhere", "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := fromCommand(c.command)(t.Context(), person{role: "JobRunner"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "JobRunner") {
				t.Errorf("got %q, %v", token, err)
			}
		})
	}
}

// What one of the two did would look to the other like a broken promise.
func TestTwoOwnersMustBeTwoUsers(t *testing.T) {
	g := &generator{settings: settingsOf(nil), service: &service{client: &http.Client{Transport: newFakeService("")}, url: "http://127.0.0.1:1"}}
	err := g.prepare(t.Context(), func(context.Context, person) (string, error) { return "account|ada|[Administrator]", nil })
	if err == nil || err.Error() != "the tokens of the owners 1 and 2 are of the same user; give as many users as owners" {
		t.Errorf("got %v", err)
	}
}

func TestWhyThereWasNoAnswer(t *testing.T) {
	for want, err := range map[string]error{
		"no answer: timed out":          fmt.Errorf("a: %w", context.DeadlineExceeded),
		"no answer: connection refused": fmt.Errorf("a: %w", syscall.ECONNREFUSED),
		"no answer: connection lost":    fmt.Errorf("a: %w", io.ErrUnexpectedEOF),
		"no answer: not sent":           errors.New("no such host"),
	} {
		if got := whyNoAnswer(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// What the other side sends is shown to a terminal.
func TestOutcomesAreShortAndPlain(t *testing.T) {
	a := answer{status: 400, Code: "\x1b[2J" + strings.Repeat("x", 100)}
	if got := a.outcome(); len(got) > 70 || strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
}
