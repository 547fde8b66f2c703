// Package rotate replaces a user's Active key by a new one.
package rotate

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/lifecycle"
)

type handler struct {
	keys       *lifecycle.Service
	deployment apikey.RotationPolicy
}

// New serves POST /v1/user-api-keys/rotation, and GET and PUT of
// /v1/rotation-policy. deployment is the policy of owners who have none of their
// own.
func New(authenticator httpapi.Authenticator, keys *lifecycle.Service, deployment apikey.RotationPolicy, log *slog.Logger) *httpapi.API {
	h := handler{keys, deployment}
	permit := apikey.Principal.RequireKeyManager
	return httpapi.New(authenticator, log,
		httpapi.Route{Method: http.MethodPost, Path: "/v1/user-api-keys/rotation", Permit: permit, Handle: h.rotate},
		httpapi.Route{Method: http.MethodGet, Path: "/v1/rotation-policy", Permit: permit, Handle: h.readPolicy},
		httpapi.Route{Method: http.MethodPut, Path: "/v1/rotation-policy", Permit: permit, Handle: h.setPolicy},
	)
}

type rotatedBody struct {
	Key        httpapi.Key      `json:"key"`
	PhasedOut  httpapi.Key      `json:"phasedOut"`
	Credential string           `json:"credential,omitempty"`
	Revision   int64            `json:"revision"`
	Affected   httpapi.Affected `json:"affected"`
}

// rotate makes a new Active key and leaves the old one Phased out.
func (h handler) rotate(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	request, err := r.OwnIssue()
	if err != nil {
		return httpapi.Response{}, err
	}
	issued, err := h.keys.Rotate(ctx, request)
	if err != nil {
		return httpapi.Response{}, err
	}
	return httpapi.Response{Status: http.StatusCreated, Body: rotatedBody{
		Key:        httpapi.KeyOf(issued.Key),
		PhasedOut:  httpapi.KeyOf(*issued.PhasedOut),
		Credential: issued.Credential.Reveal(),
		Revision:   issued.Revision,
		Affected:   httpapi.AffectedOf(request.Owner.Locator(), jobauth.Affected{Schedules: issued.Affected}, httpapi.AfterRotation),
	}}, nil
}
