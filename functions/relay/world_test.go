package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/relay"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/notices/noticestest"
	"github.com/userapikey/service/shared/store/storetest"
)

type (
	record  = events.DynamoDBEventRecord
	records = []record
)

// world is the service, its table's stream, and a relay.
type world struct {
	*functest.World

	t      *testing.T
	stream *storetest.Stream
	bus    *noticestest.Bus
	queue  *noticestest.Queue
	relay  *relay.Relay
}

func newWorld(t *testing.T) *world {
	w := &world{World: functest.New(t), t: t, bus: noticestest.NewBus(), queue: noticestest.NewQueue()}
	w.stream = w.Table.NewStream()
	w.restart()
	return w
}

// restart replaces the relay by a new instance.
func (w *world) restart() {
	w.relay = &relay.Relay{
		Rings: w.Keys.Rings, Vault: w.Keys.Vault, Now: w.Now, Log: w.Log,
		Publisher: notices.New(w.bus.Client(), noticestest.BusName), Poison: notices.NewDeadLetters(w.queue.Client(), noticestest.QueueURL),
	}
}

// deliver invokes the relay with a batch and answers the number that it reports, ""
// when the batch is done.
func (w *world) deliver(batch records) (failed string) {
	w.t.Helper()
	failed, err := w.deliverIn(w.t.Context(), batch)
	if err != nil {
		w.t.Fatal(err)
	}
	return failed
}

func (w *world) deliverIn(ctx context.Context, batch records) (failed string, err error) {
	w.t.Helper()
	payload, err := json.Marshal(events.DynamoDBEvent{Records: batch})
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.InvokeIn(ctx, w.relay.Handle, payload)
	if err != nil {
		return "", err
	}
	var answer map[string][]map[string]string
	if err := json.Unmarshal(out, &answer); err != nil {
		w.t.Fatalf("%s: %v", out, err)
	}
	failures, ok := answer["batchItemFailures"]
	if !ok || failures == nil || len(answer) != 1 || len(failures) > 1 {
		w.t.Fatalf("Lambda is answered %s", out)
	}
	if len(failures) == 0 {
		return "", nil
	}
	return failures[0]["itemIdentifier"], nil
}

// arrived are the notices on the bus, as "owner revision type", in order.
func (w *world) arrived() []string {
	var all []string
	for _, n := range w.bus.Arrived() {
		all = append(all, notedAs(w.t, n))
	}
	slices.Sort(all)
	return all
}

func notedAs(t *testing.T, n noticestest.Notice) string {
	t.Helper()
	var detail struct {
		Owner    struct{ IAMID string }
		Revision int64
	}
	if err := json.Unmarshal([]byte(n.Detail), &detail); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %d %s", detail.Owner.IAMID, detail.Revision, strings.TrimPrefix(n.DetailType, "User API Key "))
}

// announcedBy are the notices that records carry, in the same form.
func announcedBy(batch records) []string {
	var all []string
	for _, r := range batch {
		image := r.Change.NewImage
		all = append(all, fmt.Sprintf("%s %s %s", image["owner"].Map()["iamId"].String(), image["revision"].Number(),
			strings.TrimPrefix(image["type"].String(), "User API Key ")))
	}
	slices.Sort(all)
	return all
}

// wantRepaired checks that consumers read the Active key's material, and that no
// label is left over.
func (w *world) wantRepaired(owner apikey.Owner) {
	w.t.Helper()
	if err := w.Secrets.CheckRepaired(w.t.Context(), w.Ring(owner)); err != nil {
		w.t.Error(err)
	}
}

// breakOff makes changes whose process dies after the commit: what is left to do in
// Secrets Manager is not done.
func (w *world) breakOff(change func()) {
	w.t.Helper()
	brokenOff := false
	w.Secrets.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if call.Operation == "PutSecretValue" || call.Operation == "CreateSecret" {
			return next()
		}
		brokenOff = true
		return awstest.Refuse(http.StatusBadRequest, "AccessDeniedException")(call, next)
	})
	change()
	if w.Calm(); !brokenOff {
		w.t.Error("nothing was left to do")
	}
}

// breakOffRotations is breakOff with a rotation of each owner's.
func (w *world) breakOffRotations(owners []apikey.Owner) {
	w.t.Helper()
	w.breakOff(func() {
		for _, owner := range owners {
			w.Rotate(owner)
		}
	})
}
