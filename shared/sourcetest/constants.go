// Package sourcetest reads what the source declares, so that a list that must name
// all of it, and the tables over that list, cannot stay behind.
package sourcetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ListsAll checks that a list names each constant of its type that the files
// declare, once, and nothing else.
func ListsAll[T ~string](t *testing.T, listed []T, files ...string) {
	t.Helper()
	var declared []T
	for _, file := range files {
		declared = append(declared, Constants[T](t, file)...)
	}
	slices.Sort(declared)
	if diff := cmp.Diff(declared, slices.Sorted(slices.Values(listed))); diff != "" {
		t.Errorf("%T: declared (-) and listed (+): %s", *new(T), diff)
	}
}

// Constants are the constants of a type that a file declares.
func Constants[T ~string](t testing.TB, file string) []T {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	ast.Inspect(tree, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && nameOf(spec.Type) == reflect.TypeFor[T]().Name() {
			for _, value := range spec.Values {
				text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, T(text))
			}
		}
		return true
	})
	if len(all) == 0 {
		t.Fatalf("%s declares no %T", file, *new(T))
	}
	return all
}

// nameOf is a type's name, also that of another package's.
func nameOf(expression ast.Expr) string {
	switch name := expression.(type) {
	case *ast.Ident:
		return name.Name
	case *ast.SelectorExpr:
		return name.Sel.Name
	}
	return ""
}
