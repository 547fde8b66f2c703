package deployed

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// AgeActiveKey makes a user's Active key older than it is, in the table: nobody
// waits a month to see a rotation by the clock. Everything else about the key
// stays as it is.
func (a AWS) AgeActiveKey(ctx context.Context, owner apikey.Owner, by time.Duration) error {
	type value map[string]string
	type attributes map[string]any
	key := attributes{"pk": value{"S": "OWNER#" + owner.Locator().String()}, "sk": value{"S": "RING"}}
	var ring struct {
		Item struct {
			Active struct {
				M struct {
					CreatedAt struct{ S string } `json:"createdAt"`
				}
			} `json:"active"`
			DueAt struct{ N string } `json:"dueAt"`
		}
	}
	table := a.Env["TABLE_NAME"]
	if err := a.Call(ctx, "dynamodb", "DynamoDB_20120810.GetItem",
		attributes{"TableName": table, "Key": key, "ConsistentRead": true}, &ring); err != nil {
		return err
	}
	createdAt, err := time.Parse(time.RFC3339, ring.Item.Active.M.CreatedAt.S)
	dueAt, badDueAt := strconv.ParseInt(ring.Item.DueAt.N, 10, 64)
	if err := errors.Join(err, badDueAt); err != nil {
		return fmt.Errorf("the user has no Active key that the clock looks after: %w", err)
	}
	return a.Call(ctx, "dynamodb", "DynamoDB_20120810.UpdateItem", attributes{
		"TableName": table, "Key": key, "UpdateExpression": "SET active.createdAt = :created, dueAt = :due",
		"ExpressionAttributeValues": attributes{
			":created": value{"S": apikey.Instant(createdAt.Add(-by)).String()},
			":due":     value{"N": strconv.FormatInt(dueAt-by.Milliseconds(), 10)},
		},
	}, nil)
}
