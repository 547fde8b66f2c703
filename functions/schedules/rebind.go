package schedules

import (
	"context"
	"net/http"
	"slices"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/store"
)

type rebindingBody struct {
	FromKeyID string `json:"fromKeyId"`
}

// reboundBody counts schedules. Each that is counted as rebound was pinned to the
// key that was Active then; a transaction of which nothing is known is not
// counted.
type reboundBody struct {
	Rebound int `json:"rebound"`
	// Remaining are those that were left pinned to the key when the last
	// transaction that is known of was made. It is never too low: a key that is not
	// Active gets no new ones.
	Remaining int `json:"remaining"`
}

// rebind pins all schedules of one key to the Active key: so many in one
// transaction, and one transaction after the other until none remains, or until
// one fails. What was rebound stays so, and the rest is for the next request:
// rebinding is repeatable, also when one request is delivered twice.
func (h handler) rebind(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	var body rebindingBody
	request, err := r.OwnChange(&body)
	if err != nil {
		return httpapi.Response{}, err
	}
	from, err := apikey.ParseUUID(body.FromKeyID)
	if err != nil {
		return httpapi.Response{}, apikey.Invalid("fromKeyId", "must be a key's id")
	}
	var total reboundBody
	for {
		ring, done, err := h.rebindSome(ctx, request, from)
		if err != nil && total.Rebound == 0 {
			return httpapi.Response{}, err
		}
		if err != nil {
			h.log.WarnContext(ctx, "a rebinding stopped half-way",
				"requestId", request.CorrelationID, "rebound", total.Rebound, "remaining", total.Remaining, "error", err)
			break
		}
		total = reboundBody{Rebound: total.Rebound + done.Rebound, Remaining: done.Remaining}
		if total.Remaining == 0 {
			break
		}
		if request.ExpectedRevisions != nil {
			// Only if nobody but this request has changed the ring since.
			request.ExpectedRevisions = []int64{ring.Revision}
		}
	}
	return httpapi.Response{Status: http.StatusOK, Body: total}, nil
}

// rebindSome rebinds as many schedules as one transaction takes, and returns the
// ring after it. There is nothing to do for the Active key's.
func (h handler) rebindSome(ctx context.Context, r apikey.ChangeRequest, from apikey.KeyID) (apikey.Ring, reboundBody, error) {
	var done reboundBody
	result, err := h.rings.Update(ctx, r.Owner, store.Idempotency{},
		func(ctx context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			done = reboundBody{}
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			if ring.Active != nil && ring.Active.ID == from {
				return ring, nil, nil
			}
			pinned, err := h.pinnedTo(ctx, ring, from)
			if err != nil {
				return ring, nil, err
			}
			some := pinned[:min(len(pinned), store.MaxSchedulesPerChange)]
			done = reboundBody{Rebound: len(some), Remaining: len(pinned) - len(some)}
			next, event, _, err := ring.Rebind(r.Command(h.now()), some)
			return next, event, err
		})
	return result.Ring, done, err
}

// pinnedTo reads the schedules that are pinned to the key. They are as of the
// ring's revision, or the change is not made: every change of a schedule is one
// of the ring.
func (h handler) pinnedTo(ctx context.Context, ring apikey.Ring, id apikey.KeyID) ([]apikey.Schedule, error) {
	if ring.ScheduleCount == 0 {
		return nil, nil
	}
	all, err := h.rings.AllSchedules(ctx, ring.Owner.Locator())
	return slices.DeleteFunc(all, func(s apikey.Schedule) bool {
		return s.Binding != apikey.Pinned || s.KeyID != id
	}), err
}
