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
//
// Runs come and go. The schedules, and with them the answer, are as of its ETag
// when a change with that If-Match is made.
func (h handler) viewImpact(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	id, err := apikey.ParseUUID(r.PathParameter("keyId"))
	if err != nil {
		// Not invalid_request: what cannot be a key's id is the id of no key.
		return httpapi.Response{}, apikey.KeyNotFound()
	}
	locator := r.Principal.Owner.Locator()
	ring, lastUsedAt, err := h.rings.RingAndUses(ctx, locator)
	if err != nil {
		return httpapi.Response{}, err
	}
	key, exists := ring.Key(id)
	if !exists {
		return httpapi.Response{}, apikey.KeyNotFound()
	}
	reaches := []jobauth.Reach{jobauth.OfDeletion(ring, id)}
	if key.Status == apikey.StatusActive {
		reaches = append(reaches, jobauth.OfRotation(ring))
	}
	affected, err := h.rings.AffectedByEach(ctx, locator, reaches...)
	if err != nil {
		return httpapi.Response{}, err
	}
	body := impactBody{Key: shownKey(key, lastUsedAt), OnDelete: httpapi.AffectedOf(locator, affected[0], ring.StateOf)}
	if key.Status == apikey.StatusActive {
		onRotate := httpapi.AffectedOf(locator, affected[1], ring.StateOf)
		body.OnRotate = &onRotate
	}
	return httpapi.Response{Status: http.StatusOK, ETag: httpapi.ETag(ring.Revision), Body: body}, nil
}
