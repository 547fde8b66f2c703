package servicetest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/notices/noticestest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

// relayed is a service whose stream a relay follows, on a clock of its own.
type relayed struct {
	t       *testing.T
	backend servicetest.Backend
	process *servicetest.Process
	table   *storetest.Engine
	secrets *vaulttest.Engine
	bus     *noticestest.Bus
	queue   *noticestest.Queue
	owners  []apikey.Owner
}

func newRelayed(t *testing.T) *relayed {
	b := servicetest.InMemory()
	return &relayed{
		t: t, backend: b, process: b.Start(), table: b.Table.(*storetest.Engine), secrets: b.Secrets.(*vaulttest.Engine),
		bus: b.Bus.(*noticestest.Bus), queue: b.DeadLetters.(*noticestest.Queue),
	}
}

// change sends a request of the owner's and wants the status.
func (r *relayed) change(owner apikey.Owner, method, path string, status int) servicetest.Answer {
	r.t.Helper()
	answer := r.process.Send(r.t.Context(), servicetest.Request{
		Method: method, Path: path, Token: servicetest.Token(owner, apikey.RoleAdministrator),
	})
	if answer.Status != status {
		r.t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Text)
	}
	return answer
}

// live makes so many owners with a few changes each; of some, the process dies
// before the stages are moved.
func (r *relayed) live(count int) {
	r.t.Helper()
	for n := range count {
		owner := storetest.NewOwner(r.t)
		r.owners = append(r.owners, owner)
		first := r.change(owner, "POST", "/v1/user-api-keys", 201)
		if n%2 == 0 {
			r.process.Secrets.SetFault(awstest.On("UpdateSecretVersionStage", awstest.Refuse(http.StatusBadRequest, "AccessDeniedException")))
		}
		r.change(owner, "POST", "/v1/user-api-keys/rotation", 201)
		r.process.Secrets.SetFault(nil)
		if n%3 == 0 {
			r.change(owner, "DELETE", "/v1/user-api-keys/"+first.Key.ID, 200)
		}
		if n%5 == 0 {
			r.change(owner, "DELETE", "/v1/user-api-keys", 200)
		}
	}
}

// wantAllAnnouncedAndRepaired checks that every committed change has arrived and
// nothing else has, and that consumers read every Active key's material.
func (r *relayed) wantAllAnnouncedAndRepaired() {
	r.t.Helper()
	want := map[string]bool{}
	for _, owner := range r.owners {
		ring, err := r.process.Keys.Rings.Ring(r.t.Context(), owner.Locator())
		if err != nil {
			r.t.Fatal(err)
		}
		changes, _, err := r.process.Keys.Rings.History(r.t.Context(), owner.Locator(), store.MaxRevision+1, 100)
		if err != nil || int64(len(changes)) != ring.Revision {
			r.t.Fatalf("%d changes at revision %d, %v", len(changes), ring.Revision, err)
		}
		for _, change := range changes {
			want[fmt.Sprintf("%s %s %d %s", change.ID, owner.IAMID, change.Revision, change.Type)] = true
		}
		if err := r.secrets.CheckRepaired(r.t.Context(), ring); err != nil {
			r.t.Error(err)
		}
	}
	got := map[string]bool{}
	for _, n := range r.bus.Arrived() {
		var detail struct {
			Metadata struct{ ID string }
			Owner    struct{ IAMID string }
			Revision int64
		}
		if err := json.Unmarshal([]byte(n.Detail), &detail); err != nil {
			r.t.Fatal(err)
		}
		got[fmt.Sprintf("%s %s %d %s", detail.Metadata.ID, detail.Owner.IAMID, detail.Revision, n.DetailType)] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("committed (-) and announced (+): %s", diff)
	}
	if kept := r.queue.Messages(); len(kept) != 0 {
		r.t.Errorf("set aside: %v", kept)
	}
}

func until(end time.Time, fault awstest.Fault) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if time.Now().After(end) {
			return next()
		}
		return fault(call, next)
	}
}

