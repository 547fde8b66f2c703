// Package relay follows the table's stream: it brings secrets to what the rings
// say, and announces every change.
package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/parallel"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/vault"
)

const (
	// repairsAtOnce bounds how many secrets are repaired at a time.
	repairsAtOnce = 8
	// lostAfter is when a secret that a ring names and that is not there is taken
	// for lost. A new one may be late.
	lostAfter = 5 * time.Minute
)

// Relay handles the records of the table's stream.
type Relay struct {
	Rings     *store.Store
	Vault     *vault.Vault
	Publisher *notices.Publisher
	// Poison is for records that cannot be read or never be done, for people to
	// look at.
	Poison *notices.DeadLetters
	Now    func() time.Time
	Log    *slog.Logger

	// told are the ids of what was announced, and done those of records of which
	// nothing is left to do.
	told, done recent
}

// notice is one record on its way.
type notice struct {
	sequence string
	event    apikey.Event
	record   events.DynamoDBEventRecord
	// undecodable is why the record is none of ours.
	undecodable error
	// beyondRepair is why the secret cannot be repaired, however often the record
	// comes.
	beyondRepair error
	// err is why it has to be delivered again.
	err error
}

// Input is a batch of the stream's records, or a direct invocation to relay again
// what is in the table.
type Input struct {
	events.DynamoDBEvent

	Redrive *Redrive `json:"redrive"`
}

// Handle answers either. Errors, of the second: invalid_request, unavailable.
func (r *Relay) Handle(ctx context.Context, input Input) (answer any, err error) {
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	defer func() {
		if recover() != nil {
			answer, err = nil, httpapi.Panicked(ctx, r.Log)
		}
	}()
	if input.Redrive != nil {
		done, err := r.redrive(ctx, *input.Redrive)
		if err != nil {
			r.Log.WarnContext(ctx, "not relayed again", "error", err)
			return nil, httpapi.InvocationError(err)
		}
		return done, nil
	}
	return r.batch(ctx, input.DynamoDBEvent), nil
}

// batch handles records: every one is tried, whatever becomes of the others. It
// reports the first, in the stream's order, that has to be delivered again; Lambda
// goes on from there, so those behind it come again too, and are neither set aside
// nor logged once more.
func (r *Relay) batch(ctx context.Context, batch events.DynamoDBEvent) events.DynamoDBEventResponse {
	all := make([]notice, len(batch.Records))
	for i, record := range batch.Records {
		all[i] = notice{sequence: record.Change.SequenceNumber, record: record}
		all[i].event, all[i].undecodable = store.EventOf(record)
	}
	r.relay(ctx, all, r.told.has)
	response := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
	for _, n := range all {
		id := n.record.EventID + " " + n.sequence
		isDone := r.done.has(id)
		// What cannot be read is not repaired, so there is one reason at the most.
		if why := errors.Join(n.undecodable, n.beyondRepair); why != nil && n.err == nil && !isDone {
			n.err = r.setAside(ctx, n.record, why)
		}
		if !isDone || n.err != nil {
			r.logNotice(ctx, n)
		}
		if n.err == nil {
			r.done.add(id)
		} else if len(response.BatchItemFailures) == 0 {
			response.BatchItemFailures = append(response.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: n.sequence})
		}
	}
	return response
}

// relay does what there is to do about notices that can be read, but for
// announcing those that were announced, and leaves in each why it has to come
// again.
func (r *Relay) relay(ctx context.Context, all []notice, announced func(id string) bool) {
	r.repairAll(ctx, all)
	r.publishAll(ctx, all, announced)
}

// repairAll repairs the secret of every owner whose keys changed: once each, from
// the ring as it is now, not from what the records say. It leaves half of the time
// for the announcements, which must not wait for Secrets Manager's bad days.
func (r *Relay) repairAll(ctx context.Context, all []notice) {
	if deadline, limited := ctx.Deadline(); limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deadline.Sub(r.Now())/2))
		defer cancel()
	}
	owners := map[apikey.Locator][]int{}
	for i := range all {
		if all[i].undecodable == nil && all[i].event.Type.ChangesKeys() {
			locator := all[i].event.Owner.Locator()
			owners[locator] = append(owners[locator], i)
		}
	}
	parallel.Each(repairsAtOnce, slices.Collect(maps.Keys(owners)), func(locator apikey.Locator) {
		if err := r.repair(ctx, locator, all, owners[locator]); err != nil {
			for _, i := range owners[locator] {
				r.unrepaired(&all[i], err)
			}
		}
	})
}

