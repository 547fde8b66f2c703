package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Rings reads every ring of the table, a page at a time, each as it is or with why
// it cannot be used: a page that may be empty, and where the next one begins.
// cursor is "" at the beginning, next is "" at the end. Errors: invalid_request
// when the cursor is none, unavailable.
func (s *Store) Rings(ctx context.Context, cursor string) (found []FoundRing, next string, err error) {
	start, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	page, err := s.client.Scan(ctx, &dynamodb.ScanInput{
		TableName:                 &s.table,
		FilterExpression:          aws.String("sk = :ring"),
		ExpressionAttributeValues: item{":ring": text(ringSK)},
		ConsistentRead:            aws.Bool(true),
		ExclusiveStartKey:         start,
	})
	if err != nil {
		return nil, "", unavailable(err)
	}
	for _, attributes := range page.Items {
		var ring FoundRing
		if ring.Locator, ring.Err = locatorOf(attributes); ring.Err == nil {
			ring.Ring, ring.Err = ringOf(attributes, ring.Locator)
		}
		found = append(found, ring)
	}
	return found, cursorAt(page.LastEvaluatedKey), nil
}
