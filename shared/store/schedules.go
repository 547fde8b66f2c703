package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
)

// MaxSchedulesPerChange is how many schedules one change may bind: what a
// transaction has room for beside ring, event and idempotency record.
const MaxSchedulesPerChange = 97

func scheduleKey(l apikey.Locator, id string) item { return itemKey(l, schedulePrefix+id) }

// Schedules reads an owner's schedules in the order of their ids, as they are
// now: at most limit of those after the id. more tells whether there are others.
// Errors: unavailable.
func (s *Store) Schedules(ctx context.Context, locator apikey.Locator, after string, limit int) (schedules []apikey.Schedule, more bool, err error) {
	// The blank is below every character of an id.
	schedules, err = s.schedules(ctx, locator, after+" ", limit+1)
	if len(schedules) > limit {
		return schedules[:limit], true, nil
	}
	return schedules, false, err
}

// AllSchedules reads all of an owner's schedules, at most apikey.MaxSchedules, in
// the order of their ids. Errors: unavailable.
func (s *Store) AllSchedules(ctx context.Context, locator apikey.Locator) ([]apikey.Schedule, error) {
	return s.schedules(ctx, locator, " ", apikey.MaxSchedules)
}

func (s *Store) schedules(ctx context.Context, locator apikey.Locator, from string, limit int) (schedules []apikey.Schedule, err error) {
	err = s.query(ctx, locator, span{schedulePrefix + from, schedulePrefix + "~"}, forwards, limit, func(attributes item) (bool, error) {
		schedule, err := scheduleOf(attributes, locator)
		if err != nil {
			return false, err
		}
		schedules = append(schedules, *schedule)
		return len(schedules) < limit, nil
	})
	if err != nil {
		return nil, err // half a listing would be taken for a whole one
	}
	return schedules, nil
}

func scheduleOf(attributes item, locator apikey.Locator) (*apikey.Schedule, error) {
	r := newReader(attributes)
	schedule := decodeSchedule(r)
	if *r.err == nil && r.text("sk") != schedulePrefix+schedule.ID {
		r.fail("id", errors.New("another schedule's"))
	}
	if *r.err != nil {
		return nil, fmt.Errorf("a schedule of %s cannot be used: %w", locator, *r.err)
	}
	return &schedule, nil
}

// scheduleWrites are the schedules that a change binds or unbinds, as its event
// has them.
func (s *Store) scheduleWrites(event apikey.Event) ([]types.TransactWriteItem, error) {
	if len(event.Schedules) > MaxSchedulesPerChange {
		return nil, fmt.Errorf("a change of %d schedules at once", len(event.Schedules))
	}
	locator := event.Owner.Locator()
	var writes []types.TransactWriteItem
	for _, schedule := range event.Schedules {
		key := scheduleKey(locator, schedule.ID)
		write := types.TransactWriteItem{Delete: &types.Delete{TableName: &s.table, Key: key}}
		if event.Type == apikey.EventScheduleBound {
			write = types.TransactWriteItem{Put: &types.Put{TableName: &s.table, Item: with(key, encodeSchedule(schedule), time.Time{})}}
		}
		writes = append(writes, write)
	}
	return writes, nil
}
