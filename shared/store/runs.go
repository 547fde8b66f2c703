package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// An owner may have any number of runs. So many are read at a time, and so many
// to tell what a change hits: that must not keep anyone from deleting a key that
// leaked.
const (
	maxRunsPerQuery = 500
	maxRunsRead     = 10_000
)

// onRecord is jobauth.Run.IsOnRecord as a condition. It goes by the lease, to the
// millisecond: the table's time to live knows seconds only.
const onRecord = "leaseExpiresAt > :forgotten"

// forgotten is when the lease ran out of a run that is on record no longer.
func (s *Store) forgotten() types.AttributeValue {
	return milliseconds(s.now().Add(-jobauth.RecordPeriod))
}

func runKey(ref apikey.RunRef) item { return itemKey(ref.Locator, runPrefix+ref.Name.String()) }

// RecordRun records an authorized run, or goes on with it when it is on record:
// then its start is kept, its lease never shortened, and its key is the new
// decision's. It returns the run as it is on record then. It is one conditional
// write, and a second one only when the lease on record is longer or the record
// has expired. Errors: unavailable.
func (s *Store) RecordRun(ctx context.Context, run jobauth.Run) (jobauth.Run, error) {
	for attempt := range maxAttempts {
		if err := s.backOff(ctx, attempt); err != nil {
			return jobauth.Run{}, unavailable(err)
		}
		out, err := s.client.UpdateItem(ctx, s.runUpdate(run,
			"attribute_not_exists(pk) OR leaseExpiresAt <= :lease AND "+onRecord))
		if err == nil {
			return runOf(out.Attributes, run.Owner.Locator())
		}
		recorded, failed, decodeErr := recordedInstead(err, run.Owner.Locator())
		switch {
		case decodeErr != nil:
			return jobauth.Run{}, decodeErr
		case !failed:
			return jobauth.Run{}, unavailable(err)
		}
		done, kept, err := s.recordOver(ctx, run, recorded)
		if done || err != nil {
			return kept, err
		}
	}
	return jobauth.Run{}, unavailable(errors.New("the run kept changing"))
}

// recordOver records a run over what is on record: an expired run is another
// one, a longer lease stays. It is not done when the record has changed.
func (s *Store) recordOver(ctx context.Context, run jobauth.Run, recorded *jobauth.Run) (done bool, _ jobauth.Run, _ error) {
	if recorded == nil {
		return false, jobauth.Run{}, nil
	}
	if recorded.IsOnRecord(s.now()) {
		// The condition did not hold, so its lease is the longer one.
		run.StartedAt, run.LeaseExpiresAt = recorded.StartedAt, recorded.LeaseExpiresAt
	}
	update := s.runUpdate(run, "leaseExpiresAt = :recorded")
	update.ExpressionAttributeValues[":recorded"] = milliseconds(recorded.LeaseExpiresAt)
	update.UpdateExpression = aws.String(runAssignments("startedAt = :started"))
	delete(update.ExpressionAttributeValues, ":forgotten")
	out, err := s.client.UpdateItem(ctx, update)
	if isConditionNotMet(err) {
		return false, jobauth.Run{}, nil
	}
	if err != nil {
		return false, jobauth.Run{}, unavailable(err)
	}
	kept, err := runOf(out.Attributes, run.Owner.Locator())
	return true, kept, err
}

