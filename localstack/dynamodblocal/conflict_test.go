package dynamodblocal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/proof"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
)

// DynamoDB refuses a transaction that meets another one at an item; DynamoDB Local
// puts them one behind the other. A history with such refusals among its calls is
// explained like any other.
func TestLinearizableAmongConflictsOnDynamoDBLocal(t *testing.T) {
	backend, table := onNewTable(t), &conflicting{next: engine}
	proof.Linearizable(t, func() servicetest.Backend {
		b := backend()
		b.Table = table
		return b
	}, 30, true)
	t.Logf("proof: linearizability: %d transactions met a conflict", table.refused.Load())
	if table.refused.Load() < 100 {
		t.Error("there were hardly any conflicts")
	}
}

// A conflict is nobody's failure: the change is made at the next attempt.
func TestEveryChangeIsMadeAmongConflictsOnDynamoDBLocal(t *testing.T) {
	b, table := onNewTable(t)(), &conflicting{next: engine}
	b.Table = table
	process, user := b.Start(), servicetest.Token(storetest.NewOwner(t), apikey.RoleAdministrator)
	for n := range 30 {
		answer := process.Send(t.Context(), servicetest.Request{
			Method: http.MethodPut, Path: fmt.Sprintf("/v1/schedules/schedule-%d", n), Token: user, Body: `{"binding":"follow_active"}`,
		})
		if answer.Status != http.StatusCreated {
			t.Errorf("change %d: %d %s", n, answer.Status, answer.Text)
		}
	}
	if table.refused.Load() < 20 {
		t.Errorf("only %d transactions met a conflict", table.refused.Load())
	}
}

// conflicting refuses every third transaction.
type conflicting struct {
	next           http.RoundTripper
	calls, refused atomic.Int64
}

// RoundTrip answers one request.
func (c *conflicting) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.Header.Get("X-Amz-Target"), ".Transact") || c.calls.Add(1)%3 != 0 {
		return c.next.RoundTrip(r)
	}
	c.refused.Add(1)
	return awstest.Answer(http.StatusBadRequest, map[string]any{
		"__type":              "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
		"Message":             "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict, None]",
		"CancellationReasons": []map[string]string{{"Code": "TransactionConflict"}, {"Code": "None"}},
	}), nil
}

// DynamoDB Local itself never answers with a conflict, however many transactions
// meet: else the injected ones would not be needed.
func TestTransactionsNeverConflictOnDynamoDBLocal(t *testing.T) {
	if answers := storetest.Meeting(t, client(), newTable(t)); !slices.Equal(answers, []string{"written"}) {
		t.Errorf("transactions that met were answered with %q", answers)
	}
}
