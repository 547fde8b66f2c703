package store

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	client *dynamodb.Client
	table  string
	now    func() time.Time
	random io.Reader
}

// New makes a store on the table. Time and randomness are given: now decides
// what has expired, random makes event ids and spreads retries.
func New(client *dynamodb.Client, table string, now func() time.Time, random io.Reader) *Store {
	return &Store{client: client, table: table, now: now, random: random}
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

// snapshot is what a change starts from: the ring, and the finished change that
// the idempotency key already stands for, if any.
type snapshot struct {
	ring   apikey.Ring
	replay *idempotencyRecord
}

// load reads the ring and, with an idempotency key, its record: in one
// transaction, so that a ring that shows a change comes with its record.
func (s *Store) load(ctx context.Context, locator apikey.Locator, key string) (snapshot, error) {
	if key == "" {
		ring, err := s.Ring(ctx, locator)
		return snapshot{ring: ring}, err
	}
	out, err := s.client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		{Get: &types.Get{TableName: &s.table, Key: ringKey(locator)}},
		{Get: &types.Get{TableName: &s.table, Key: idempotencyKey(locator, key)}},
	}})
	if err != nil {
		return snapshot{}, unavailable(err)
	}
	var snap snapshot
	if attributes := out.Responses[0].Item; attributes != nil {
		if snap.ring, err = ringOf(attributes, locator); err != nil {
			return snapshot{}, err
		}
	}
	if attributes := out.Responses[1].Item; attributes != nil {
		record, err := decodeRecord(attributes)
		if err != nil {
			return snapshot{}, fmt.Errorf("an idempotency record of %s cannot be used: %w", locator, err)
		}
		if record.expiresAt.After(s.now()) {
			snap.replay = &record
		}
	}
	return snap, nil
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
