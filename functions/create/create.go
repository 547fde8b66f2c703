// Package create makes a user's Active key.
package create

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/lifecycle"
)

type handler struct {
	keys *lifecycle.Service
}

// New serves POST /v1/user-api-keys.
func New(authenticator httpapi.Authenticator, keys *lifecycle.Service, log *slog.Logger) *httpapi.API {
	h := handler{keys}
	return httpapi.New(authenticator, log, httpapi.Route{
		Method: http.MethodPost, Path: "/v1/user-api-keys", Permit: apikey.Principal.RequireKeyManager, Handle: h.create,
	})
}

type createdBody struct {
	Key        httpapi.Key `json:"key"`
	Credential string      `json:"credential,omitempty"`
	Revision   int64       `json:"revision"`
}

// create makes the Active key and shows its credential, here and nowhere else.
func (h handler) create(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	request, err := r.OwnIssue()
	if err != nil {
		return httpapi.Response{}, err
	}
	issued, err := h.keys.Create(ctx, request)
	if err != nil {
		return httpapi.Response{}, err
	}
	return httpapi.Response{Status: http.StatusCreated, Body: createdBody{
		Key:        httpapi.KeyOf(issued.Key),
		Credential: issued.Credential.Reveal(),
		Revision:   issued.Revision,
	}}, nil
}
