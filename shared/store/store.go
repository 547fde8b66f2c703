package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
)

// How long finished changes and idempotency records are kept.
const (
	EventTTL       = 400 * 24 * time.Hour
	IdempotencyTTL = 24 * time.Hour
)

// Store is the table of rings.
type Store struct {
	// Log tells what goes on beneath a change: lost races, and what is sent again.
	// Nothing is logged unless it is set.
	Log *slog.Logger

	client *dynamodb.Client
	table  string
	now    func() time.Time
	random io.Reader
}

// New makes a store on the table. Time and randomness are given: now decides
// what has expired, random makes event ids and spreads retries.
func New(client *dynamodb.Client, table string, now func() time.Time, random io.Reader) *Store {
	return &Store{Log: slog.New(slog.DiscardHandler), client: client, table: table, now: now, random: random}
}

// Ring reads an owner's ring as it is now (strongly consistent, one call). An
// owner without a ring has the zero Ring, whose revision is 0. Errors:
// unavailable.
func (s *Store) Ring(ctx context.Context, locator apikey.Locator) (apikey.Ring, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &s.table,
		Key:            ringKey(locator),
		ConsistentRead: aws.Bool(true),
	}, decodeQuickly)
	if err != nil {
		return apikey.Ring{}, unavailable(err)
	}
	if out.Item == nil {
		return apikey.Ring{}, nil
	}
	return ringOf(out.Item, locator)
}

// Reader is Ring for one owner.
func (s *Store) Reader(owner apikey.Owner) func(context.Context) (apikey.Ring, error) {
	return func(ctx context.Context) (apikey.Ring, error) { return s.Ring(ctx, owner.Locator()) }
}

// ringOf decodes a ring and makes sure that it is the one that was asked for: a
// locator is a hash, and an owner must never act on a ring that is not theirs.
func ringOf(attributes item, locator apikey.Locator) (apikey.Ring, error) {
	ring, err := decodeRing(attributes)
	if err == nil && ring.Owner.Locator() != locator {
		err = errors.New("the ring is another owner's")
	}
	if err != nil {
		return apikey.Ring{}, fmt.Errorf("the item RING of %s cannot be used: %w", locator, err)
	}
	return ring, nil
}

// snapshot is what a change starts from: the ring, the check of the administrator's
// that goes with the change, if any, the schedule that the change concerns, if any,
// and the finished change that the idempotency key already stands for, if any.
type snapshot struct {
	ring     apikey.Ring
	guard    *types.ConditionCheck
	schedule *apikey.Schedule
	replay   *idempotencyRecord
}

// load reads what a change starts from. Errors: owner_suspended when it is an
// administrator's who may not, unavailable.
func (s *Store) load(ctx context.Context, locator apikey.Locator, also beside, key string) (snapshot, error) {
	snap, err := s.loadRing(ctx, locator, also.scheduleID, key)
	if err == nil && also.administrator != nil {
		snap.guard, err = s.administration(ctx, *also.administrator, snap.ring, locator)
	}
	return snap, err
}

// loadRing reads the ring with the schedule, unless its id is "", and the record of
// the idempotency key, unless that is "": in one transaction, so that a ring that
// shows a change comes with what else the change wrote.
func (s *Store) loadRing(ctx context.Context, locator apikey.Locator, scheduleID, key string) (snap snapshot, err error) {
	if scheduleID == "" && key == "" {
		snap.ring, err = s.Ring(ctx, locator)
		return snap, err
	}
	keys := []item{ringKey(locator)}
	if scheduleID != "" {
		keys = append(keys, scheduleKey(locator, scheduleID))
	}
	if key != "" {
		keys = append(keys, idempotencyKey(locator, key))
	}
	found, err := s.readTogether(ctx, keys)
	if err != nil {
		return snapshot{}, err
	}
	if ring := found[0]; ring != nil {
		if snap.ring, err = ringOf(ring, locator); err != nil {
			return snapshot{}, err
		}
	}
	if schedule := found[1]; scheduleID != "" && schedule != nil {
		if snap.schedule, err = scheduleOf(schedule, locator); err != nil {
			return snapshot{}, err
		}
	}
	if record := found[len(found)-1]; key != "" && record != nil {
		snap.replay, err = s.recordOf(record, locator)
	}
	return snap, err
}

// readTogether reads items in one transaction, in the order of the keys; nil is
// none. Errors: unavailable.
func (s *Store) readTogether(ctx context.Context, keys []item) ([]item, error) {
	gets := make([]types.TransactGetItem, len(keys))
	for i, key := range keys {
		gets[i].Get = &types.Get{TableName: &s.table, Key: key}
	}
	out, err := s.client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: gets})
	if err != nil {
		return nil, unavailable(err)
	}
	found := make([]item, len(keys))
	for i := range found {
		found[i] = out.Responses[i].Item
	}
	return found, nil
}

// recordOf decodes an idempotency record; nil when it has expired.
func (s *Store) recordOf(attributes item, locator apikey.Locator) (*idempotencyRecord, error) {
	record, err := decodeRecord(attributes)
	if err != nil {
		return nil, fmt.Errorf("an idempotency record of %s cannot be used: %w", locator, err)
	}
	if !record.expiresAt.After(s.now()) {
		return nil, nil //nolint:nilnil // no record is no error
	}
	return &record, nil
}

// event reads the change that made the revision; nil when there is none (yet).
func (s *Store) event(ctx context.Context, locator apikey.Locator, revision int64) (*apikey.Event, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &s.table,
		Key:            eventKey(locator, revision),
		ConsistentRead: aws.Bool(true),
	})
	if err != nil || out.Item == nil {
		return nil, err
	}
	event, err := decodeEvent(newReader(out.Item))
	return &event, err
}

func unavailable(cause error) error { return apikey.Unavailable("The key store", cause) }
