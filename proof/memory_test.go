package proof_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/proof"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

func TestFaultMatrix(t *testing.T) { proof.Matrix(t, servicetest.InMemory, true, 1) }

func TestFaultMatrixOnASecretsManagerLikeEmulators(t *testing.T) {
	proof.Matrix(t, func() servicetest.Backend {
		b := servicetest.InMemory()
		secrets := vaulttest.NewEngine()
		secrets.LikeEmulators = true
		b.Secrets = secrets
		return b
	}, true, 1)
}

func TestLinearizable(t *testing.T) {
	histories := 200
	if os.Getenv("PROOF") == "full" { // make prove
		histories = 5000
	}
	proof.Linearizable(t, withPauses, histories, true)
}

// withPauses is a backend whose batches of reads are no snapshots.
func withPauses() servicetest.Backend {
	b := servicetest.InMemory()
	table := storetest.NewEngine()
	table.SetPause(func() { <-time.After(150 * time.Millisecond) })
	b.Table = table
	return b
}

func TestCheckerCatchesBrokenStores(t *testing.T) {
	for name, broken := range proof.BrokenStores {
		t.Run(name, func(t *testing.T) {
			failures, summary := proof.Unexplained(t, servicetest.InMemory, broken, 50, true)
			t.Logf("proof: linearizability: of a store %s: %d of %s unexplained", name, len(failures), summary)
			if len(failures) == 0 {
				t.Error("the checker found nothing wrong")
			}
		})
	}
}

func TestZeroStale(t *testing.T) {
	backend := servicetest.InMemory()
	if stale := zeroStale(t, backend, backend); stale > 0 {
		t.Errorf("%d decisions were stale", stale)
	}
}

func TestStaleDecisionsOfACachingStoreAreFound(t *testing.T) {
	backend := servicetest.InMemory()
	if zeroStale(t, backend, proof.CachingReads(backend, 10_000)) == 0 {
		t.Error("no decision was stale")
	}
}

// zeroStale serves the changes and the decisions from two processes. Every
// remote call of a change waits, before and after its effect, for a number of
// decisions.
func zeroStale(t *testing.T, ofChanges, ofDecisions servicetest.Backend) int {
	decisions := newGate()
	changing, deciding := ofChanges.Start(), ofDecisions.Start()
	held := func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		decisions.await(150)
		defer decisions.await(150)
		return next()
	}
	changing.Table.SetFault(held)
	changing.Secrets.SetFault(held)
	owner := storetest.NewOwner(t)
	serve := func(p *servicetest.Process) proof.API {
		server := httptest.NewServer(p.Gateway())
		t.Cleanup(server.Close)
		return proof.API{
			URL:           server.URL,
			Administrator: servicetest.Token(owner, apikey.RoleAdministrator), JobRunner: servicetest.Token(owner, apikey.RoleJobRunner),
		}
	}
	return proof.ZeroStale(t, serve(changing), serve(deciding), decisions.pass)
}

// gate holds callers back until so many more have passed; it is open as long as
// nobody has passed at all.
type gate struct {
	mu     sync.Mutex
	moved  *sync.Cond
	passed int
}

func newGate() *gate {
	g := &gate{}
	g.moved = sync.NewCond(&g.mu)
	return g
}

func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed++
	g.moved.Broadcast()
}

func (g *gate) await(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.passed == 0 {
		return
	}
	for until := g.passed + n; g.passed < until; {
		g.moved.Wait()
	}
}
