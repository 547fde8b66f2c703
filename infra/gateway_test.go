package infra_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// gatewayAnswers are the contract's answers that the gateway gives by itself, for
// each of its kinds (docs of API Gateway: "gateway response types").
var gatewayAnswers = map[string]string{
	"THROTTLED":           "Throttled",
	"REQUEST_TOO_LARGE":   "PayloadTooLarge",
	"INTEGRATION_FAILURE": "Unavailable",
	"INTEGRATION_TIMEOUT": "Unavailable",
	"DEFAULT_5XX":         "InternalError",
}

// gatewayAnswer is what the template has the gateway answer.
type gatewayAnswer struct {
	StatusCode         int `yaml:"StatusCode"`
	ResponseParameters struct {
		Headers map[string]string `yaml:"Headers"`
	} `yaml:"ResponseParameters"`
	ResponseTemplates map[string]string `yaml:"ResponseTemplates"`
}

// No function is asked, so that no scenario can show these answers.
func TestTheGatewayAnswersAsTheContractSays(t *testing.T) {
	c := loadContract(t)
	api := protected(t)["Api"]
	setting := api.at("GatewayResponses")
	var answers map[string]gatewayAnswer
	if err := setting.Decode(&answers); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(gatewayAnswers)), slices.Sorted(maps.Keys(answers))); diff != "" {
		t.Errorf("of the contract (-) and of the template (+): %s", diff)
	}
	for kind, answer := range answers {
		response := c.model.Components.Responses.GetOrZero(gatewayAnswers[kind])
		if response == nil {
			t.Fatalf("the contract has no response %q", gatewayAnswers[kind])
		}
		headers := map[string]string{"Content-Type": "'application/problem+json'"}
		for name, header := range response.Headers.FromOldest() {
			headers[name] = "'" + header.Example.Value + "'"
		}
		if kind == "THROTTLED" {
			headers["Retry-After"] = "'1'" // the rate is one of seconds
		}
		if diff := cmp.Diff(headers, answer.ResponseParameters.Headers); diff != "" {
			t.Errorf("%s: headers of the contract (-) and of the template (+): %s", kind, diff)
		}
		checkGatewayBody(t, kind, answer, response)
	}
}

func checkGatewayBody(t *testing.T, kind string, answer gatewayAnswer, response *v3.Response) {
	t.Helper()
	var got, want map[string]any
	template := answer.ResponseTemplates["application/json"]
	if err := json.Unmarshal([]byte(template), &got); err != nil || strings.Contains(template, "\n") || len(answer.ResponseTemplates) != 1 {
		t.Fatalf("%s: %v: %s", kind, err, template)
	}
	// The example, of which only the sentence may differ.
	for _, example := range response.Content.GetOrZero("application/problem+json").Examples.FromOldest() {
		if err := json.Unmarshal([]byte(asJSON(t, example.Value)), &want); err != nil {
			t.Fatal(err)
		}
		break
	}
	if got["requestId"] != "$context.requestId" || !strings.HasSuffix(fmt.Sprint(got["detail"]), ".") || int(want["status"].(float64)) != answer.StatusCode {
		t.Errorf("%s: answered %d with %s", kind, answer.StatusCode, template)
	}
	want["requestId"], want["detail"] = got["requestId"], got["detail"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: example of the contract (-) and body of the template (+): %s", kind, diff)
	}
}
