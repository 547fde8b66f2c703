package dynamodblocal

import (
	"crypto/rand"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/proof"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// onNewTable makes backends on one table, beneath functions in this process, where
// calls can be failed; Secrets Manager is in memory, each backend's own.
func onNewTable(t *testing.T) func() servicetest.Backend {
	table := newTable(t)
	return func() servicetest.Backend { return on(table) }
}

// onNewTables makes backends on a table each.
func onNewTables(t *testing.T) func() servicetest.Backend {
	return func() servicetest.Backend { return on(newTable(t)) }
}

func on(table string) servicetest.Backend {
	b := servicetest.InMemory()
	b.Table, b.Getenv, b.TableName = streaming{engine, table}, getenv, table
	return b
}

// What the store promises holds on DynamoDB Local too, races included.
func TestStoreOnDynamoDBLocal(t *testing.T) {
	table := newTable(t)
	storetest.Suite(t, func(_ *testing.T, now func() time.Time) *store.Store {
		return store.New(client(), table, now, rand.Reader)
	})
}

func TestFaultMatrixOnDynamoDBLocal(t *testing.T) { proof.Matrix(t, onNewTable(t), true, 1) }

// In virtual time calls take effect one by one, in any order.
func TestLinearizableOnDynamoDBLocal(t *testing.T) { proof.Linearizable(t, onNewTable(t), 50, true) }

// In real time the engine has to put requests in order that come at once.
func TestLinearizableAtOnceOnDynamoDBLocal(t *testing.T) {
	proof.Linearizable(t, onNewTable(t), 50, false)
}

func TestCheckerCatchesBrokenStoresOnDynamoDBLocal(t *testing.T) {
	for name, broken := range proof.BrokenStores {
		failures, summary := proof.Unexplained(t, onNewTable(t), broken, 20, true)
		t.Logf("proof: linearizability: of a store %s: %d of %s unexplained", name, len(failures), summary)
		if len(failures) == 0 {
			t.Errorf("%s: the checker found nothing wrong", name)
		}
	}
}

func TestZeroStaleOnDynamoDBLocal(t *testing.T) {
	server := httptest.NewServer(onNewTable(t)().Start().Gateway())
	t.Cleanup(server.Close)
	owner := storetest.NewOwner(t)
	api := proof.API{
		URL:           server.URL,
		Administrator: servicetest.Token(owner, apikey.RoleAdministrator), JobRunner: servicetest.Token(owner, apikey.RoleJobRunner),
	}
	if stale := proof.ZeroStale(t, api, api, func() {}); stale > 0 {
		t.Errorf("%d decisions were stale", stale)
	}
}

func TestQuestionsOnDynamoDBLocal(t *testing.T) {
	storetest.Questions(t, storetest.DynamoDBLocal, client(), newTable(t))
}

func TestSequencesUnderRandomFaultsAgreeWithTheModelOnDynamoDBLocal(t *testing.T) {
	proof.Sequences(t, onNewTable(t))
}

// sample is how many cases of each proof one is run of here, where all of them, on
// a table each, take minutes.
const sample = 7

func TestDeathsOnDynamoDBLocal(t *testing.T) { proof.Deaths(t, onNewTables(t), sample) }

func TestFaultMatrixOfSweepAndRelayOnDynamoDBLocal(t *testing.T) {
	proof.ClockMatrix(t, onNewTables(t), sample)
}
