package sweep_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/telemetry"
	"github.com/userapikey/service/shared/vault"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

const prefix = "user-api-key/test"

// ofDeployment is the policy of owners who have none of their own.
var ofDeployment = apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30}

// world is what outlives the processes: the table, the secrets, and the users, who
// change their keys when they like. Its time is a bubble's.
type world struct {
	t       *testing.T
	table   *storetest.Engine
	secrets *vaulttest.Engine
	users   *lifecycle.Service
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, table: storetest.NewEngine(), secrets: vaulttest.NewEngine()}
	w.users = w.start(ofDeployment).Keys
	return w
}

// process is a sweep with its own way to the table and the secrets.
type process struct {
	*sweep.Sweep
	w              *world
	table, secrets *awstest.Transport
	log            *log
}

// start starts a process that goes by the policy.
func (w *world) start(deployment apikey.RotationPolicy) *process {
	return w.startOn(deployment, w.table, w.secrets, unpaced)
}

// startOn is start on engines that may be elsewhere, with something before the
// calls of Secrets Manager.
func (w *world) startOn(deployment apikey.RotationPolicy, table, engine http.RoundTripper, pace func(client) secretsmanager.HTTPClient) *process {
	p := &process{w: w, table: awstest.NewTransport(table), secrets: awstest.NewTransport(engine), log: &log{}}
	logger := telemetry.NewLogger(p.log, slog.LevelInfo, "test")
	secrets := secretsmanager.NewFromConfig(awsclient.ConfigOn(p.secrets, awstest.Getenv, "secretsmanager"), func(o *secretsmanager.Options) {
		o.HTTPClient = pace(client{p.secrets})
	})
	keys := &lifecycle.Service{
		Rings:  store.New(dynamodb.NewFromConfig(awsclient.ConfigOn(p.table, awstest.Getenv, "dynamodb")), storetest.Table, time.Now, rand.Reader),
		Vault:  vault.New(secrets, prefix, time.Now),
		Now:    time.Now,
		Random: rand.Reader,
		Log:    logger,
	}
	p.Sweep = &sweep.Sweep{Keys: keys, Deployment: deployment, Now: time.Now, Log: logger}
	return p
}

func unpaced(c client) secretsmanager.HTTPClient { return c }

type client struct{ http.RoundTripper }

// Do carries a call out.
func (c client) Do(r *http.Request) (*http.Response, error) { return c.RoundTrip(r) }

// log is what a process has logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// onAll has a fault meet the calls of both services.
func (p *process) onAll(fault awstest.Fault) {
	p.table.SetFault(fault)
	p.secrets.SetFault(fault)
}

// run is one run of the sweep, without a time limit. The indexes know then what was
// written before.
func (p *process) run() sweep.Counts {
	p.w.t.Helper()
	p.w.table.CatchUp()
	counts, err := p.Handle(p.w.t.Context())
	if err != nil {
		p.w.t.Errorf("the sweep failed: %v", err)
	}
	return counts
}

// sweep is one run of a new process.
func (w *world) sweep() sweep.Counts {
	w.t.Helper()
	return w.start(ofDeployment).run()
}

