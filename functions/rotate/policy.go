package rotate

import (
	"context"
	"net/http"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/store"
)

// policyBody is the policy that is to be; what is absent or null is off.
type policyBody struct {
	MaxAgeDays               *int `json:"maxAgeDays"`
	NoticeDays               *int `json:"noticeDays"`
	DeletePhasedOutAfterDays *int `json:"deletePhasedOutAfterDays"`
}

// policy is the body as the domain has it. A 0 is refused: it looks like "at
// once", and off is null.
func (b policyBody) policy() (p apikey.RotationPolicy, err error) {
	for _, span := range []struct {
		field string
		given *int
		days  *int
	}{
		{"maxAgeDays", b.MaxAgeDays, &p.MaxAgeDays},
		{"noticeDays", b.NoticeDays, &p.NoticeDays},
		{"deletePhasedOutAfterDays", b.DeletePhasedOutAfterDays, &p.DeletePhasedOutAfterDays},
	} {
		switch {
		case span.given == nil:
		case *span.given == 0:
			return p, apikey.Invalid(span.field, "must be 1 or more; null is off")
		default:
			*span.days = *span.given
		}
	}
	return p, p.Validate()
}

// readPolicy shows the policy that the clock goes by.
func (h handler) readPolicy(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	if err := r.NoBody(); err != nil {
		return httpapi.Response{}, err
	}
	ring, err := h.keys.Rings.Ring(ctx, r.Principal.Owner.Locator())
	if err != nil {
		return httpapi.Response{}, err
	}
	return h.shown(ring), nil
}

func (h handler) shown(ring apikey.Ring) httpapi.Response {
	return httpapi.Response{Status: http.StatusOK, ETag: httpapi.ETag(ring.Revision), Body: httpapi.RotationPolicyOf(ring, h.deployment)}
}

// setPolicy replaces the user's policy.
func (h handler) setPolicy(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
	var body policyBody
	request, err := r.OwnChange(&body)
	if err != nil {
		return httpapi.Response{}, err
	}
	policy, err := body.policy()
	if err != nil {
		return httpapi.Response{}, err
	}
	result, err := h.keys.Rings.Update(ctx, request.Owner, store.Idempotency{Key: request.DeliveryKey, Operation: "set policy"},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			if err := ring.CheckRevision(request.ExpectedRevisions); err != nil {
				return ring, nil, err
			}
			return ring.SetPolicy(request.Command(h.keys.Now()), policy)
		})
	if err != nil {
		return httpapi.Response{}, err
	}
	return h.shown(result.Ring), nil
}
