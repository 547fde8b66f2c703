package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

// errUnauthorized has the one text that a gateway answers with 401; of any other
// error it makes 500, and lets nobody through.
var errUnauthorized = errors.New("Unauthorized") //nolint:revive,staticcheck // API Gateway compares this text

// isAuthorizer tells whether the gateway asks whom to let through.
func (s shape) isAuthorizer() bool {
	return (s.Type == "TOKEN" || s.Type == "REQUEST") && (s.MethodARN != "" || s.RouteARN != "")
}

// isSimple tells whether the gateway wants a simple answer instead of a policy:
// an HTTP API with payload format 2.0.
func (s shape) isSimple() bool { return s.Version == "2.0" && s.RouteARN != "" }

// presented is what the request to the protected API shows.
type presented struct {
	AuthorizationToken string              `json:"authorizationToken"`
	Headers            map[string]string   `json:"headers"`
	MultiValueHeaders  map[string][]string `json:"multiValueHeaders"`
}

// protect answers a gateway that protects another API with user API keys. Its
// answer must not be cached: a key can be rotated away or deleted at any moment.
func (h *Handler) protect(ctx context.Context, s shape, payload []byte) (answer []byte, err error) {
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	defer func() {
		if recover() != nil {
			answer, err = nil, invocationError(httpapi.Panicked(ctx, h.log))
		}
	}()
	var request presented
	if err := json.Unmarshal(payload, &request); err != nil {
		return nil, invocationError(apikey.Invalid("event", "is not an event of a Lambda authorizer"))
	}
	decision, err := h.answer(ctx, jobauth.AboutCredential(request.credential()))
	switch {
	case err != nil:
		h.log.WarnContext(ctx, "not decided", "code", string(apikey.CodeOf(err)), "error", err)
		return nil, invocationError(err)
	case decision.Reason == jobauth.CredentialMalformed:
		return nil, errUnauthorized
	case s.isSimple():
		return json.Marshal(events.APIGatewayV2CustomAuthorizerSimpleResponse{IsAuthorized: decision.Allowed, Context: contextOf(decision)})
	default:
		return json.Marshal(policyOf(decision, s.MethodARN))
	}
}

// credential is the credential that the request shows, as text: a bearer token,
// or the header X-API-Key. A bearer token that is none of ours is the protected
// API's own business, and X-API-Key counts. Two that differ are as good as none.
func (p presented) credential() string {
	var shown []string
	for _, value := range append(p.values("Authorization"), p.AuthorizationToken) {
		scheme, token, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "Bearer") {
			value = strings.TrimLeft(token, " ")
		}
		if strings.HasPrefix(value, "cpdk_") {
			shown = append(shown, value)
		}
	}
	shown = append(shown, p.values("X-API-Key")...)
	for _, other := range shown {
		if other != shown[0] {
			return ""
		}
	}
	if len(shown) == 0 {
		return ""
	}
	return shown[0]
}

// values are a header's, whatever the case of its name.
func (p presented) values(name string) (values []string) {
	for key, all := range p.MultiValueHeaders {
		if strings.EqualFold(key, name) {
			values = append(values, all...)
		}
	}
	if len(values) > 0 {
		return values
	}
	for key, value := range p.Headers {
		if strings.EqualFold(key, name) {
			values = append(values, value)
		}
	}
	return values
}

// policyOf lets the key's owner call the whole API, or nobody anything: a policy
// that a gateway keeps against our advice is then at least never wrong about the
// path.
func policyOf(decision jobauth.Decision, methodARN string) events.APIGatewayCustomAuthorizerResponse {
	effect := "Deny"
	if decision.Allowed {
		effect = "Allow"
	}
	principal := "nobody"
	if decision.Owner != nil {
		principal = decision.Owner.IAMID
	}
	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: principal,
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []events.IAMPolicyStatement{
				{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{stageOf(methodARN) + "/*"}},
			},
		},
		Context: contextOf(decision),
	}
}

// stageOf is the part of a method's ARN that names API and stage:
// arn:aws:execute-api:region:account:api/stage of …/method/path.
func stageOf(methodARN string) string {
	parts := strings.SplitN(methodARN, "/", 3)
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

// contextOf is what the protected API learns of the caller, or of the refusal.
func contextOf(decision jobauth.Decision) map[string]any {
	if !decision.Allowed {
		return map[string]any{"reason": string(decision.Reason)}
	}
	return map[string]any{
		"accountId": decision.Owner.AccountID,
		"iamId":     decision.Owner.IAMID,
		"username":  decision.Owner.Username,
		"keyId":     decision.KeyID.String(),
		"keyName":   decision.KeyName,
	}
}
