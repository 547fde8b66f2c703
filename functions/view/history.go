package view

import (
	"context"
	"net/http"
	"strconv"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/store"
)

// historyListing is the name that cursors of one's own history are bound to.
const historyListing = "history"

type historyBody struct {
	Changes    []httpapi.Change `json:"changes"`
	NextCursor *string          `json:"nextCursor"`
}

// viewHistory shows the changes of the user's keys, newest first. The position
// of a change in the listing is its revision.
func (h handler) viewHistory(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	page, err := historyPageOf(r, historyListing)
	if err != nil {
		return httpapi.Response{}, err
	}
	body, err := h.history(ctx, r.Principal.Owner, page)
	return httpapi.Response{Status: http.StatusOK, Body: body}, err
}

// historyPage is a page of a history: the one below the revision.
type historyPage struct {
	httpapi.Page
	before int64
}

// historyPageOf is the page that is asked for. Errors: invalid_request.
func historyPageOf(r *httpapi.Request, listing string) (page historyPage, err error) {
	if err := r.NoBody(); err != nil {
		return page, err
	}
	if page.Page, err = r.Page(listing); err != nil {
		return page, err
	}
	page.before, err = revisionBefore(page.Page)
	return page, err
}

func (h handler) history(ctx context.Context, owner apikey.Owner, page historyPage) (historyBody, error) {
	changes, more, err := h.rings.History(ctx, owner.Locator(), page.before, page.Limit)
	if err != nil {
		return historyBody{}, err
	}
	body := historyBody{Changes: httpapi.ChangesOf(changes)}
	if more {
		cursor := page.Cursor(strconv.FormatInt(changes[len(changes)-1].Revision, 10))
		body.NextCursor = &cursor
	}
	return body, nil
}

// revisionBefore is the revision below which a page of the history begins.
func revisionBefore(page httpapi.Page) (int64, error) {
	if page.After == "" {
		return store.MaxRevision + 1, nil
	}
	revision, err := strconv.ParseInt(page.After, 10, 64)
	if err != nil || revision < 1 || revision > store.MaxRevision || strconv.FormatInt(revision, 10) != page.After {
		return 0, httpapi.InvalidCursor()
	}
	return revision, nil
}
