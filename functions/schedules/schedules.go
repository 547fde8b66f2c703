// Package schedules binds job schedules to a user's keys: to the Active key, or
// to one that they name.
package schedules

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

type handler struct {
	rings *store.Store
	now   func() time.Time
}

// New serves /v1/schedules, /v1/schedules/{scheduleId} and
// /v1/schedule-rebindings.
func New(authenticator httpapi.Authenticator, rings *store.Store, now func() time.Time, log *slog.Logger) *httpapi.API {
	h := handler{rings, now}
	permit := apikey.Principal.RequireKeyManager
	return httpapi.New(authenticator, log,
		httpapi.Route{Method: http.MethodGet, Path: "/v1/schedules", Query: httpapi.PageQuery, Permit: permit, Handle: h.list},
		httpapi.Route{Method: http.MethodGet, Path: "/v1/schedules/{scheduleId}", Permit: permit, Handle: h.read},
		httpapi.Route{Method: http.MethodPut, Path: "/v1/schedules/{scheduleId}", Permit: permit, Handle: h.bind},
		httpapi.Route{Method: http.MethodDelete, Path: "/v1/schedules/{scheduleId}", Permit: permit, Handle: h.unbind},
		httpapi.Route{Method: http.MethodPost, Path: "/v1/schedule-rebindings", Permit: permit, Handle: h.rebind},
	)
}

type listBody struct {
	Schedules  []httpapi.Schedule `json:"schedules"`
	NextCursor *string            `json:"nextCursor"`
}

// list shows the user's schedules in the order of their ids.
func (h handler) list(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	page, err := r.Page("schedules")
	if err != nil {
		return httpapi.Response{}, err
	}
	if page.After != "" && !apikey.IsScheduleID(page.After) {
		return httpapi.Response{}, httpapi.InvalidCursor()
	}
	locator := r.Principal.Owner.Locator()
	schedules, more, err := h.rings.Schedules(ctx, locator, page.After, page.Limit)
	if err != nil {
		return httpapi.Response{}, err
	}
	// The ring after the schedules, so that it knows every key that they name.
	ring, err := h.rings.Ring(ctx, locator)
	if err != nil {
		return httpapi.Response{}, err
	}
	body := listBody{Schedules: make([]httpapi.Schedule, len(schedules))}
	for i, s := range schedules {
		body.Schedules[i] = httpapi.ScheduleOf(locator, s, ring.StateOf(s))
	}
	if more {
		cursor := page.Cursor(schedules[len(schedules)-1].ID)
		body.NextCursor = &cursor
	}
	return httpapi.Response{Status: http.StatusOK, Body: body}, nil
}

// read shows one schedule.
func (h handler) read(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	id := r.PathParameter("scheduleId")
	if !apikey.IsScheduleID(id) {
		return httpapi.Response{}, apikey.ScheduleNotFound()
	}
	locator := r.Principal.Owner.Locator()
	facts, err := h.rings.Fact(ctx, jobauth.Needs{Ring: locator, ScheduleID: id})
	if err != nil {
		return httpapi.Response{}, err
	}
	if facts.Schedule == nil {
		return httpapi.Response{}, apikey.ScheduleNotFound()
	}
	return shown(http.StatusOK, facts.Ring, *facts.Schedule), nil
}

func shown(status int, ring apikey.Ring, s apikey.Schedule) httpapi.Response {
	return httpapi.Response{
		Status: status, ETag: httpapi.ETag(ring.Revision),
		Body: httpapi.ScheduleOf(ring.Owner.Locator(), s, ring.StateOf(s)),
	}
}

// bind binds a schedule, or binds it anew.
func (h handler) bind(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	var body bindingBody
	request, err := r.OwnChange(&body)
	if err != nil {
		return httpapi.Response{}, err
	}
	wanted, err := body.binding(r.PathParameter("scheduleId"), request.Owner)
	if err != nil {
		return httpapi.Response{}, err
	}
	var (
		bound apikey.Schedule
		isNew bool
	)
	result, err := h.update(ctx, request, func(ctx context.Context, ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
		before, err := h.rings.Schedule(ctx, ring.Owner.Locator(), wanted.schedule.ID)
		if err != nil {
			return ring, nil, err
		}
		if before != nil && before.Revision > ring.Revision {
			return ring, nil, errOlderRing
		}
		schedule, err := wanted.in(ring)
		if err != nil {
			return ring, nil, err
		}
		next, event, schedule, err := ring.Bind(c, before, schedule)
		bound, isNew = schedule, before == nil
		return next, event, err
	})
	if err != nil {
		return httpapi.Response{}, err
	}
	status := http.StatusOK
	if isNew {
		status = http.StatusCreated
	}
	return shown(status, result.Ring, bound), nil
}

// errOlderRing tells that the ring was read before somebody else's change, and
// has to be read again.
var errOlderRing = &apikey.Error{
	Code: apikey.CodeConflict, Detail: "Another change of these schedules is under way. Try again.", RetryAfter: time.Second,
}

// unbind ends a schedule's binding.
func (h handler) unbind(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	request, err := r.OwnChange(nil)
	if err != nil {
		return httpapi.Response{}, err
	}
	id := r.PathParameter("scheduleId")
	if !apikey.IsScheduleID(id) {
		return httpapi.Response{}, apikey.ScheduleNotFound()
	}
	_, err = h.update(ctx, request, func(ctx context.Context, ring apikey.Ring, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
		schedule, err := h.rings.Schedule(ctx, ring.Owner.Locator(), id)
		if err != nil {
			return ring, nil, err
		}
		if schedule == nil {
			return ring, nil, apikey.ScheduleNotFound()
		}
		next, event := ring.Unbind(c, *schedule)
		return next, event, nil
	})
	return httpapi.Response{Status: http.StatusNoContent}, err
}

// update makes a change of the user's schedules. What it reads beside the ring
// is as of the ring's revision, or the change is not made: every change of a
// schedule is one of the ring.
func (h handler) update(
	ctx context.Context, r apikey.ChangeRequest,
	change func(context.Context, apikey.Ring, apikey.Command) (apikey.Ring, *apikey.Event, error),
) (store.Result, error) {
	return h.rings.Update(ctx, r.Owner, store.Idempotency{},
		func(ctx context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			return change(ctx, ring, apikey.Command{Actor: r.Actor, Now: h.now(), CorrelationID: r.CorrelationID})
		})
}
