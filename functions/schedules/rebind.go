package schedules

import (
	"context"
	"net/http"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/store"
)

type rebindingBody struct {
	FromKeyID string `json:"fromKeyId"`
}

type reboundBody struct {
	Rebound   int `json:"rebound"`
	Remaining int `json:"remaining"`
}

// rebind pins all schedules of one key to the Active key: so many in one
// transaction, and one transaction after the other until none remains, or time
// or luck runs out. What was rebound stays so, the rest is for the next request.
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
	var done reboundBody
	for {
		rebound, remaining, err := h.rebindSome(ctx, request, from)
		if err != nil && done.Rebound == 0 {
			return httpapi.Response{}, err
		}
		if err != nil {
			break
		}
		done.Rebound += rebound
		if done.Remaining = remaining; remaining == 0 {
			break
		}
		request.ExpectedRevisions = nil // it is this request that changes the ring now
	}
	return httpapi.Response{Status: http.StatusOK, Body: done}, nil
}

// rebindSome rebinds as many schedules as one transaction takes.
func (h handler) rebindSome(ctx context.Context, r apikey.ChangeRequest, from apikey.KeyID) (rebound, remaining int, err error) {
	_, err = h.update(ctx, r, func(ctx context.Context, ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
		if ring.Active != nil && ring.Active.ID == from {
			return ring, nil, nil
		}
		all, err := h.rings.AllSchedules(ctx, ring.Owner.Locator())
		if err != nil {
			return ring, nil, err
		}
		var pinned []apikey.Schedule
		for _, s := range all {
			if s.Binding == apikey.Pinned && s.KeyID == from {
				pinned = append(pinned, s)
			}
		}
		some := pinned[:min(len(pinned), store.MaxSchedulesPerChange)]
		rebound, remaining = len(some), len(pinned)-len(some)
		next, event, _, err := ring.Rebind(c, some)
		return next, event, err
	})
	return rebound, remaining, err
}
