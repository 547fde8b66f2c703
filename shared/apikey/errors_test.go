package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
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

// Tables over Codes are complete only if Codes is.
func TestCodesListsEveryCode(t *testing.T) {
	declared := constantsOf(t, "errors.go", "Code")
	var listed []string
	for _, code := range apikey.Codes() {
		listed = append(listed, string(code))
	}
	slices.Sort(listed)
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("declared and listed (-declared +listed):\n%s", diff)
	}
	if unique := slices.Compact(listed); len(unique) != len(apikey.Codes()) {
		t.Error("a code is listed twice")
	}
}

// So are tables over the lists of schedules.
func TestListsNameEveryValue(t *testing.T) {
	for typeName, listed := range map[string][]string{
		"Binding":       texts(apikey.Bindings),
		"ScheduleState": texts(apikey.ScheduleStates),
	} {
		if diff := cmp.Diff(constantsOf(t, "schedule.go", typeName), listed); diff != "" {
			t.Errorf("%s (-declared +listed):\n%s", typeName, diff)
		}
	}
}

// texts are the sorted values of a list.
func texts[T ~string](values []T) []string {
	var texts []string
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return slices.Sorted(slices.Values(texts))
}

// constantsOf is the sorted values of a file's constants of a type.
func constantsOf(t *testing.T, file, typeName string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(tree, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typeName {
			return false
		}
		for _, value := range spec.Values {
			if literal, ok := value.(*ast.BasicLit); ok {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, text)
			}
		}
		return false
	})
	slices.Sort(values)
	return values
}
