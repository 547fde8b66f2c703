package view

import (
	"context"
	"net/http"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

type impactBody struct {
	Key      httpapi.Key      `json:"key"`
	OnDelete httpapi.Affected `json:"onDelete"`
	// OnRotate is null unless the key is Active.
	OnRotate *httpapi.Affected `json:"onRotate"`
}

// viewImpact shows what deleting the key, or rotating it, would hit: running
// operations that would fail, and schedules whose jobs would be refused.
func (h handler) viewImpact(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	locator := r.Principal.Owner.Locator()
	ring, lastUsedAt, err := h.rings.RingAndUses(ctx, locator)
	if err != nil {
		return httpapi.Response{}, err
	}
	id, err := apikey.ParseUUID(r.PathParameter("keyId"))
	if err != nil {
		// Not invalid_request: what cannot be a key's id is the id of no key.
		return httpapi.Response{}, apikey.KeyNotFound()
	}
	key, exists := ring.Key(id)
	if !exists {
		return httpapi.Response{}, apikey.KeyNotFound()
	}
	onDelete, err := h.rings.Affected(ctx, locator, jobauth.OfDeletion(ring, id))
	if err != nil {
		return httpapi.Response{}, err
	}
	body := impactBody{Key: shownKey(key, lastUsedAt), OnDelete: httpapi.AffectedOf(locator, onDelete, ring.StateOf)}
	if key.Status == apikey.StatusActive {
		onRotate, err := h.rings.Affected(ctx, locator, jobauth.OfRotation(ring))
		if err != nil {
			return httpapi.Response{}, err
		}
		shown := httpapi.AffectedOf(locator, onRotate, ring.StateOf)
		body.OnRotate = &shown
	}
	return httpapi.Response{Status: http.StatusOK, ETag: httpapi.ETag(ring.Revision), Body: body}, nil
}
