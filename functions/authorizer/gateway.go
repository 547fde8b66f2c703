package authorizer

import (
	"context"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

// isAuthorizer tells whether the gateway asks whom to let through.
func (e *gatewayEvent) isAuthorizer() bool {
	return e.Type != "" || e.MethodARN != "" || e.RouteARN != ""
}

// isSimple tells whether the gateway wants a simple answer instead of a policy: an
// HTTP API with payload format 2.0. (With 1.0 it asks and is answered like a REST
// API.)
func (e *gatewayEvent) isSimple() bool { return e.Version == "2.0" && e.RouteARN != "" }

// protect answers a gateway that protects another API with user API keys. Its
// answer must not be cached: a key can be rotated away or deleted at any moment.
// Errors: unauthenticated, invalid_request when it is no such event, unavailable.
func (h *Handler) protect(ctx context.Context, event *gatewayEvent) (any, error) {
	stage, err := event.stage()
	if err != nil {
		return nil, err
	}
	question := jobauth.AboutCredential(event.credential(), apikey.Actor{Kind: apikey.ActorGateway, ID: stage})
	if _, isCredential := question.Needs(); !isCredential {
		return nil, unauthorized()
	}
	decision, err := h.answer(ctx, question)
	if err != nil {
		return nil, err
	}
	h.logDecision(ctx, decision, slog.String("api", stage))
	if event.isSimple() {
		return events.APIGatewayV2CustomAuthorizerSimpleResponse{IsAuthorized: decision.Allowed, Context: contextOf(decision)}, nil
	}
	return policyOf(decision, stage), nil
}

// unauthorized has the one sentence for which a gateway answers 401: it compares
// the text. For any other error it answers 500; nobody is let through either way.
func unauthorized() error {
	return &apikey.Error{Code: apikey.CodeUnauthenticated, Detail: "Unauthorized"}
}

// stage is the ARN of the API's stage that was called, from that of the method:
// arn:partition:execute-api:region:account:api/stage/method/path. As a policy is
// made of it, it must name one stage and nothing more: no wildcards, no variables.
// Errors: invalid_request.
func (e *gatewayEvent) stage() (string, error) {
	methodARN := e.MethodARN
	if e.isSimple() {
		methodARN = e.RouteARN
	}
	parts := strings.SplitN(methodARN, "/", 3)
	if e.Type != "TOKEN" && e.Type != "REQUEST" || len(parts) < 3 || !isAPI(parts[0]) || !isPlain(parts[1]) && parts[1] != "$default" {
		return "", apikey.Invalid("event", "is not one that API Gateway sends to a Lambda authorizer")
	}
	return parts[0] + "/" + parts[1], nil
}

// isAPI tells whether a text is the ARN of an API.
func isAPI(arn string) bool {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "execute-api" {
		return false
	}
	for _, part := range parts {
		if !isPlain(part) {
			return false
		}
	}
	return true
}

// isPlain tells whether a text has only characters that mean nothing in a policy:
// letters, digits, hyphens and underscores, all that such names are made of.
func isPlain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c == '-', c == '_':
		default:
			return false
		}
	}
	return text != ""
}

// credential is the credential that the request shows, as text: a bearer token,
// or the header X-API-Key. What is none of ours in either is the protected API's
// own business. Two that differ are as good as none.
func (e *gatewayEvent) credential() (shown string) {
	values := []string{e.AuthorizationToken}
	if e.Type == "REQUEST" { // of which payload format 1.0 has a token too, made of all that identifies the caller
		values = append(httpapi.HeaderValues(&e.APIGatewayProxyRequest, "Authorization"), httpapi.HeaderValues(&e.APIGatewayProxyRequest, "X-API-Key")...)
	}
	for _, value := range values {
		if scheme, token, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			value = strings.TrimLeft(token, " ")
		}
		switch {
		case !strings.HasPrefix(value, apikey.CredentialPrefix):
		case shown != "" && shown != value:
			return ""
		default:
			shown = value
		}
	}
	return shown
}

// policyOf lets the key's owner call the whole stage, or nobody anything: a policy
// that a gateway keeps against our advice is then at least never wrong about the
// path.
func policyOf(decision jobauth.Decision, stage string) events.APIGatewayCustomAuthorizerResponse {
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
				{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{stage + "/*"}},
			},
		},
		Context: contextOf(decision),
	}
}

// contextOf is what the protected API learns of the caller, or of the refusal:
// texts only, for a REST API takes nothing else.
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
