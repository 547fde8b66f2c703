package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
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
	if r.IsListed() {
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

// FoundRing is a ring that an index led to, as it is now, or why it cannot be
// used: one damaged ring must not keep the others from being looked at.
type FoundRing struct {
	Locator apikey.Locator
	// IAMID is the user's, as the index of accounts has it.
	IAMID string
	Ring  apikey.Ring
	// LastUsedAt is when each of its keys was last used; of a due ring it is not
	// read.
	LastUsedAt map[apikey.KeyID]time.Time
	Err        error
}

// DueRings finds the rings of a class whose instant is not after until, and hands
// them on a page at a time, the earliest first. It stops when take answers an
// error, with that error. Errors: unavailable.
func (s *Store) DueRings(ctx context.Context, class DueClass, until time.Time, take func([]FoundRing) error) error {
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
		rings, err := s.foundRings(ctx, page.Items, false)
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
// suspended, in the order of their IAM ids: at most limit of those after the id.
// more tells whether there are others. Errors: unavailable.
func (s *Store) AccountRings(ctx context.Context, accountID, after string, limit int) (rings []FoundRing, more bool, err error) {
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
	var found []item
	pages := dynamodb.NewQueryPaginator(s.client, query)
	for pages.HasMorePages() && len(found) <= limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, unavailable(err)
		}
		found = append(found, page.Items...)
	}
	if more = len(found) > limit; more {
		found = found[:limit]
	}
	rings, err = s.foundRings(ctx, found, true)
	return rings, more, err
}

// foundRings reads the rings that an index has found, with the uses of their keys
// if that is wanted. What is in the index and cannot be a ring has an error like a
// damaged one.
func (s *Store) foundRings(ctx context.Context, items []item, withUses bool) ([]FoundRing, error) {
	found := make([]FoundRing, 0, len(items))
	known := map[apikey.Locator]bool{}
	var keys []item
	for _, attributes := range items {
		ring := FoundRing{IAMID: newReader(attributes).optionalText("iamId")}
		if ring.Locator, ring.Err = locatorOf(attributes); ring.Err == nil {
			// A ring that moved while its index was read may be in it twice.
			if known[ring.Locator] {
				continue
			}
			known[ring.Locator] = true
			keys = append(keys, ringKey(ring.Locator))
			if withUses {
				keys = append(keys, useKey(ring.Locator))
			}
		}
		found = append(found, ring)
	}
	read, err := s.readAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i := range found {
		if found[i].Err == nil {
			found[i].Ring, found[i].LastUsedAt, found[i].Err = ringAndUsesOf(read, found[i].Locator)
		}
	}
	return found, nil
}

// locatorOf tells whose partition an item is in.
func locatorOf(attributes item) (apikey.Locator, error) {
	r := newReader(attributes)
	pk := r.text("pk")
	rest, ours := strings.CutPrefix(pk, partitionPrefix)
	locator, err := apikey.ParseLocator(rest)
	if !ours || err != nil {
		return apikey.Locator{}, errors.Join(*r.err, fmt.Errorf("the item %s in %q is no owner's", r.optionalText("sk"), pk))
	}
	return locator, nil
}
