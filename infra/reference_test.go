package infra_test

import (
	"fmt"
	"iter"
	"slices"
	"testing"
)

// The reference shows of each operation the first request and the first answer
// of the contract; here that request gets that answer.
func TestTheFirstExampleOfAnAnswerIsThatOfTheFirstRequest(t *testing.T) {
	all := scenarios()
	for _, op := range loadContract(t).operations() {
		request := ""
		if op.RequestBody != nil {
			body := op.RequestBody.Content.GetOrZero("application/json")
			if body.Schema.Schema().Properties.Len() > 0 {
				request = first(body.Examples.KeysFromOldest())
			}
		}
		status := first(op.Responses.Codes.KeysFromOldest())
		example := noContent
		if content := op.Responses.Codes.GetOrZero(status).Content; content != nil {
			example = first(content.GetOrZero("application/json").Examples.KeysFromOldest())
		}
		if !slices.ContainsFunc(all, func(s scenario) bool {
			return s.operation == op.id && s.request == request && fmt.Sprint(s.status) == status && s.example == example
		}) {
			t.Errorf("%s: no scenario answers the request %q with %s %s", op.id, request, status, example)
		}
	}
}

func first(names iter.Seq[string]) string {
	for name := range names {
		return name
	}
	return ""
}
