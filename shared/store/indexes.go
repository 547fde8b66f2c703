package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// The table's two indexes have rings only, and of those the ones that somebody
// may look for. Indexes lag: what is found through one is read again, strongly
// consistent, before anything is concluded.
const (
	// byAccount has the rings of an account whose owner has keys or is suspended,
	// by IAM id.
	byAccount = "ByAccount"
	// byDue has rings with keys by the instant that the clock goes by: see DueClass.
	byDue = "ByDue"
)

// DueClass tells how the index orders the rings of a class.
type DueClass string

const (
	// DueByOwnPolicy are rings with a policy of their own, by the earliest instant
	// at which it has the clock do something.
	DueByOwnPolicy DueClass = "OWN"
	// DueByDefault are rings under the deployment's policy, by the oldest instant
	// that a policy counts from: so that another default reaches them all.
	DueByDefault DueClass = "DEFAULT"
)

func addIndexKeys(attributes item, r apikey.Ring) {
	if r.Active != nil || len(r.PhasedOut) > 0 || r.Suspended {
		attributes["accountOfRing"] = text(r.Owner.AccountID)
	}
	class, at := DueByDefault, r.OldestInstant()
	if r.Policy != nil {
		class, at = DueByOwnPolicy, r.NextDueAt(*r.Policy)
	}
	if !at.IsZero() {
		attributes["due"], attributes["dueAt"] = text(string(class)), milliseconds(at)
	}
}

// DueRings finds the rings of a class whose instant is not after until, and hands
// them on as they are now, a page at a time, the earliest first. It stops when
// take answers an error, with that error. Errors: unavailable.
func (s *Store) DueRings(ctx context.Context, class DueClass, until time.Time, take func([]apikey.Ring) error) error {
	pages := dynamodb.NewQueryPaginator(s.client, &dynamodb.QueryInput{
		TableName:                 &s.table,
		IndexName:                 aws.String(byDue),
		KeyConditionExpression:    aws.String("due = :class AND dueAt <= :until"),
		ExpressionAttributeValues: item{":class": text(string(class)), ":until": milliseconds(until)},
		Limit:                     aws.Int32(maxBatchKeys),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return unavailable(err)
		}
		rings, err := s.ringsOf(ctx, page.Items)
		if err != nil {
			return err
		}
		if err := take(rings); err != nil {
			return err
		}
	}
	return nil
}

// AccountRings finds the rings of an account whose owner has keys or is
// suspended, in the order of their IAM ids: at most limit of those after the id,
// as they are now. more tells whether there may be others. Errors: unavailable.
func (s *Store) AccountRings(ctx context.Context, accountID, after string, limit int) (rings []apikey.Ring, more bool, err error) {
	query := &dynamodb.QueryInput{
		TableName:                 &s.table,
		IndexName:                 aws.String(byAccount),
		KeyConditionExpression:    aws.String("accountOfRing = :account"),
		ExpressionAttributeValues: item{":account": text(accountID)},
		Limit:                     aws.Int32(int32(limit) + 1), //nolint:gosec // a page's limit is small
	}
	if after != "" {
		query.KeyConditionExpression = aws.String("accountOfRing = :account AND iamId > :after")
		query.ExpressionAttributeValues[":after"] = text(after)
	}
	page, err := s.client.Query(ctx, query)
	if err != nil {
		return nil, false, unavailable(err)
	}
	found := page.Items
	if more = len(found) > limit; more {
		found = found[:limit]
	}
	rings, err = s.ringsOf(ctx, found)
	return rings, more || page.LastEvaluatedKey != nil && len(found) == limit, err
}

// ringsOf reads the rings that an index has found.
func (s *Store) ringsOf(ctx context.Context, found []item) ([]apikey.Ring, error) {
	needs := make([]jobauth.Needs, len(found))
	for i, attributes := range found {
		locator, err := locatorOf(attributes)
		if err != nil {
			return nil, err
		}
		needs[i].Ring = locator
	}
	facts, errs := s.Facts(ctx, needs)
	rings := make([]apikey.Ring, len(found))
	for i := range facts {
		if errs[i] != nil {
			return nil, errs[i]
		}
		rings[i] = facts[i].Ring
	}
	return rings, nil
}
