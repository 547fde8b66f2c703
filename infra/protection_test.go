package infra_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/go-yaml"
)

// protected are the template's resources with all their properties.
func protected(t *testing.T) map[string]protectedResource {
	t.Helper()
	var template struct {
		Resources map[string]protectedResource `yaml:"Resources"`
	}
	readTemplate(t, "../template.yaml", &template)
	return template.Resources
}

type protectedResource struct {
	Type       string    `yaml:"Type"`
	Properties yaml.Node `yaml:"Properties"`
}

// at is the value at a path of property names; its zero value when there is none.
func (r protectedResource) at(path ...string) yaml.Node {
	node := r.Properties
	for _, name := range path {
		next := yaml.Node{}
		for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
			if node.Content[i].Value == name {
				next = *node.Content[i+1]
			}
		}
		node = next
	}
	return node
}

// choice says `!If [condition, value, …]` as "condition value".
func choice(node yaml.Node) string {
	if node.Kind != yaml.SequenceNode || len(node.Content) != 3 {
		return node.Value
	}
	return node.Content[0].Value + " " + node.Content[1].Value
}

func TestTheCustomersKeyEncryptsWhateverKeepsData(t *testing.T) {
	properties := map[string][]string{
		"AWS::DynamoDB::Table": {"SSESpecification", "KMSMasterKeyId"},
		"AWS::Logs::LogGroup":  {"KmsKeyId"},
		"AWS::SNS::Topic":      {"KmsMasterKeyId"},
		"AWS::SQS::Queue":      {"KmsMasterKeyId"},
	}
	found := map[string]bool{}
	for name, r := range protected(t) {
		path, keeps := properties[r.Type]
		if !keeps {
			continue
		}
		found[r.Type] = true
		if got := choice(r.at(path...)); got != "HasKmsKey KmsKeyArn" {
			t.Errorf("%s: %s is %q", name, strings.Join(path, "."), got)
		}
	}
	if len(found) != len(properties) {
		t.Errorf("of %v only %v are there", properties, found)
	}
	create := protected(t)["CreateFunction"]
	if got := create.at("Environment", "Variables", "SECRET_KMS_KEY_ARN").Value; got != "KmsKeyArn" {
		t.Errorf("create makes secrets with the key %q", got)
	}
}

func TestEveryFunctionsConcurrencyCanBeReserved(t *testing.T) {
	for name, r := range protected(t) {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		want := "ReservesForKeys KeysConcurrency"
		switch name {
		case "AuthorizerFunction":
			want = "ReservesForAuthorizer AuthorizerConcurrency"
		case "RelayFunction", "SweepFunction":
			want = "ReservesForClock ClockConcurrency"
		}
		if got := choice(r.at("ReservedConcurrentExecutions")); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
}

// tellNothing are the values of a request in the access log. None is what the
// caller wrote, but the method.
var tellNothing = []string{
	"error.responseType", "httpMethod", "identity.sourceIp", "integration.latency", "integration.requestId",
	"integration.status", "requestId", "requestTimeEpoch", "resourcePath", "responseLatency", "responseLength", "status",
}

func TestTheGatewayLogsNothingThatCouldBeACredential(t *testing.T) {
	api := protected(t)["Api"]
	setting := api.at("AccessLogSetting")
	if setting.Kind != yaml.SequenceNode || setting.Content[0].Value != "HasAccessLogs" {
		t.Fatal("the stage has no access logs")
	}
	format := protectedResource{Properties: *setting.Content[1]}.at("Format").Value
	variables := regexp.MustCompile(`\$context\.([A-Za-z.]+)`)
	for _, match := range variables.FindAllStringSubmatch(format, -1) {
		if !slices.Contains(tellNothing, match[1]) {
			t.Errorf("the access log has %s", match[0])
		}
	}
	if rest := variables.ReplaceAllString(format, "x"); strings.Contains(rest, "$") || !json.Valid([]byte(rest)) || strings.Contains(rest, "\n") {
		t.Errorf("not a line of JSON: %s", rest)
	}
	methods := api.at("MethodSettings")
	if len(methods.Content) != 1 {
		t.Fatalf("there are %d settings of methods", len(methods.Content))
	}
	all := protectedResource{Properties: *methods.Content[0]}
	for name, want := range map[string]string{
		"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "OFF", "DataTraceEnabled": "false",
		"ThrottlingRateLimit": "ThrottleRate", "ThrottlingBurstLimit": "ThrottleBurst",
	} {
		if got := all.at(name).Value; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}

func TestTheTableCanBeBroughtBack(t *testing.T) {
	table := protected(t)["Table"]
	if table.at("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled").Value != "true" {
		t.Error("the table has no point-in-time recovery")
	}
}

func TestTheReadmeTellsEveryParameterWithItsDefault(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Parameters map[string]struct {
			Default *string `yaml:"Default"`
		} `yaml:"Parameters"`
	}
	readTemplate(t, "../template.yaml", &template)
	_, section, _ := strings.Cut(string(readme), "\n## Deploy to AWS\n")
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z][^|]*) \\|([^|]*)\\|").FindAllStringSubmatch(section, -1) {
		names, defaults := strings.Split(row[1], ", "), strings.Split(row[2], ", ")
		for i, name := range names {
			// One default for all that a row names, or one for each.
			told[strings.Trim(name, "`")] = strings.Trim(defaults[min(i, len(defaults)-1)], "` ")
		}
	}
	for name, parameter := range template.Parameters {
		want := ""
		if parameter.Default != nil {
			want = *parameter.Default
			if want == "" {
				want = "empty"
			}
		}
		if got, ok := told[name]; !ok || got != want {
			t.Errorf("%s has the default %q, and the README says %q", name, want, got)
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf("the README has a parameter %s", name)
	}
}
