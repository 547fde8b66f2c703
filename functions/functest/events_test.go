package functest_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
)

type object = map[string]any

// loadEvents are the events by name.
func loadEvents(t *testing.T) map[string]object {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(functest.EventsFolder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no events: %v", err)
	}
	all := map[string]object{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var event object
		if err := json.Unmarshal(text, &event); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = event
	}
	return all
}

// The functions' tests answer every event that has a record of its answer, and
// allow no record without an event.
func TestEveryEventIsAnsweredByOneFunction(t *testing.T) {
	if recording := flag.Lookup("update"); recording.Value.String() == "true" {
		t.Skip("the functions' tests are recording")
	}
	for name := range loadEvents(t) {
		records, err := filepath.Glob(filepath.Join("..", "*", "testdata", name+".golden"))
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
		if !ok {
			continue // a direct invocation
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
