package store

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/userapikey/service/shared/apikey"
)

// maxSends is how often one transaction is sent: again, with the same client
// token, only when the answer was lost.
const maxSends = 3

// outcome is what is known of a transaction after commit.
type outcome int

const (
	// committed: the change was made, by this call.
	committed outcome = iota
	// lostRace: the change was not made and never will be; fresh state may let
	// it through.
	lostRace
	// unknown: the change may have been made, or may still be.
	unknown
	// refused: the change was not made, and trying again would not help.
	refused
)

// commit makes the change in one transaction. It sends the transaction itself
// rather than leave that to the SDK's retryer, because only the order of
// answers tells what is known: a refusal after a lost answer proves nothing.
func (s *Store) commit(ctx context.Context, input *dynamodb.TransactWriteItemsInput, event apikey.Event) (outcome, error) {
	var lost error
	for send := range maxSends {
		if send > 0 {
			if err := s.backOff(ctx, send); err != nil {
				break
			}
			s.Log.WarnContext(ctx, "sent again", "owner", event.Owner.Locator().String(), "revision", event.Revision, "error", lost)
		}
		_, err := s.client.TransactWriteItems(ctx, input, sendOnce)
		switch {
		case err == nil:
			return committed, nil
		case lost == nil && (isConditionFailed(err) || isConflict(err) || isThrottling(err)):
			return lostRace, err
		case lost == nil && isClientFault(err):
			return refused, err
		case isConditionFailed(err):
			// After a lost answer. A ring has moved on: was it by our hand?
			return s.whoCommitted(ctx, event, err)
		default:
			lost = errors.Join(lost, err)
		}
	}
	return s.whoCommitted(ctx, event, lost)
}

// whoCommitted finds out by the event at the expected revision: ours, or
// another change's, which means that ours can never land. That there is none
// proves nothing: the transaction may still land.
func (s *Store) whoCommitted(ctx context.Context, event apikey.Event, cause error) (outcome, error) {
	found, err := s.event(ctx, event.Owner.Locator(), event.Revision)
	switch {
	case err != nil || found == nil:
		return unknown, errors.Join(cause, err)
	case found.ID == event.ID:
		return committed, nil
	default:
		return lostRace, cause
	}
}

// sendOnce takes the SDK's own retries out of one call.
func sendOnce(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// transaction identifies the event and makes the one write of a change, which
// waits for the guard, unless that is nil. It fails for a change that has no room
// in a transaction.
func (s *Store) transaction(
	next apikey.Ring, event *apikey.Event, idempotency Idempotency, guard *types.ConditionCheck,
) (*dynamodb.TransactWriteItemsInput, error) {
	if err := s.identify(event); err != nil {
		return nil, err
	}
	locator := next.Owner.Locator()
	announcement := with(eventKey(locator, event.Revision), encodeEvent(*event), s.now().Add(EventTTL))
	items := []types.TransactWriteItem{
		{Put: s.putRing(encodeRing(next), next.Revision-1)},
		{Put: &types.Put{TableName: &s.table, Item: announcement}},
	}
	if guard != nil {
		items = append(items, types.TransactWriteItem{ConditionCheck: guard})
	}
	if idempotency.Key != "" {
		record := encodeRecord(idempotencyRecord{operation: idempotency.Operation, event: *event})
		// A second lock: no record comes without the ring's next revision, which the
		// ring's own condition guards.
		items = append(items, types.TransactWriteItem{Put: &types.Put{
			TableName:                 &s.table,
			Item:                      with(idempotencyKey(locator, idempotency.Key), record, s.now().Add(IdempotencyTTL)),
			ConditionExpression:       aws.String("attribute_not_exists(pk) OR expiresAt <= :now"),
			ExpressionAttributeValues: item{":now": number(s.now().Unix())},
		}})
	}
	schedules, err := s.scheduleWrites(*event)
	return &dynamodb.TransactWriteItemsInput{TransactItems: append(items, schedules...), ClientRequestToken: &event.ID}, err
}

// putRing writes the ring on condition that it is still at the revision that
// was read.
func (s *Store) putRing(ring item, revisionRead int64) *types.Put {
	put := &types.Put{TableName: &s.table, Item: ring}
	put.ConditionExpression, put.ExpressionAttributeValues = asRead(revisionRead)
	return put
}

// asRead is the condition that a ring is still at the revision that was read; 0
// was none.
func asRead(revision int64) (condition *string, values item) {
	if revision == 0 {
		return aws.String("attribute_not_exists(pk)"), nil
	}
	return aws.String("revision = :read"), item{":read": number(revision)}
}

// isConflict tells whether another transaction on the same items was under way.
func isConflict(err error) bool { return hasCancellation(err, "TransactionConflict") }

// isThrottling tells whether DynamoDB was too busy, and so did nothing.
func isThrottling(err error) bool {
	if hasCancellation(err, "ThrottlingError") || hasCancellation(err, "ProvisionedThroughputExceeded") {
		return true
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded":
			return true
		}
	}
	return false
}

// isClientFault tells whether DynamoDB refused the request itself: access
// denied, say, or no such table. (Errors that the SDK has no type for carry no
// fault of their own: the HTTP status tells.)
func isClientFault(err error) bool {
	response, ok := errors.AsType[*awshttp.ResponseError](err)
	return ok && response.HTTPStatusCode() >= 400 && response.HTTPStatusCode() < 500
}

func isConditionFailed(err error) bool { return hasCancellation(err, "ConditionalCheckFailed") }

func hasCancellation(err error, code string) bool {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return false
	}
	for _, reason := range cancelled.CancellationReasons {
		if aws.ToString(reason.Code) == code {
			return true
		}
	}
	return false
}
