package view

import (
	"context"
	"net/http"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

type usersBody struct {
	Users      []httpapi.User `json:"users"`
	NextCursor *string        `json:"nextCursor"`
}

// viewUsers shows an administrator which users of the account hold keys, or are
// suspended, in the order of their IAM ids.
func (h handler) viewUsers(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	page, err := r.Page("account")
	if err != nil {
		return httpapi.Response{}, err
	}
	found, more, err := h.rings.AccountRings(ctx, r.Principal.Owner.AccountID, page.After, page.Limit)
	if err != nil {
		return httpapi.Response{}, err
	}
	body := usersBody{Users: []httpapi.User{}}
	last := ""
	for _, f := range found {
		last = f.IAMID
		if f.Err != nil {
			h.log.ErrorContext(ctx, "a user is not listed", "owner", f.Locator.String(), "error", f.Err)
			continue
		}
		// The index lags: the ring says what is.
		if f.Ring.IsListed() {
			body.Users = append(body.Users, httpapi.UserOf(f.Ring, f.LastUsedAt, h.deployment, h.now()))
		}
	}
	if more {
		cursor := page.Cursor(last)
		body.NextCursor = &cursor
	}
	return httpapi.Response{Status: http.StatusOK, Body: body}, nil
}

// viewUserHistory shows an administrator the changes of a user's keys.
func (h handler) viewUserHistory(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	owner := apikey.Owner{AccountID: r.Principal.Owner.AccountID, IAMID: r.PathParameter("iamId")}
	ring, err := h.rings.Ring(ctx, owner.Locator())
	if err != nil {
		return httpapi.Response{}, err
	}
	if ring.Revision == 0 {
		return httpapi.Response{}, apikey.UserNotFound()
	}
	return h.history(ctx, r, owner, "history of "+owner.IAMID)
}