// wantCounts wants a run to have done so much.
func wantCounts(t *testing.T, got, want sweep.Counts) {
	t.Helper()
	if got != want {
		t.Errorf("the run did %+v, want %+v", got, want)
	}
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// userN is the n-th user of the account.
func userN(n int) apikey.Owner {
	return apikey.Owner{AccountID: "account-1", IAMID: fmt.Sprintf("IBMid-%05d", n), Username: "user@example.com"}
}

func request(owner apikey.Owner) apikey.ChangeRequest {
	return apikey.ChangeRequest{Owner: owner, Actor: apikey.Actor{Kind: apikey.ActorUser, ID: owner.IAMID}, CorrelationID: "request-1"}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(owner apikey.Owner) apikey.KeyID {
	w.t.Helper()
	issued, err := w.users.Create(w.t.Context(), request(owner))
	w.must(err)
	return issued.Key.ID
}

func (w *world) rotate(owner apikey.Owner) apikey.KeyID {
	w.t.Helper()
	issued, err := w.users.Rotate(w.t.Context(), request(owner))
	w.must(err)
	return issued.Key.ID
}

func (w *world) deleteAll(owner apikey.Owner) {
	w.t.Helper()
	_, err := w.users.DeleteAll(w.t.Context(), request(owner))
	w.must(err)
}

func (w *world) suspend(owner apikey.Owner) {
	w.t.Helper()
	_, err := w.users.Suspend(w.t.Context(), request(owner))
	w.must(err)
}

func (w *world) setPolicy(owner apikey.Owner, p apikey.RotationPolicy) {
	w.t.Helper()
	_, err := w.users.Rings.Update(w.t.Context(), owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			return ring.SetPolicy(apikey.Command{Actor: request(owner).Actor, Now: time.Now()}, p)
		})
	w.must(err)
}

// hold records a running operation of the key's.
func (w *world) hold(owner apikey.Owner, id apikey.KeyID, lease time.Duration) {
	w.t.Helper()
	_, err := w.users.Rings.RecordRun(w.t.Context(), jobauth.Run{
		Owner: owner, KeyID: id, JobID: "job-1", RunID: "run-1", JobType: jobauth.ModelTraining,
		StartedAt: time.Now(), LeaseExpiresAt: time.Now().Add(lease),
	})
	w.must(err)
}

func (w *world) ring(owner apikey.Owner) apikey.Ring {
	w.t.Helper()
	ring, err := w.users.Rings.Ring(w.t.Context(), owner.Locator())
	w.must(err)
	return ring
}

// changes are the newest of the user's, the last first.
func (w *world) changes(owner apikey.Owner) []apikey.Event {
	w.t.Helper()
	changes, _, err := w.users.Rings.History(w.t.Context(), owner.Locator(), store.MaxRevision, 100)
	w.must(err)
	return changes
}

// notices is everything that was announced, by its kind, in the order in which it
// happened.
func (w *world) notices(kind apikey.EventType) (events []apikey.Event) {
	w.t.Helper()
	cursor := ""
	for {
		found, next, err := w.users.Rings.NoticesBetween(w.t.Context(), time.Time{}, time.Now().Add(days(1)), cursor)
		w.must(err)
		for _, notice := range found {
			w.must(notice.Err)
			if notice.Event.Type == kind {
				events = append(events, notice.Event)
			}
		}
		if cursor = next; cursor == "" {
			slices.SortFunc(events, func(a, b apikey.Event) int { return a.OccurredAt.Compare(b.OccurredAt) })
			return events
		}
	}
}

// agrees tells what is wrong with a user's secret after a repair, or with the
// history: the revisions of the changes have no gap.
func (w *world) agrees(owner apikey.Owner) error {
	w.t.Helper()
	w.must(vault.New(w.secrets.Client(), prefix, func() time.Time { return time.Now().Add(days(1)) }).
		Repair(w.t.Context(), w.users.Rings.Reader(owner)))
	ring := w.ring(owner)
	if changes := w.changes(owner); int64(len(changes)) != ring.Revision {
		return fmt.Errorf("%d changes led to revision %d", len(changes), ring.Revision)
	}
	return w.secrets.CheckRepaired(w.t.Context(), ring)
}

// wantAgreement checks all users, and that no credential is where none may be.
func (w *world) wantAgreement(processes ...*process) {
	w.t.Helper()
	for n := 0; w.ring(userN(n)).Revision > 0; n++ {
		if err := w.agrees(userN(n)); err != nil {
			w.t.Errorf("user %d: %v", n, err)
		}
	}
	for _, p := range processes {
		if strings.Contains(p.log.String(), "cpdk_") {
			w.t.Error("a credential was logged")
		}
	}
	if items := w.table.Items(); slices.ContainsFunc(items, func(it string) bool { return strings.Contains(it, "cpdk_") }) {
		w.t.Error("a credential is in the table")
	}
}