// repair finishes what changes of an owner's keys left to do: secrets of keys
// that were all deleted, and the stages of the one that the ring names.
func (r *Relay) repair(ctx context.Context, locator apikey.Locator, all []notice, records []int) (err error) {
	defer func() {
		if recover() != nil {
			err = httpapi.Panicked(ctx, r.Log)
		}
	}()
	read := func(ctx context.Context) (apikey.Ring, error) {
		ring, err := r.Rings.Ring(ctx, locator)
		if err != nil && apikey.CodeOf(err) != apikey.CodeUnavailable {
			err = &damagedError{fmt.Errorf("the ring cannot be read: %w", err)}
		}
		return ring, err
	}
	for _, i := range records {
		event := all[i].event
		if event.SecretARN == "" || event.Type != apikey.EventAllDeleted && event.Type != apikey.EventOwnerSuspended {
			continue
		}
		if !vault.IsOwners(event.SecretARN, locator) {
			return &damagedError{errors.New("its event names another owner's secret")}
		}
		ring, err := read(ctx)
		if err != nil {
			return err
		}
		if ring.SecretARN == event.SecretARN {
			continue
		}
		if err := r.Vault.Delete(ctx, event.SecretARN); err != nil {
			return err
		}
	}
	return r.Vault.Repair(ctx, read)
}

// unrepaired has the record come again, unless that would be for nothing: it would
// hold up all behind it.
func (r *Relay) unrepaired(n *notice, err error) {
	_, damaged := errors.AsType[*damagedError](err)
	if damaged || vault.IsLost(err) && r.Now().Sub(n.event.OccurredAt) > lostAfter {
		n.beyondRepair = err
		return
	}
	n.err = err
}

// damagedError is that what is in the table cannot be gone by.
type damagedError struct{ cause error }

func (e *damagedError) Error() string { return "the table is damaged: " + e.cause.Error() }

func (e *damagedError) Unwrap() error { return e.cause }

// publishAll announces every record that could be read, also of a secret that
// could not be repaired.
func (r *Relay) publishAll(ctx context.Context, all []notice, announced func(id string) bool) {
	var (
		readable []apikey.Event
		records  []int
	)
	for i := range all {
		if all[i].undecodable == nil && !announced(all[i].event.ID) {
			readable, records = append(readable, all[i].event), append(records, i)
		}
	}
	for n, err := range r.Publisher.Publish(ctx, readable) {
		if err != nil {
			all[records[n]].err = err
			continue
		}
		r.told.add(readable[n].ID)
	}
}

// setAside keeps a record that nothing can be done about, so that it does not
// hold up those behind it. Of one that is too large for the queue it keeps the
// keys: the item is in the table.
func (r *Relay) setAside(ctx context.Context, record events.DynamoDBEventRecord, why error) error {
	text, err := json.Marshal(record)
	if err == nil && len(text) > notices.MaxDeadLetterBytes {
		record.Change.NewImage = nil
		text, err = json.Marshal(record)
	}
	if err != nil {
		return err
	}
	return r.Poison.Keep(ctx, text, why)
}

func (r *Relay) logNotice(ctx context.Context, n notice) {
	attributes := []slog.Attr{slog.String("sequenceNumber", n.sequence)}
	if n.undecodable == nil {
		attributes = append(attributes,
			slog.String("type", string(n.event.Type)),
			slog.String("id", n.event.ID),
			slog.String("owner", n.event.Owner.Locator().String()),
			slog.Int64("revision", n.event.Revision),
			slog.Int64("lagMilliseconds", r.Now().Sub(n.event.OccurredAt).Milliseconds()))
	}
	switch {
	case n.err != nil:
		r.Log.LogAttrs(ctx, slog.LevelError, "not relayed; it comes again", append(attributes, slog.String("error", n.err.Error()))...)
	case n.undecodable != nil:
		r.Log.LogAttrs(ctx, slog.LevelError, "set aside: it cannot be read", append(attributes, slog.String("error", n.undecodable.Error()))...)
	case n.beyondRepair != nil:
		r.Log.LogAttrs(ctx, slog.LevelError, "set aside: its secret is beyond repair", append(attributes, slog.String("error", n.beyondRepair.Error()))...)
	default:
		r.Log.LogAttrs(ctx, slog.LevelInfo, "relayed", attributes...)
	}
}
