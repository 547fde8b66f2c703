package relay

import (
	"context"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store"
)

// Redrive asks to relay again what the table has: all that was announced in a span
// of time, or what one item announces.
type Redrive struct {
	Since, Until time.Time
	// Cursor is where to go on: the NextCursor of the answer before.
	Cursor string
	Item   *struct{ PK, SK string }
}

// Redriven is what became of it.
type Redriven struct {
	Relayed int `json:"relayed"`
	// Failed are those that were not relayed, Unreadable those that cannot be: the
	// log has why.
	Failed     int `json:"failed"`
	Unreadable int `json:"unreadable"`
	// NextCursor is where to go on; null when all is done.
	NextCursor *string `json:"nextCursor"`
}

// redrive relays again, until all is done or time is short. Errors:
// invalid_request, unavailable.
func (r *Relay) redrive(ctx context.Context, wanted Redrive) (Redriven, error) {
	if wanted.Item != nil {
		notice, found, err := r.Rings.NoticeOf(ctx, wanted.Item.PK, wanted.Item.SK)
		if err != nil || !found {
			return Redriven{}, err
		}
		var done Redriven
		r.again(ctx, []store.Noticed{notice}, &done)
		return done, nil
	}
	if wanted.Since.IsZero() || wanted.Until.Before(wanted.Since) {
		return Redriven{}, apikey.Invalid("redrive", "needs since and until, one after the other, or an item")
	}
	done := Redriven{}
	for cursor := wanted.Cursor; ; {
		found, next, err := r.Rings.NoticesBetween(ctx, wanted.Since, wanted.Until, cursor)
		if err != nil {
			return Redriven{}, err
		}
		r.again(ctx, found, &done)
		if next == "" {
			return done, nil
		}
		if deadline, limited := ctx.Deadline(); limited && deadline.Sub(r.Now()) < redriveReserve {
			done.NextCursor = &next
			return done, nil
		}
		cursor = next
	}
}

// redriveReserve is the time that a page may take.
const redriveReserve = 20 * time.Second

func (r *Relay) again(ctx context.Context, found []store.Noticed, done *Redriven) {
	all := make([]notice, len(found))
	for i, f := range found {
		all[i] = notice{event: f.Event, undecodable: f.Err}
	}
	r.relay(ctx, all, func(string) bool { return false })
	for i := range all {
		switch {
		case all[i].err != nil, all[i].beyondRepair != nil:
			done.Failed++
		case all[i].undecodable != nil:
			done.Unreadable++
		default:
			done.Relayed++
		}
		r.logNotice(ctx, all[i])
	}
}
