package store

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// maxBatchKeys is how many items one BatchGetItem may ask for.
const maxBatchKeys = 100

// maxRereads bounds how often facts are read again that contradict each other.
const maxRereads = 5

// Facts reads what many decisions need, each item once, strongly consistent and
// in as few calls as possible: one for 100 items. What DynamoDB leaves
// unprocessed is asked for again, after a pause, until the context ends. Facts and
// errors are in the order of needs; where there is an error (unavailable), the
// facts are not to be used.
//
// A batch is no snapshot. A schedule that was bound at a later revision than the
// ring's that was read with it shows that the ring is older, and both are read
// again.
func (s *Store) Facts(ctx context.Context, needs []jobauth.Needs) (facts []jobauth.Facts, errs []error) {
	facts, errs = make([]jobauth.Facts, len(needs)), make([]error, len(needs))
	pending := make([]int, len(needs))
	for i := range pending {
		pending[i] = i
	}
	for round := 0; len(pending) > 0; round++ {
		if round == maxRereads {
			for _, i := range pending {
				errs[i] = unavailable(errors.New("ring and schedule kept changing"))
			}
			break
		}
		read, err := s.readNeeds(ctx, needs, pending)
		for _, i := range pending {
			facts[i], errs[i] = factsOf(needs[i], read, err)
		}
		pending = slices.DeleteFunc(pending, func(i int) bool {
			return errs[i] != nil || facts[i].Schedule == nil || facts[i].Schedule.Revision <= facts[i].Ring.Revision
		})
	}
	return facts, errs
}

// sortKeyed are items by partition and sort key.
type sortKeyed map[[2]string]item

// readNeeds reads the items of those that are pending. The error says why some
// items may be missing in what was read.
func (s *Store) readNeeds(ctx context.Context, needs []jobauth.Needs, pending []int) (sortKeyed, error) {
	read := sortKeyed{}
	var keys []item
	add := func(locator apikey.Locator, sk string) {
		at := [2]string{partition(locator), sk}
		if _, known := read[at]; !known {
			read[at] = nil // asked for, and not there as far as is known
			keys = append(keys, itemKey(locator, sk))
		}
	}
	for _, i := range pending {
		add(needs[i].Ring, ringSK)
		if needs[i].ScheduleID != "" {
			add(needs[i].Ring, schedulePrefix+needs[i].ScheduleID)
		}
	}
	var failure error
	for chunk := range slices.Chunk(keys, maxBatchKeys) {
		failure = errors.Join(failure, s.readBatch(ctx, chunk, read))
	}
	return read, failure
}

// readAll reads all items or fails. Errors: unavailable.
func (s *Store) readAll(ctx context.Context, keys []item) (sortKeyed, error) {
	read := sortKeyed{}
	for chunk := range slices.Chunk(keys, maxBatchKeys) {
		if err := s.readBatch(ctx, chunk, read); err != nil {
			return nil, unavailable(err)
		}
	}
	return read, nil
}

// readBatch reads items into what was read, and takes out of it those that it
// could not read.
func (s *Store) readBatch(ctx context.Context, keys []item, read sortKeyed) (failure error) {
	for attempt := 0; len(keys) > 0; attempt++ {
		failure = s.backOff(ctx, attempt)
		var out *dynamodb.BatchGetItemOutput
		if failure == nil {
			out, failure = s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
				RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
			})
		}
		if failure != nil {
			for _, key := range keys {
				delete(read, keyOf(key))
			}
			return failure
		}
		for _, attributes := range out.Responses[s.table] {
			read[keyOf(attributes)] = attributes
		}
		keys = out.UnprocessedKeys[s.table].Keys
	}
	return nil
}

func keyOf(attributes item) [2]string {
	r := newReader(attributes)
	return [2]string{r.text("pk"), r.text("sk")}
}

func factsOf(needs jobauth.Needs, read sortKeyed, failure error) (facts jobauth.Facts, err error) {
	ring, known := read[[2]string{partition(needs.Ring), ringSK}]
	if !known {
		return facts, unavailable(failure)
	}
	if ring != nil {
		if facts.Ring, err = ringOf(ring, needs.Ring); err != nil {
			return facts, err
		}
	}
	if needs.ScheduleID == "" {
		return facts, nil
	}
	schedule, known := read[[2]string{partition(needs.Ring), schedulePrefix + needs.ScheduleID}]
	if !known {
		return facts, unavailable(failure)
	}
	if schedule != nil {
		facts.Schedule, err = scheduleOf(schedule, needs.Ring)
	}
	return facts, err
}

// Fact is Facts for one decision: of a ring alone it is one GetItem. Errors:
// unavailable.
func (s *Store) Fact(ctx context.Context, needs jobauth.Needs) (jobauth.Facts, error) {
	if needs.ScheduleID == "" {
		ring, err := s.Ring(ctx, needs.Ring)
		return jobauth.Facts{Ring: ring}, err
	}
	facts, errs := s.Facts(ctx, []jobauth.Needs{needs})
	return facts[0], errs[0]
}
