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
// suspended, in the order of their IAM ids. The position of a user in the listing
// is that id.
func (h handler) viewUsers(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	page, err := r.Page("account")
	if err != nil {
		return httpapi.Response{}, err
	}
	account := apikey.Owner{AccountID: r.Principal.Owner.AccountID, IAMID: page.After}
	if page.After != "" && account.Validate() != nil {
		return httpapi.Response{}, httpapi.InvalidCursor()
	}
	if err := h.mayAdminister(ctx, r); err != nil {
		return httpapi.Response{}, err
	}
	found, more, err := h.rings.AccountRings(ctx, account.AccountID, page.After, page.Limit)
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
	owner, err := r.UserInPath()
	if err != nil {
		return httpapi.Response{}, err
	}
	page, err := historyPageOf(r, "history of "+owner.IAMID)
	if err != nil {
		return httpapi.Response{}, err
	}
	if err := h.mayAdminister(ctx, r); err != nil {
		return httpapi.Response{}, err
	}
	body, err := h.history(ctx, owner, page)
	if err != nil {
		return httpapi.Response{}, err
	}
	if len(body.Changes) == 0 {
		// Nobody's, or of somebody whose changes are all forgotten.
		ring, err := h.rings.Ring(ctx, owner.Locator())
		if err == nil && ring.Revision == 0 {
			err = apikey.UserNotFound()
		}
		if err != nil {
			return httpapi.Response{}, err
		}
	}
	return httpapi.Response{Status: http.StatusOK, Body: body}, nil
}

// mayAdminister refuses a caller who was off-boarded: a token outlives that, and
// the caller's own ring does not. Errors: owner_suspended, unavailable.
func (h handler) mayAdminister(ctx context.Context, r *httpapi.Request) error {
	caller, err := h.rings.Ring(ctx, r.Principal.Owner.Locator())
	if err != nil {
		return err
	}
	return caller.MayAdminister()
}
