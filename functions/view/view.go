// Package view shows a user their keys, and how these came to be what they are.
package view

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/store"
)

type handler struct {
	rings      *store.Store
	deployment apikey.RotationPolicy
	now        func() time.Time
	log        *slog.Logger
}

// New serves GET /v1/user-api-keys, its /{keyId}/impact and its /history, and to
// administrators GET /v1/account/user-api-keys and its /{iamId}/history.
// deployment is the rotation policy of owners who have none of their own.
func New(authenticator httpapi.Authenticator, rings *store.Store, deployment apikey.RotationPolicy, now func() time.Time, log *slog.Logger) *httpapi.API {
	h := handler{rings, deployment, now, log}
	get := func(path string, query []string, handle func(context.Context, *httpapi.Request) (httpapi.Response, error)) httpapi.Route {
		return httpapi.Route{Method: http.MethodGet, Path: path, Query: query, Permit: apikey.Principal.RequireKeyManager, Handle: handle}
	}
	return httpapi.New(authenticator, log,
		get("/v1/user-api-keys", nil, h.viewKeys),
		get("/v1/user-api-keys/{keyId}/impact", nil, h.viewImpact),
		get("/v1/user-api-keys/history", httpapi.PageQuery, h.viewHistory),
		get("/v1/account/user-api-keys", httpapi.PageQuery, h.viewUsers),
		get("/v1/account/user-api-keys/{iamId}/history", httpapi.PageQuery, h.viewUserHistory),
	)
}

type keysBody struct {
	Owner     httpapi.Owner `json:"owner"`
	Active    *httpapi.Key  `json:"active"`
	PhasedOut []httpapi.Key `json:"phasedOut"`
	Revision  int64         `json:"revision"`
	Suspended bool          `json:"suspended"`
}

// viewKeys shows the Active key and the Phased out keys, newest first.
func (h handler) viewKeys(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	ring, lastUsedAt, err := h.rings.RingAndUses(ctx, r.Principal.Owner.Locator())
	if err != nil {
		return httpapi.Response{}, err
	}
	body := keysBody{
		Owner:     httpapi.OwnerOf(r.Principal.Owner),
		PhasedOut: []httpapi.Key{},
		Revision:  ring.Revision,
		Suspended: ring.Suspended,
	}
	for _, key := range slices.Backward(ring.PhasedOut) {
		body.PhasedOut = append(body.PhasedOut, shownKey(key, lastUsedAt))
	}
	if ring.Active != nil {
		active := shownKey(*ring.Active, lastUsedAt)
		body.Active = &active
	}
	return httpapi.Response{Status: http.StatusOK, ETag: httpapi.ETag(ring.Revision), Body: body}, nil
}

// shownKey is a key with its last use.
func shownKey(key apikey.Key, lastUsedAt map[apikey.KeyID]time.Time) httpapi.Key {
	shown := httpapi.KeyOf(key)
	shown.LastUsedAt = apikey.Instant(lastUsedAt[key.ID])
	return shown
}
