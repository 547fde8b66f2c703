package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
)

// Administer is Update of a user's ring by an administrator of the account, who
// must be allowed to when the change is made: their own ring is read for each
// attempt, and the transaction waits for it to be as it was read. So two who
// off-board each other at once are not both off-boarded.
//
// Errors: those of Update; owner_suspended when the administrator was off-boarded.
func (s *Store) Administer(
	ctx context.Context, administrator, owner apikey.Owner, idempotency Idempotency, change Change,
) (Result, error) {
	by := administrator.Locator()
	return s.update(ctx, owner, beside{administrator: &by}, idempotency, withoutSchedule(change))
}

// administration is the check of the administrator's ring that goes with the
// change of another; nil when it is the same ring, which its own condition guards.
// Errors: owner_suspended, unavailable.
func (s *Store) administration(ctx context.Context, by apikey.Locator, changed apikey.Ring, owner apikey.Locator) (*types.ConditionCheck, error) {
	if by == owner {
		return nil, changed.MayAdminister()
	}
	ring, err := s.Ring(ctx, by)
	if err != nil {
		return nil, err
	}
	check := &types.ConditionCheck{TableName: &s.table, Key: ringKey(by)}
	check.ConditionExpression, check.ExpressionAttributeValues = asRead(ring.Revision)
	return check, ring.MayAdminister()
}
