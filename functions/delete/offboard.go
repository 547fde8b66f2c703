package delete

import (
	"context"
	"net/http"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// offboard deletes all keys of a user of the account and suspends them: a token
// that is still valid makes no new key.
func (h handler) offboard(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	request, err := r.ChangeOfUser()
	if err != nil {
		return httpapi.Response{}, err
	}
	deleted, err := h.keys.Suspend(ctx, request)
	return answer(request.Owner, deleted, err)
}

// reinstate ends a user's suspension.
func (h handler) reinstate(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	request, err := r.ChangeOfUser()
	if err != nil {
		return httpapi.Response{}, err
	}
	ring, err := h.keys.Reinstate(ctx, request)
	if err != nil {
		return httpapi.Response{}, err
	}
	return httpapi.Response{
		Status: http.StatusOK, ETag: httpapi.ETag(ring.Revision),
		Body: httpapi.UserOf(ring, map[apikey.KeyID]time.Time{}, h.deployment, h.keys.Now()),
	}, nil
}
