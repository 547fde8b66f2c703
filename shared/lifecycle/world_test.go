package lifecycle_test

import (
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/vault"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

// world is the service on engines in memory.
type world struct {
	*lifecycle.Service
	t       testing.TB
	table   *storetest.Engine
	secrets *vaulttest.Engine
	owner   apikey.Owner
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, table: storetest.NewEngine(), secrets: vaulttest.NewEngine(), owner: storetest.NewOwner(t)}
	w.Service = &lifecycle.Service{
		Rings:  store.New(w.table.Client(), storetest.Table, time.Now, rand.Reader),
		Vault:  vault.New(w.secrets.Client(), "test", time.Now),
		Now:    time.Now,
		Random: rand.Reader,
		Log:    slog.New(slog.DiscardHandler),
	}
	return w
}

func (w *world) request(idempotencyKey string) apikey.ChangeRequest {
	return apikey.ChangeRequest{
		Owner:          w.owner,
		Actor:          apikey.Actor{Kind: apikey.ActorUser, ID: w.owner.IAMID},
		CorrelationID:  "request-1",
		IdempotencyKey: idempotencyKey,
	}
}

func (w *world) create() lifecycle.Issued {
	w.t.Helper()
	return w.issued(w.Create(w.t.Context(), w.request("")))
}

func (w *world) rotate() lifecycle.Issued {
	w.t.Helper()
	return w.issued(w.Rotate(w.t.Context(), w.request("")))
}

func (w *world) issued(issued lifecycle.Issued, err error) lifecycle.Issued {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return issued
}

func (w *world) ring() apikey.Ring {
	w.t.Helper()
	ring, err := w.Rings.Ring(w.t.Context(), w.owner.Locator())
	if err != nil {
		w.t.Fatal(err)
	}
	return ring
}

// noFaults lets all calls pass again and forgets those that were made.
func (w *world) noFaults() {
	for _, transport := range []*awstest.Transport{w.table.Transport, w.secrets.Transport} {
		transport.SetFault(nil)
		transport.TakeCalls()
	}
}

// repair is the repair of a day later: what is under way now is abandoned then.
func (w *world) repair() {
	w.t.Helper()
	w.noFaults()
	tomorrow := func() time.Time { return w.Now().Add(24 * time.Hour) }
	if err := vault.New(w.secrets.Client(), "test", tomorrow).Repair(w.t.Context(), w.Rings.Reader(w.owner)); err != nil {
		w.t.Fatalf("repair: %v", err)
	}
}

func (w *world) checkSecret() {
	w.t.Helper()
	if err := w.secretAgrees(); err != nil {
		w.t.Error(err)
	}
}

// secretAgrees tells whether the owner's secret is what the ring says, once it was
// repaired.
func (w *world) secretAgrees() error { return w.secrets.CheckRepaired(w.t.Context(), w.ring()) }

func outcomes(workers int, work func(int) error) map[apikey.Code]int {
	var group sync.WaitGroup
	codes := make([]apikey.Code, workers)
	for i := range workers {
		group.Go(func() { codes[i] = apikey.CodeOf(work(i)) })
	}
	group.Wait()
	counts := map[apikey.Code]int{}
	for _, code := range codes {
		counts[code]++
	}
	return counts
}

// meanwhile makes a change just before the next call of the operation, which there
// must be.
func (w *world) meanwhile(operation string, change func()) {
	w.t.Helper()
	happened := false
	fault := awstest.On(operation, awstest.Once(awstest.Before(func() { change(); happened = true })))
	w.table.Transport.SetFault(fault)
	w.secrets.Transport.SetFault(fault)
	w.t.Cleanup(func() {
		if !happened {
			w.t.Errorf("there was no %s", operation)
		}
	})
}
