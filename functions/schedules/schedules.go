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
	log   *slog.Logger
}

// New serves /v1/schedules, /v1/schedules/{scheduleId} and
// /v1/schedule-rebindings.
func New(authenticator httpapi.Authenticator, rings *store.Store, now func() time.Time, log *slog.Logger) *httpapi.API {
	h := handler{rings, now, log}
	permit := apikey.Principal.RequireKeyManager
	return httpapi.New(authenticator, log,
		httpapi.Route{Method: http.MethodGet, Path: "/v1/schedules", Query: httpapi.PageQuery, Permit: permit, Handle: h.list},
		httpapi.Route{Method: http.MethodGet, Path: "/v1/schedules/{scheduleId}", Permit: permit, Handle: h.read},
		httpapi.Route{Method: http.MethodPut, Path: "/v1/schedules/{scheduleId}", Permit: permit, Handle: h.bind},
		httpapi.Route{Method: http.MethodDelete, Path: "/v1/schedules/{scheduleId}", Permit: permit, Handle: h.unbind},
		httpapi.Route{Method: http.MethodPost, Path: "/v1/schedule-rebindings", Permit: permit, Handle: h.rebind},
	)
}

// listing is the name that cursors of the schedules are bound to.
const listing = "schedules"

type listBody struct {
	Schedules  []httpapi.Schedule `json:"schedules"`
	NextCursor *string            `json:"nextCursor"`
}

// list shows the user's schedules in the order of their ids. The position of a
// schedule in the listing is its id.
func (h handler) list(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	page, err := r.Page(listing)
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
		// Not invalid_request: what cannot be a schedule's id is the id of none.
		return httpapi.Response{}, apikey.ScheduleNotFound()
	}
	facts, err := h.rings.Fact(ctx, jobauth.Needs{Ring: r.Principal.Owner.Locator(), ScheduleID: id})
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
	wanted, err := body.binding(r.PathParameter("scheduleId"))
	if err != nil {
		return httpapi.Response{}, err
	}
	var (
		bound  apikey.Schedule
		status int
	)
	result, err := h.update(ctx, request, wanted.schedule.ID, "bind",
		func(ring apikey.Ring, before *apikey.Schedule, c apikey.Command) (next apikey.Ring, event *apikey.Event, err error) {
			status = http.StatusOK
			if before == nil {
				status = http.StatusCreated
			}
			if err := wanted.check(ring); err != nil {
				return ring, nil, err
			}
			next, event, bound, err = ring.Bind(c, before, wanted.schedule)
			return next, event, err
		})
	if err != nil {
		return httpapi.Response{}, err
	}
	if result.Replayed {
		bound, status = result.Event.Schedules[0], http.StatusOK
	}
	return shown(status, result.Ring, bound), nil
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
	_, err = h.update(ctx, request, id, "unbind",
		func(ring apikey.Ring, bound *apikey.Schedule, c apikey.Command) (apikey.Ring, *apikey.Event, error) {
			if bound == nil {
				return ring, nil, apikey.ScheduleNotFound()
			}
			next, event := ring.Unbind(c, *bound)
			return next, event, nil
		})
	return httpapi.Response{Status: http.StatusNoContent}, err
}

// update makes a change of one schedule. Delivered again, the same request is the
// same change, also when others were made in between.
func (h handler) update(
	ctx context.Context, r apikey.ChangeRequest, id, operation string,
	change func(apikey.Ring, *apikey.Schedule, apikey.Command) (apikey.Ring, *apikey.Event, error),
) (store.Result, error) {
	once := store.Idempotency{Key: r.DeliveryKey, Operation: operation}
	return h.rings.UpdateSchedule(ctx, r.Owner, id, once,
		func(ring apikey.Ring, bound *apikey.Schedule) (apikey.Ring, *apikey.Event, error) {
			if err := ring.CheckRevision(r.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			return change(ring, bound, r.Command(h.now()))
		})
}
