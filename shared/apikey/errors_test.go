package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/sourcetest"
)

func TestCodeOfFindsTheOutermostRefusal(t *testing.T) {
	refusal := apikey.KeyNotFound()
	for _, c := range []struct {
		name string
		err  error
		want apikey.Code
	}{
		{"nil", nil, ""},
		{"a refusal", refusal, apikey.CodeKeyNotFound},
		{"wrapped", fmt.Errorf("in a change: %w", refusal), apikey.CodeKeyNotFound},
		{"wrapped twice", fmt.Errorf("a: %w", fmt.Errorf("b: %w", refusal)), apikey.CodeKeyNotFound},
		{"wrapped beside another", fmt.Errorf("%w, %w", io.EOF, refusal), apikey.CodeKeyNotFound},
		{"joined", errors.Join(io.EOF, refusal), apikey.CodeKeyNotFound},
		{"joined and wrapped", fmt.Errorf("both: %w", errors.Join(context.Canceled, refusal)), apikey.CodeKeyNotFound},
		{"with a refusal as its cause", apikey.Unavailable("The table", refusal), apikey.CodeUnavailable},
		{"foreign", io.EOF, apikey.CodeInternal},
		{"foreign and wrapped", fmt.Errorf("reading: %w", context.DeadlineExceeded), apikey.CodeInternal},
		{"foreign ones joined", errors.Join(io.EOF, context.Canceled), apikey.CodeInternal},
		{"only named like one", errors.New(refusal.Error()), apikey.CodeInternal},
		{"of a credential", apikey.ErrCredentialMalformed, apikey.CodeInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := apikey.CodeOf(c.err); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCausesAreForTheLogAndNotForTheCaller(t *testing.T) {
	cause := fmt.Errorf("dial 10.0.0.1: %w", io.ErrUnexpectedEOF)
	err := apikey.Unavailable("The table", cause)
	if !strings.Contains(err.Error(), cause.Error()) || !strings.Contains(err.Error(), "unavailable") {
		t.Errorf("the log would not tell the cause: %v", err)
	}
	if strings.Contains(err.Detail, "10.0.0.1") || !strings.Contains(err.Detail, "The table") {
		t.Errorf("the caller is told %q", err.Detail)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause cannot be found in it")
	}
	if err.RetryAfter <= 0 {
		t.Error("it does not tell when to try again")
	}
}

func TestAnErrorWithoutCauseTellsCodeAndDetail(t *testing.T) {
	err := &apikey.Error{Code: apikey.CodeConflict, Detail: "Try again."}
	if got, want := err.Error(), "conflict: Try again."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err.Unwrap() != nil {
		t.Errorf("it has the cause %v", err.Unwrap())
	}
}

func TestInvalidNamesTheField(t *testing.T) {
	want := &apikey.Error{Code: apikey.CodeInvalidRequest, Field: "owner.iamId", Detail: "is missing or empty"}
	if diff := cmp.Diff(want, apikey.Invalid("owner.iamId", "is missing or empty")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Tables over these lists are complete only if the lists are.
func TestListsNameEveryValue(t *testing.T) {
	sourcetest.ListsAll(t, apikey.Codes(), "errors.go")
	sourcetest.ListsAll(t, apikey.Bindings, "schedule.go")
	sourcetest.ListsAll(t, apikey.ScheduleStates, "schedule.go")
}
