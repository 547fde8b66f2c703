package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
)

// span is from one sort key of a partition to another, both included.
type span struct{ first, last string }

// The order of sort keys, as a query wants it.
const (
	forwards  = true
	backwards = false
)

// query reads the items of a span of a partition, in that order and so many at a
// time, until there are no more or take wants none. Errors: take's, unavailable.
func (s *Store) query(
	ctx context.Context, locator apikey.Locator, within span, order bool, limit int, take func(item) (more bool, err error),
) error {
	pages := dynamodb.NewQueryPaginator(s.client, &dynamodb.QueryInput{
		TableName:              &s.table,
		KeyConditionExpression: aws.String("pk = :owner AND sk BETWEEN :first AND :last"),
		ExpressionAttributeValues: item{
			":owner": text(partition(locator)),
			":first": text(within.first),
			":last":  text(within.last),
		},
		ScanIndexForward: &order,
		ConsistentRead:   aws.Bool(true),
		Limit:            aws.Int32(int32(limit)), //nolint:gosec // a page's limit is small
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return unavailable(err)
		}
		for _, attributes := range page.Items {
			if more, err := take(attributes); err != nil || !more {
				return err
			}
		}
	}
	return nil
}
