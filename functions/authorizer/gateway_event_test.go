package authorizer_test

import (
	"strings"
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

const token = "Bearer " + functest.SecondCredential

// The policy is made of the method's ARN: it names that stage of that API.
func TestPolicyIsAboutTheWholeStageThatWasCalled(t *testing.T) {
	for methodARN, stage := range map[string]string{
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/GET/":                      "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/GET/pets/7/toys":           "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/v1_2-beta/POST/a":               "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/v1_2-beta",
		"arn:aws-cn:execute-api:cn-north-1:123456789012:p1q2r3s4t5/live/GET/pets":              "arn:aws-cn:execute-api:cn-north-1:123456789012:p1q2r3s4t5/live",
		"arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:p1q2r3s4t5/live/DELETE/x":       "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:p1q2r3s4t5/live",
		"arn:aws:execute-api:eu-central-1:000000000000:p1q2r3s4t5/$default/GET/pets":           "arn:aws:execute-api:eu-central-1:000000000000:p1q2r3s4t5/$default",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/$connect":                  "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/test-invoke-stage/GET/pets":     "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/test-invoke-stage",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/GET/*":                     "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/GET/../../other/*":         "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live//":                         "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/GET/ä:${aws:username}?a=b": "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live",
	} {
		t.Run(methodARN, func(t *testing.T) {
			w := newWorld(t)
			for name, event := range map[string]question{
				"TOKEN": restToken(token), "REQUEST": restRequest("Authorization", token), "1.0": httpAPI1("authorization", token),
			} {
				for credential, effect := range map[string]string{functest.SecondCredential: "Allow", functest.FirstCredential: "Deny"} {
					var got answerToGateway
					w.decode(&got)(w.invoke(replaced(event, credential).with("methodArn", methodARN)))
					statement := got.PolicyDocument.Statement
					if len(statement) != 1 || statement[0].Effect != effect || len(statement[0].Resource) != 1 || statement[0].Resource[0] != stage+"/*" {
						t.Errorf("%s: the policy is %+v", name, statement)
					}
				}
			}
			var got answerToGateway
			w.decode(&got)(w.invoke(httpAPI2("authorization", token).with("routeArn", methodARN)))
			if got.IsAuthorized == nil || !*got.IsAuthorized {
				t.Errorf("answered %+v", got)
			}
		})
	}
}

// replaced is the event with another credential in it.
func replaced(event question, credential string) question {
	replaced := question{}
	for name, value := range event {
		switch value := value.(type) {
		case string:
			replaced[name] = strings.ReplaceAll(value, functest.SecondCredential, credential)
		case map[string]string:
			replaced[name] = map[string]string{"Authorization": "Bearer " + credential}
		case map[string][]string:
			replaced[name] = map[string][]string{"Authorization": {"Bearer " + credential}}
		default:
			replaced[name] = value
		}
	}
	return replaced
}

// An ARN that names more than one stage, or none, is no gateway's. It is refused,
// with whatever key, so that no policy can be about anything else.
func TestARNThatIsNoMethodsIsRefused(t *testing.T) {
	const api = "arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5"
	for _, arn := range []string{
		"", "*", "arn", "/", "//", "///", "a/b/c", api, api + "/", api + "/live", api + "//GET/pets", "/live/GET/pets",
		api + "/*/GET/pets", api + "/**/GET", api + "/li?e/GET/pets", api + "/${aws:username}/GET/pets", api + "/$default*/GET", api + "/$other/GET", api + "/li ve/GET", api + "/lïve/GET",
		"*/live/GET/pets", "arn:aws:execute-api:*:*:*/live/GET/pets", "arn:aws:execute-api:us-east-1:123456789012:*/live/GET/pets",
		"arn:aws:execute-api:us-east-1:*:p1q2r3s4t5/live/GET/pets", "arn:aws:execute-api:*:123456789012:p1q2r3s4t5/live/GET/pets",
		"arn:*:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/GET/pets", "arn:aws:*:us-east-1:123456789012:p1q2r3s4t5/live/GET/pets",
		"arn:aws:execute-api:us-east-1:123456789012:p1q2r3s4t?/live/GET/pets", "arn:aws:execute-api::123456789012:p1q2r3s4t5/live/GET/pets",
		"arn:aws:execute-api:us-east-1::p1q2r3s4t5/live/GET/pets", "arn:aws:execute-api:us-east-1:123456789012:/live/GET/pets",
		"arn:aws:execute-api:us-east-1:123456789012:x:p1q2r3s4t5/live/GET/pets", "arn:aws:execute-api:us-east-1:p1q2r3s4t5/live/GET/pets",
		"arn:aws:lambda:us-east-1:123456789012:function/live/GET", "arn:aws:s3:::bucket/live/GET/pets", "ARN:aws:execute-api:us-east-1:123456789012:p1q2r3s4t5/live/GET",
		" " + api + "/live/GET/pets", strings.Repeat("*", 10_000),
	} {
		t.Run(arn[:min(len(arn), 100)], func(t *testing.T) {
			w := newWorld(t)
			for name, event := range questionsOfGateways(token) {
				field := "methodArn"
				if event["version"] == "2.0" {
					field = "routeArn"
				}
				answer, err := w.invoke(event.with(field, arn))
				w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
				if strings.Contains(string(answer), "policyDocument") {
					t.Errorf("%s: answered %s", name, answer)
				}
			}
			w.WantCalls()
		})
	}
}

// What is not quite a gateway's question is refused, and clearly.
func TestQuestionThatIsNoGatewaysIsRefused(t *testing.T) {
	rest, http1, http2 := restRequest("Authorization", token), httpAPI1("authorization", token), httpAPI2("authorization", token)
	for name, event := range map[string]question{
		"another type":                 restToken(token).with("type", "COOKIE"),
		"type in another case":         restToken(token).with("type", "token"),
		"type of a number":             restToken(token).with("type", 1),
		"no type":                      restToken(token).with("type", nil),
		"no type, with a request":      rest.with("type", nil),
		"no ARN":                       restToken(token).with("methodArn", nil),
		"an ARN of a number":           restToken(token).with("methodArn", 1),
		"no ARN, with a request":       rest.with("methodArn", nil),
		"the other format's ARN":       rest.with("methodArn", nil).with("routeArn", rest["methodArn"]),
		"1.0 with the ARN of 2.0":      http1.with("methodArn", nil).with("routeArn", http1["methodArn"]),
		"2.0 with the ARN of 1.0 only": http2.with("routeArn", nil).with("methodArn", 7),
		"headers that are none":        rest.with("headers", "Authorization: x").with("multiValueHeaders", nil),
		"a token that is none":         restToken(token).with("authorizationToken", []string{token}),
		"a question for a policy":      byCredential(functest.SecondCredential).with("methodArn", rest["methodArn"]),
		"a question with a type":       byCredential(functest.SecondCredential).with("type", "TOKEN"),
		"only an ARN":                  {"methodArn": rest["methodArn"]},
		"only a type":                  {"type": "TOKEN"},
		"a request to an HTTP API":     {"version": "2.0", "routeKey": "GET /pets", "requestContext": http2["requestContext"], "headers": http2["headers"]},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			answer, err := w.invoke(event)
			message := w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
			if message == "Unauthorized" || strings.Contains(message+w.Logged(), functest.SecondCredential) {
				t.Errorf("the gateway is told %q", message)
			}
			w.WantCalls()
		})
	}
}
