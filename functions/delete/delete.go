// Package delete deletes a user's keys: one that is Phased out, or all.
package delete

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/lifecycle"
)

type handler struct {
	keys       *lifecycle.Service
	deployment apikey.RotationPolicy
}

// New serves DELETE /v1/user-api-keys/{keyId} and DELETE /v1/user-api-keys, and
// an administrator's DELETE /v1/account/user-api-keys/{iamId} and POST
// /v1/account/user-api-keys/{iamId}/reinstatement. deployment is the policy of
// owners who have none of their own.
func New(authenticator httpapi.Authenticator, keys *lifecycle.Service, deployment apikey.RotationPolicy, log *slog.Logger) *httpapi.API {
	h := handler{keys, deployment}
	permit := apikey.Principal.RequireKeyManager
	return httpapi.New(authenticator, log,
		httpapi.Route{Method: http.MethodDelete, Path: "/v1/user-api-keys/{keyId}", Permit: permit, Handle: h.deleteOne},
		httpapi.Route{Method: http.MethodDelete, Path: "/v1/user-api-keys", Permit: permit, Handle: h.deleteAll},
		httpapi.Route{Method: http.MethodDelete, Path: "/v1/account/user-api-keys/{iamId}", Permit: permit, Handle: h.offboard},
		httpapi.Route{Method: http.MethodPost, Path: "/v1/account/user-api-keys/{iamId}/reinstatement", Permit: permit, Handle: h.reinstate},
	)
}

type deletedBody struct {
	Deleted  []httpapi.Key    `json:"deleted"`
	Revision int64            `json:"revision"`
	Affected httpapi.Affected `json:"affected"`
}

// deleteOne deletes a Phased out key.
func (h handler) deleteOne(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	request, err := r.OwnChange(nil)
	if err != nil {
		return httpapi.Response{}, err
	}
	id, err := apikey.ParseUUID(r.PathParameter("keyId"))
	if err != nil {
		// Not invalid_request: what cannot be a key's id is the id of no key.
		return httpapi.Response{}, apikey.KeyNotFound()
	}
	deleted, err := h.keys.DeleteOne(ctx, request, id)
	return answer(request.Owner, deleted, err)
}

// deleteAll deletes the Active key and the Phased out keys.
func (h handler) deleteAll(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	request, err := r.OwnChange(nil)
	if err != nil {
		return httpapi.Response{}, err
	}
	deleted, err := h.keys.DeleteAll(ctx, request)
	return answer(request.Owner, deleted, err)
}

func answer(owner apikey.Owner, deleted lifecycle.Deleted, err error) (httpapi.Response, error) {
	if err != nil {
		return httpapi.Response{}, err
	}
	return httpapi.Response{Status: http.StatusOK, Body: deletedBody{
		Deleted:  httpapi.KeysOf(deleted.Keys),
		Revision: deleted.Revision,
		Affected: httpapi.AffectedOf(owner.Locator(), deleted.Affected, httpapi.AfterDeletion),
	}}, nil
}
