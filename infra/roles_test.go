package infra_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/awstest"
)

// Each function's role permits what the function calls, and nothing else. That
// every call is permitted, the emulator shows as well.
func TestRolesPermitExactlyWhatFunctionsCall(t *testing.T) {
	all := append(scenarios(),
		vary("createKey", 409, "activeKeyExists", fault(otherCreatesFirst)),
		vary("rotateKey", 201, "rotated", fault(firstMoveRefused)))
	called := calls{byFunction: map[string]map[string]bool{}}
	t.Run("called", func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name(), func(t *testing.T) {
				t.Parallel()
				called.collect(t, s)
			})
		}
	})
	permitted := permittedActions(t)
	for function, actions := range called.byFunction {
		role := strings.TrimSuffix(function, "Function") + "Role"
		allowed := slices.Compact(slices.Sorted(slices.Values(permitted[role]))) // one of them of the table and of its index
		if diff := cmp.Diff(slices.Collect(maps.Keys(actions)), allowed, sorted); diff != "" {
			t.Errorf("%s: called (-) and permitted (+): %s", function, diff)
		}
	}
}

// calls are the actions that each function needs.
type calls struct {
	mu         sync.Mutex
	byFunction map[string]map[string]bool
}

// collect brings a scenario about and notes what its function calls.
func (c *calls) collect(t *testing.T, s scenario) {
	w := newWorld(t)
	s.given(w)
	w.start()
	w.table.Transport.TakeCalls()
	w.secrets.Transport.TakeCalls()
	actions := map[string]bool{}
	if s.fault != nil {
		s.fault(w)
	} else {
		w.table.Transport.SetFault(itemActions(actions))
	}
	request := s.asCall(loadContract(t), t)
	w.send(request)
	for _, operation := range w.table.Transport.TakeCalls() {
		switch operation {
		case "TransactWriteItems": // permitted by what it does to each item
		case "TransactGetItems":
			actions["dynamodb:GetItem"] = true
		default:
			actions["dynamodb:"+operation] = true
		}
	}
	for _, operation := range w.secrets.Transport.TakeCalls() {
		actions["secretsmanager:"+operation] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	function := w.routes[request.operation.route()][0]
	if c.byFunction[function] == nil {
		c.byFunction[function] = map[string]bool{}
	}
	maps.Copy(c.byFunction[function], actions)
}

// itemActions notes what a transaction needs, which is what it does to its items.
func itemActions(actions map[string]bool) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		var transaction struct{ TransactItems []map[string]any }
		if call.Operation == "TransactWriteItems" {
			if err := json.Unmarshal(call.Body, &transaction); err != nil {
				return nil, err
			}
		}
		for _, item := range transaction.TransactItems {
			for action := range item {
				actions["dynamodb:"+action+"Item"] = true
			}
		}
		return next()
	}
}

// otherCreatesFirst lets another request create the key just before this one
// commits, so that its material is taken back.
func otherCreatesFirst(w *world) {
	w.table.Transport.SetFault(awstest.On("TransactWriteItems", awstest.Once(awstest.Before(func() { keyCreated(w) }))))
}

// firstMoveRefused leaves AWSCURRENT to the repair.
func firstMoveRefused(w *world) {
	w.secrets.Transport.SetFault(awstest.On("UpdateSecretVersionStage", awstest.Once(awstest.Refuse(400, "InvalidRequestException"))))
}
