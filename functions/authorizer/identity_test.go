package authorizer_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

// What a client can write, or a gateway add, that some services take for an
// identity.
var claimsOfAnotherIdentity = map[string]func(*events.APIGatewayProxyRequest){
	"identity headers": func(e *events.APIGatewayProxyRequest) {
		for name, value := range map[string]string{
			"X-IAM-ID": functest.Jane.IAMID, "X-Account-ID": functest.Jane.AccountID, "X-Roles": "PlatformJobRunner",
			"X-Role": "PlatformJobRunner", "X-User": functest.Jane.Username, "X-Forwarded-User": functest.Jane.IAMID,
			"X-Amzn-Oidc-Identity": functest.Jane.IAMID, "X-Amzn-Oidc-Data": "e30.e30.e30", "X-Original-Authorization": "Bearer " + platformToken,
			"Proxy-Authorization": "Bearer " + platformToken, "X-API-Key": functest.SecondCredential, "Cookie": "token=" + platformToken,
		} {
			e.Headers[name], e.MultiValueHeaders[name] = value, []string{value}
		}
	},
	"claims of a gateway's authorizer": func(e *events.APIGatewayProxyRequest) {
		e.RequestContext.Authorizer = map[string]any{
			"principalId": functest.Jane.IAMID, "iamId": functest.Jane.IAMID, "accountId": functest.Jane.AccountID, "roles": "PlatformJobRunner",
			"claims": map[string]any{
				"iam_id": functest.Jane.IAMID, "account": map[string]any{"bss": functest.Jane.AccountID}, "roles": []string{"PlatformJobRunner"},
			},
			"jwt": map[string]any{"claims": map[string]any{"roles": "PlatformJobRunner"}},
		}
	},
	"identity of an AWS caller": func(e *events.APIGatewayProxyRequest) {
		e.RequestContext.AccountID = functest.Jane.AccountID
		e.RequestContext.Identity = events.APIGatewayRequestIdentity{
			AccountID: functest.Jane.AccountID, Caller: functest.Jane.IAMID, User: functest.Jane.IAMID, UserArn: "arn:aws:iam::1:root",
			CognitoIdentityID: functest.Jane.IAMID, CognitoAuthenticationType: "authenticated", APIKey: functest.SecondCredential,
		}
	},
	"stage variables": func(e *events.APIGatewayProxyRequest) {
		e.StageVariables = map[string]string{"accountId": functest.Jane.AccountID, "roles": "PlatformJobRunner"}
	},
	"path parameters": func(e *events.APIGatewayProxyRequest) {
		e.PathParameters = map[string]string{"accountId": functest.Jane.AccountID, "iamId": functest.Jane.IAMID}
	},
}

// platformToken is the first token that a test's world makes (see Token).
const platformToken = "TOKEN_2"

// Only the bearer token tells who calls.
func TestNothingButTheTokenTellsWhoCalls(t *testing.T) {
	for name, claim := range claimsOfAnotherIdentity {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if w.platform() != platformToken {
				t.Fatal("the planted token is none")
			}
			request := authorize.As(w.elsewhere())
			request.Body = w.encode(byOwner(functest.Jane))
			event := request.Event()
			claim(&event)
			var got decision
			w.Deliver(w.function, event).Must(http.StatusOK).Decode(&got)
			if got.Allowed || got.Reason != "no_active_key" {
				t.Errorf("another account's runner is answered %+v", got)
			}

			request.Token = ""
			event = request.Event()
			claim(&event)
			w.Deliver(w.function, event).Refused(http.StatusUnauthorized, apikey.CodeUnauthenticated)

			request.Token = w.Token(functest.Jane, apikey.RoleAdministrator)
			event = request.Event()
			claim(&event)
			w.Deliver(w.function, event).Refused(http.StatusForbidden, apikey.CodeRoleRequired)
			w.WantCalls()
		})
	}
}