func TestAnHourWithoutAServiceLosesNoNotice(t *testing.T) {
	down := map[string]awstest.Fault{
		"throttled":     awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
		"down":          awstest.Reset,
		"slow":          awstest.Hang,
		"answers lost":  awstest.LoseAnswer,
		"answers slow":  awstest.HoldAnswer,
		"access denied": awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
	}
	for _, service := range []string{"EventBridge", "Secrets Manager", "DynamoDB"} {
		for name, fault := range down {
			t.Run(service+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRelayed(t)
					r.live(4)
					restored := time.Now().Add(time.Hour)
					relay := r.backend.Start()
					map[string]*awstest.Transport{
						"EventBridge": relay.Bus, "Secrets Manager": relay.Secrets, "DynamoDB": relay.Table,
					}[service].SetFault(until(restored, fault))
					poller := &servicetest.Poller{Next: r.table.NewStream().Next}
					if err := poller.Poll(t.Context(), relay); err != nil {
						t.Fatal(err)
					}
					r.wantAllAnnouncedAndRepaired()
					if late := time.Since(restored); late < 0 || late > 3*time.Minute {
						t.Errorf("all was announced and repaired %s after the service was back", late)
					}
					if poller.Deliveries > 100 {
						t.Errorf("%d invocations", poller.Deliveries)
					}
				})
			})
		}
	}
}

// Every entry is refused at random until the hour is over.
func TestSingleEntriesRefusedForAnHourLoseNoNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelayed(t)
		r.live(30)
		random, end := rand.New(rand.NewPCG(1, 2)), time.Now().Add(time.Hour)
		r.bus.SetRefusal(func(noticestest.Notice) string {
			if time.Now().Before(end) && random.IntN(10) < 9 {
				return "InternalFailure"
			}
			return ""
		})
		poller := &servicetest.Poller{Next: r.table.NewStream().Next}
		if err := poller.Poll(t.Context(), r.backend.Start()); err != nil {
			t.Fatal(err)
		}
		r.wantAllAnnouncedAndRepaired()
	})
}

// busy is a service whose every call takes a random time before and after its
// effect, so that all get in each other's way.
type busy struct {
	*relayed
	mu     sync.Mutex
	random *rand.Rand
}

func (b *busy) wait() {
	b.mu.Lock()
	pause := time.Duration(b.random.IntN(300)) * time.Millisecond
	b.mu.Unlock()
	<-time.After(pause)
}

func (b *busy) start() *servicetest.Process {
	p := b.backend.Start()
	for _, transport := range []*awstest.Transport{p.Table, p.Secrets, p.Bus} {
		transport.SetFault(func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			b.wait()
			defer b.wait()
			return next()
		})
	}
	return p
}

// follow has a relay follow the whole stream until it is done, and then once more.
func (b *busy) follow(done <-chan struct{}) {
	relay, stream := b.start(), b.table.NewStream()
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true // after a last look
		default:
			b.wait()
		}
		if err := (&servicetest.Poller{Next: stream.Next}).Poll(b.t.Context(), relay); err != nil {
			b.t.Error(err)
			return
		}
	}
}

// liveOn makes changes of every kind.
func (b *busy) liveOn(owner apikey.Owner, seed uint64) {
	for n := range 6 {
		switch {
		case n == 4 && seed%2 == 0:
			b.change(owner, "DELETE", "/v1/user-api-keys", 200)
			b.change(owner, "POST", "/v1/user-api-keys", 201)
		case n == 3 && seed%3 == 0:
			view := b.change(owner, "GET", "/v1/user-api-keys", 200)
			b.change(owner, "DELETE", "/v1/user-api-keys/"+view.PhasedOut[0].ID, 200)
		default:
			b.change(owner, "POST", "/v1/user-api-keys/rotation", 201)
		}
	}
}

// Two relays have the same records, and changes go on.
func TestRelaysAtOnceWithEachOtherAndWithChanges(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &busy{relayed: newRelayed(t), random: rand.New(rand.NewPCG(seed, 0))}
				b.live(3)
				owner := storetest.NewOwner(t)
				b.owners = append(b.owners, owner)
				b.change(owner, "POST", "/v1/user-api-keys", 201)
				var relays sync.WaitGroup
				done := make(chan struct{})
				for range 2 {
					relays.Go(func() { b.follow(done) })
				}
				b.process = b.start()
				b.liveOn(owner, seed)
				close(done)
				relays.Wait()
				b.wantAllAnnouncedAndRepaired()
				others := func(name string) bool { return !strings.Contains(name, owner.Locator().String()) }
				if names := slices.DeleteFunc(b.secrets.Names(), others); len(names) != 1 {
					t.Errorf("the owner's secrets: %v", names)
				}
			})
		})
	}
}
