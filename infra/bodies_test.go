package infra_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Nothing that the contract does not allow in a body is accepted: each body that
// it shows is spoilt in one place, once for each way to do that. The exception is
// the one that the contract names: what is null, or an empty text, is as good as
// left out.
func TestNoBodyIsAcceptedThatTheContractRefuses(t *testing.T) {
	c := loadContract(t)
	for _, s := range properBodies(c) {
		t.Run(s.operation+" "+s.request, func(t *testing.T) {
			t.Parallel()
			whole := c.operation(t, s.operation).bodyLike(t, s.request)
			for _, spoilt := range spoiled(decodeJSON(t, whole)) {
				s.request, s.call.body = "", encodeJSON(t, spoilt.body)
				got := bringAbout(t, c, s)
				if got.status >= 300 || got.refusesForm() {
					continue
				}
				if ok, _ := c.validator.ValidateHttpRequest(got.request); ok {
					continue
				}
				s.call.body = encodeJSON(t, spoilt.without)
				if without := bringAbout(t, c, s); !spoilt.asGoodAsNone || !cmp.Equal(masked(got.body), masked(without.body)) {
					t.Errorf("%s: answered %d %s to %s", spoilt.how, got.status, got.body, encodeJSON(t, spoilt.body))
				}
			}
		})
	}
}

// properBodies are the scenarios of all bodies that the contract shows.
func properBodies(c *contract) []scenario {
	var all []scenario
	for _, op := range c.operations() {
		if op.RequestBody == nil {
			continue
		}
		for name := range op.RequestBody.Content.GetOrZero("application/json").Examples.FromOldest() {
			s := proper[op.id]
			s.operation, s.request = op.id, name
			all = append(all, s)
		}
	}
	return all
}

// spoiltBody is a body with one field changed, and the same without that field.
type spoiltBody struct {
	how           string
	body, without any
	asGoodAsNone  bool
}

// spoiled is every way to spoil a body: each field at each depth left out, of
// another type, empty or null, and one more field beside each.
func spoiled(body any) (all []spoiltBody) {
	switch value := body.(type) {
	case map[string]any:
		for name, inner := range value {
			without := maps.Clone(value)
			delete(without, name)
			add := func(how string, replaced any, asGoodAsNone bool) {
				changed := maps.Clone(value)
				changed[name] = replaced
				all = append(all, spoiltBody{name + " " + how, changed, without, asGoodAsNone})
			}
			all = append(all, spoiltBody{name + " left out", without, without, false})
			add("null", nil, true)
			add("empty", "", true)
			for _, other := range []any{true, -1, 1.5, "\u0007", strings.Repeat("x", 300), []any{}, map[string]any{}} {
				add(fmt.Sprintf("as %.20v", other), other, false)
			}
			for _, deeper := range spoiled(inner) {
				changed, less := maps.Clone(value), maps.Clone(value)
				changed[name], less[name] = deeper.body, deeper.without
				all = append(all, spoiltBody{name + "." + deeper.how, changed, less, deeper.asGoodAsNone})
			}
		}
		more := maps.Clone(value)
		more["more"] = 1
		all = append(all, spoiltBody{"one more", more, value, false})
	case []any:
		for i, inner := range value {
			for _, deeper := range spoiled(inner) {
				changed, less := append([]any{}, value...), append([]any{}, value...)
				changed[i], less[i] = deeper.body, deeper.without
				all = append(all, spoiltBody{fmt.Sprint(i, ".", deeper.how), changed, less, deeper.asGoodAsNone})
			}
		}
	}
	return all
}

func decodeJSON(t *testing.T, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func encodeJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
