package functest_test

import (
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
)

type object = map[string]any

// loadEvents are the events by their path without extension.
func loadEvents(t *testing.T) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, pattern := range []string{"*.json", "*/*.json"} {
		files, err := fs.Glob(os.DirFS(functest.EventsFolder), pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no events: %v", err)
		}
		for _, file := range files {
			if path.Dir(file) == "notices" {
				continue // what comes out of the service, not what goes in
			}
			text, err := os.ReadFile(filepath.Join(functest.EventsFolder, file))
			if err != nil {
				t.Fatal(err)
			}
			var event object
			if err := json.Unmarshal(text, &event); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all[strings.TrimSuffix(file, ".json")] = event
		}
	}
	return all
}

// The functions' tests answer every event that has a record of its answer, and
// allow no record without an event. A folder of events is a function's.
func TestEveryEventIsAnsweredByOneFunction(t *testing.T) {
	if recording := flag.Lookup("update"); recording.Value.String() == "true" {
		t.Skip("the functions' tests are recording")
	}
	for name := range loadEvents(t) {
		function := "*"
		if folder := path.Dir(name); folder != "." {
			function = folder
		}
		records, err := filepath.Glob(filepath.Join("..", function, "testdata", path.Base(name)+".golden"))
		if err != nil || len(records) != 1 {
			t.Errorf("events/%s.json: its answer is recorded in %v, %v", name, records, err)
		}
	}
}

func TestEveryEventIsExplained(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(functest.EventsFolder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)\\.json` \\| `[A-Z][A-Za-z]+Function` \\|").FindAllSubmatch(readme, -1) {
		explained = append(explained, string(row[1]))
	}
	slices.Sort(explained)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(loadEvents(t))), explained); diff != "" {
		t.Errorf("the events (-) and those that the README explains (+): %s", diff)
	}
}

// The fields that a REST API sends to a Lambda proxy integration without an
// authorizer of the gateway's own.
var (
	fieldsOfEvent = []string{
		"body", "headers", "httpMethod", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters",
		"path", "pathParameters", "queryStringParameters", "requestContext", "resource", "stageVariables",
	}
	fieldsOfContext = []string{
		"accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod", "identity",
		"path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourceId", "resourcePath", "stage",
	}
	fieldsOfIdentity = []string{
		"accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType", "cognitoIdentityId",
		"cognitoIdentityPoolId", "principalOrgId", "sourceIp", "user", "userAgent", "userArn",
	}
)

func TestRequestsHaveEveryFieldThatAPIGatewaySends(t *testing.T) {
	placeholder := regexp.MustCompile(`^Bearer [A-Z_]+_TOKEN$`)
	for name, event := range loadEvents(t) {
		context, ok := event["requestContext"].(object)
		if !ok || event["type"] != nil {
			continue // a direct invocation, or the question of another API's gateway
		}
		t.Run(name, func(t *testing.T) {
			identity, _ := context["identity"].(object)
			for part, fields := range map[string]struct {
				got  object
				want []string
			}{
				"event": {event, fieldsOfEvent}, "requestContext": {context, fieldsOfContext}, "identity": {identity, fieldsOfIdentity},
			} {
				if diff := cmp.Diff(fields.want, slices.Sorted(maps.Keys(fields.got))); diff != "" {
					t.Errorf("%s: sent by the gateway (-) and in the event (+): %s", part, diff)
				}
			}
			headers, _ := event["headers"].(object)
			repeated := object{}
			for header, value := range headers {
				repeated[header] = []any{value}
			}
			if diff := cmp.Diff(repeated, event["multiValueHeaders"]); diff != "" {
				t.Errorf("headers (-) and multiValueHeaders (+): %s", diff)
			}
			if context["httpMethod"] != event["httpMethod"] || context["resourcePath"] != event["resource"] {
				t.Error("the request and its context name different routes")
			}
			// A token that holds, committed, would be somebody's.
			if token, _ := headers["Authorization"].(string); !placeholder.MatchString(token) {
				t.Errorf("Authorization is %q", token)
			}
		})
	}
}

// The fields that gateways send to a Lambda authorizer: REST APIs as TOKEN and
// REQUEST, HTTP APIs with payload format 1.0 and 2.0.
var fieldsOfAuthorizerEvent = map[string][]string{
	"TOKEN": {"authorizationToken", "methodArn", "type"},
	"REQUEST": {
		"headers", "httpMethod", "methodArn", "multiValueHeaders", "multiValueQueryStringParameters", "path", "pathParameters",
		"queryStringParameters", "requestContext", "resource", "stageVariables", "type",
	},
	"REQUEST 1.0": {
		"authorizationToken", "headers", "httpMethod", "identitySource", "methodArn", "path", "pathParameters", "queryStringParameters",
		"requestContext", "resource", "stageVariables", "type", "version",
	},
	"REQUEST 2.0": {
		"headers", "identitySource", "pathParameters", "rawPath", "rawQueryString", "requestContext", "routeArn", "routeKey", "type", "version",
	},
}

func TestQuestionsOfGatewaysHaveEveryFieldThatAPIGatewaySends(t *testing.T) {
	seen := map[string]bool{}
	for name, event := range loadEvents(t) {
		if event["type"] == nil {
			continue
		}
		kind, _ := event["type"].(string)
		if version, ok := event["version"].(string); ok {
			kind += " " + version
		}
		seen[kind] = true
		if diff := cmp.Diff(fieldsOfAuthorizerEvent[kind], slices.Sorted(maps.Keys(event))); diff != "" {
			t.Errorf("events/%s.json: sent by the gateway as %s (-) and in the event (+): %s", name, kind, diff)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fieldsOfAuthorizerEvent)), slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("the kinds of questions (-) and those that events/ has (+): %s", diff)
	}
}
