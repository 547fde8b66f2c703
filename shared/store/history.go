package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
)

// MaxRevision is the highest revision that an event's key has room for.
const MaxRevision = 9_999_999_999

// History reads an owner's changes, newest first, as they are now (strongly
// consistent): at most limit of those whose revision is below before, 1 to
// MaxRevision+1. more tells whether there are older ones. A change belongs to the
// history for EventTTL; an owner without a ring has none. Errors: unavailable.
func (s *Store) History(ctx context.Context, locator apikey.Locator, before int64, limit int) (changes []apikey.Event, more bool, err error) {
	now := s.now()
	// One more than is asked for tells whether there is more.
	pages := dynamodb.NewQueryPaginator(s.client, s.historyQuery(locator, before, limit+1))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, unavailable(err)
		}
		for _, attributes := range page.Items {
			change, expiresAt, err := changeOf(attributes, locator)
			if err != nil {
				return nil, false, err
			}
			// What is older has expired as well. Should a clock have been wrong when
			// it was written, the history ends here all the same: it has no gaps.
			if !expiresAt.After(now) {
				return changes, false, nil
			}
			if len(changes) == limit {
				return changes, true, nil
			}
			changes = append(changes, change)
		}
	}
	return changes, false, nil
}

// historyQuery reads backwards. Its lower bound is below every event, so that the
// bounds are in order whatever the revision: DynamoDB refuses others.
func (s *Store) historyQuery(locator apikey.Locator, before int64, limit int) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:              &s.table,
		KeyConditionExpression: aws.String("pk = :owner AND sk BETWEEN :first AND :last"),
		ExpressionAttributeValues: item{
			":owner": text(partition(locator)),
			":first": text(eventSK(0)),
			":last":  text(eventSK(before - 1)),
		},
		ScanIndexForward: aws.Bool(false),
		ConsistentRead:   aws.Bool(true),
		Limit:            aws.Int32(int32(limit)), //nolint:gosec // a page's limit is small
	}
}

// changeOf decodes an event and makes sure, as ringOf does, that it is one of
// the owner's.
func changeOf(attributes item, locator apikey.Locator) (apikey.Event, time.Time, error) {
	r := newReader(attributes)
	expiresAt := time.Unix(r.number("expiresAt"), 0)
	event, err := decodeEvent(r)
	if err == nil && event.Owner.Locator() != locator {
		err = errors.New("the event is another owner's")
	}
	if err != nil {
		return apikey.Event{}, time.Time{}, fmt.Errorf("an event of %s cannot be used: %w", locator, err)
	}
	return event, expiresAt, nil
}
