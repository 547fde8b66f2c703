package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// MaxRevision is the highest revision that an event's key has room for.
const MaxRevision = 9_999_999_999

// History reads an owner's changes, newest first, as they are now (strongly
// consistent): at most limit of those whose revision is below before, 1 to
// MaxRevision+1. more tells whether there are older ones. A change belongs to the
// history for EventTTL; an owner without a ring has none. Errors: unavailable.
func (s *Store) History(ctx context.Context, locator apikey.Locator, before int64, limit int) (changes []apikey.Event, more bool, err error) {
	now := s.now()
	// The lower bound is below every event, so that the bounds are in order whatever
	// the revision: DynamoDB refuses others. One more than is asked for tells whether
	// there is more.
	err = s.query(ctx, locator, span{eventSK(0), eventSK(before - 1)}, backwards, limit+1, func(attributes item) (bool, error) {
		change, expiresAt, err := changeOf(attributes, locator)
		switch {
		case err != nil:
			return false, err
		case !expiresAt.After(now):
			// What is older has expired as well. Should a clock have been wrong when
			// it was written, the history ends here all the same: it has no gaps.
			return false, nil
		case len(changes) == limit:
			more = true
			return false, nil
		}
		changes = append(changes, change)
		return true, nil
	})
	if err != nil {
		return nil, false, err
	}
	return changes, more, nil
}

// changeOf decodes an event and makes sure, as ringOf does, that it is one of
// the owner's.
func changeOf(attributes item, locator apikey.Locator) (apikey.Event, time.Time, error) {
	r := newReader(attributes)
	expiresAt := time.Unix(r.number("expiresAt"), 0)
	event, err := decodeEvent(r)
	if err == nil && event.Owner.Locator() != locator {
		err = errors.New("the event is another owner's")
	}
	if err != nil {
		return apikey.Event{}, time.Time{}, fmt.Errorf("an event of %s cannot be used: %w", locator, err)
	}
	return event, expiresAt, nil
}
