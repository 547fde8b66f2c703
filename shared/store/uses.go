package store

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
)

// UsePrecision is how exactly the last use of a key is known: of each such period
// of the clock (see UsePeriod) the first use is noted. What is on record and the
// last use are then of one period, however many instances use the key. Counting
// the time from what is on record would not do: an instance does not know it.
const UsePrecision = 5 * time.Minute

// UsePeriod is the beginning of the period that an instant belongs to.
func UsePeriod(t time.Time) time.Time { return t.Truncate(UsePrecision) }

func useKey(l apikey.Locator) item { return itemKey(l, useSK) }

// Use notes that a key of the ring was used, unless a use in this period is known
// already, and forgets the uses of keys that were deleted. It is one conditional
// write. Errors: unavailable.
func (s *Store) Use(ctx context.Context, ring apikey.Ring, id apikey.KeyID) error {
	now := s.now()
	names := map[string]string{"#key": id.String()}
	expression := "SET #key = :now"
	for i, deleted := range ring.Deleted {
		name := "#deleted" + string(rune('0'+i))
		names[name] = deleted.ID.String()
		if i == 0 {
			expression += " REMOVE " + name
		} else {
			expression += ", " + name
		}
	}
	_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &s.table,
		Key:                       useKey(ring.Owner.Locator()),
		UpdateExpression:          &expression,
		ConditionExpression:       aws.String("attribute_not_exists(#key) OR #key <= :before"),
		ExpressionAttributeNames:  names,
		ExpressionAttributeValues: item{":now": milliseconds(now), ":before": milliseconds(UsePeriod(now).Add(-time.Millisecond))},
	})
	if err != nil && !isConditionNotMet(err) {
		return unavailable(err)
	}
	return nil
}

// RingAndUses reads a ring and when each of its keys was last used; a key that
// was not is not there. It is one call. Errors: unavailable.
func (s *Store) RingAndUses(ctx context.Context, locator apikey.Locator) (ring apikey.Ring, lastUsedAt map[apikey.KeyID]time.Time, err error) {
	read, err := s.readAll(ctx, []item{ringKey(locator), useKey(locator)})
	if err != nil {
		return apikey.Ring{}, nil, err
	}
	return ringAndUsesOf(read, locator)
}

func ringAndUsesOf(read sortKeyed, locator apikey.Locator) (ring apikey.Ring, lastUsedAt map[apikey.KeyID]time.Time, err error) {
	lastUsedAt = map[apikey.KeyID]time.Time{}
	attributes := read[keyOf(ringKey(locator))]
	if attributes == nil {
		return apikey.Ring{}, lastUsedAt, nil
	}
	if ring, err = ringOf(attributes, locator); err != nil {
		return apikey.Ring{}, nil, err
	}
	// The item may have more: keys that were deleted since anyone used one.
	uses := newReader(read[keyOf(useKey(locator))])
	for name := range uses.attributes {
		id, err := apikey.ParseUUID(name)
		if _, exists := ring.Key(id); err == nil && exists {
			lastUsedAt[id] = uses.milliseconds(name)
		}
	}
	if *uses.err != nil {
		return apikey.Ring{}, nil, fmt.Errorf("the item USE of %s cannot be used: %w", locator, *uses.err)
	}
	return ring, lastUsedAt, nil
}