// runUpdate writes a run; a start that is on record stays.
func (s *Store) runUpdate(run jobauth.Run, condition string) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		TableName:                &s.table,
		Key:                      runKey(run.Ref()),
		UpdateExpression:         aws.String(runAssignments("startedAt = if_not_exists(startedAt, :started)")),
		ConditionExpression:      &condition,
		ExpressionAttributeNames: map[string]string{"#owner": "owner"},
		ExpressionAttributeValues: item{
			":owner": nested(encodeOwner(run.Owner)), ":account": text(run.Owner.AccountID),
			":key": text(run.KeyID.String()), ":job": text(run.JobID), ":run": text(run.RunID),
			":type": text(string(run.JobType)), ":service": text(run.Service),
			":started": instant(run.StartedAt), ":lease": milliseconds(run.LeaseExpiresAt),
			":expires": number(run.LeaseExpiresAt.Add(jobauth.RecordPeriod).Unix()), ":forgotten": s.forgotten(),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

func runAssignments(start string) string {
	return "SET #owner = :owner, accountId = :account, keyId = :key, jobId = :job, runId = :run, jobType = :type, service = :service, " +
		start + ", leaseExpiresAt = :lease, expiresAt = :expires"
}

// recordedInstead is the run that a condition did not hold for; nil when there
// was none.
func recordedInstead(err error, locator apikey.Locator) (recorded *jobauth.Run, failed bool, _ error) {
	condition, failed := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !failed || condition.Item == nil {
		return nil, failed, nil
	}
	run, decodeErr := runOf(condition.Item, locator)
	return &run, true, decodeErr
}

// RunAndRing reads a run and its owner's ring; the run is nil when it is unknown,
// has ended, or is no longer on record. Errors: unavailable.
//
// It is one call while the ring has the run's key. Otherwise it is two at least: a
// batch is no snapshot, and between its reads the run may have come to another
// key. That the key is gone is shown by a ring that was read after the run.
func (s *Store) RunAndRing(ctx context.Context, ref apikey.RunRef) (*jobauth.Run, apikey.Ring, error) {
	missing := apikey.KeyID{}
	for range maxRereads {
		run, ring, err := s.readRunAndRing(ctx, ref)
		if err != nil || run == nil {
			return nil, apikey.Ring{}, err
		}
		if _, exists := ring.Key(run.KeyID); exists || run.KeyID == missing {
			return run, ring, nil
		}
		missing = run.KeyID
	}
	return nil, apikey.Ring{}, unavailable(errors.New("run and ring kept changing"))
}

func (s *Store) readRunAndRing(ctx context.Context, ref apikey.RunRef) (*jobauth.Run, apikey.Ring, error) {
	key, ring := runKey(ref), ringKey(ref.Locator)
	read, err := s.readAll(ctx, []item{key, ring})
	if err != nil {
		return nil, apikey.Ring{}, err
	}
	found := read[keyOf(key)]
	if found == nil {
		return nil, apikey.Ring{}, nil
	}
	run, err := runOf(found, ref.Locator)
	if err != nil || !run.IsOnRecord(s.now()) {
		return nil, apikey.Ring{}, err
	}
	owners := apikey.Ring{}
	if attributes := read[keyOf(ring)]; attributes != nil {
		owners, err = ringOf(attributes, ref.Locator)
	}
	return &run, owners, err
}

// ExtendRun writes the lease of a run that was renewed, unless it is longer on
// record. It returns the run as it is on record then, nil when it has ended or is
// on record no longer. Errors: unavailable.
func (s *Store) ExtendRun(ctx context.Context, run jobauth.Run) (*jobauth.Run, error) {
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.table,
		Key:                 runKey(run.Ref()),
		UpdateExpression:    aws.String("SET leaseExpiresAt = :lease, expiresAt = :expires"),
		ConditionExpression: aws.String("leaseExpiresAt <= :lease AND " + onRecord),
		ExpressionAttributeValues: item{
			":lease":     milliseconds(run.LeaseExpiresAt),
			":expires":   number(run.LeaseExpiresAt.Add(jobauth.RecordPeriod).Unix()),
			":forgotten": s.forgotten(),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		extended, err := runOf(out.Attributes, run.Owner.Locator())
		return &extended, err
	}
	recorded, failed, decodeErr := recordedInstead(err, run.Owner.Locator())
	if !failed {
		return nil, unavailable(err)
	}
	if decodeErr != nil || recorded == nil || !recorded.IsOnRecord(s.now()) {
		return nil, decodeErr
	}
	return recorded, nil
}

// EndRun takes a run off the record, unless it is none of the account's; "" is
// every account's business. Errors: run_not_found, unavailable.
func (s *Store) EndRun(ctx context.Context, ref apikey.RunRef, accountID string) error {
	end := &dynamodb.DeleteItemInput{
		TableName:                           &s.table,
		Key:                                 runKey(ref),
		ConditionExpression:                 aws.String(onRecord),
		ExpressionAttributeValues:           item{":forgotten": s.forgotten()},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if accountID != "" {
		end.ConditionExpression = aws.String(onRecord + " AND accountId = :account")
		end.ExpressionAttributeValues[":account"] = text(accountID)
	}
	// Sent here and not by the SDK's retryer: once an answer was lost, that there
	// is no such run means that it was ended.
	var lost, last error
	for send := range maxSends {
		if err := s.backOff(ctx, send); err != nil {
			return unavailable(errors.Join(last, err))
		}
		_, err := s.client.DeleteItem(ctx, end, sendOnce)
		notMet, isNotMet := errors.AsType[*types.ConditionalCheckFailedException](err)
		switch {
		case err == nil, isNotMet && notMet.Item == nil && lost != nil:
			return nil //nolint:nilerr // it was ended, by the call whose answer was lost
		case isNotMet:
			return apikey.RunNotFound()
		case isThrottling(err):
		case isClientFault(err):
			return unavailable(err)
		default:
			lost = err
		}
		last = err
	}
	return unavailable(last)
}

// Running reads an owner's running operations, in no particular order: those
// whose lease has not run out. While more than 10,000 runs are on record, only so
// many are looked at. Errors: unavailable.
func (s *Store) Running(ctx context.Context, locator apikey.Locator, each func(jobauth.Run)) error {
	now, read := s.now(), 0
	return s.query(ctx, locator, span{runPrefix, runPrefix + "~"}, forwards, maxRunsPerQuery, func(attributes item) (bool, error) {
		run, err := runOf(attributes, locator)
		if err != nil {
			return false, err
		}
		if run.IsRunning(now) {
			each(run)
		}
		read++
		return read < maxRunsRead, nil
	})
}

func decodeRun(r reader) jobauth.Run {
	return jobauth.Run{
		Owner:          decodeOwner(r.nested("owner")),
		KeyID:          r.uuid("keyId"),
		JobID:          r.text("jobId"),
		RunID:          r.text("runId"),
		JobType:        jobauth.JobType(r.text("jobType")),
		Service:        r.text("service"),
		StartedAt:      r.instant("startedAt"),
		LeaseExpiresAt: r.milliseconds("leaseExpiresAt"),
	}
}

// runOf decodes a run and makes sure that it is one of the owner's, and the one
// that its key names.
func runOf(attributes item, locator apikey.Locator) (jobauth.Run, error) {
	r := newReader(attributes)
	run := decodeRun(r)
	if *r.err == nil && (run.Owner.Locator() != locator || r.text("sk") != runPrefix+run.Ref().Name.String()) {
		r.fail("runId", errors.New("another run's"))
	}
	if *r.err != nil {
		return jobauth.Run{}, fmt.Errorf("a run of %s cannot be used: %w", locator, *r.err)
	}
	return run, nil
}

func isConditionNotMet(err error) bool {
	_, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	return ok
}
