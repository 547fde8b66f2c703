package infra_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

// metric is a metric that an alarm watches or the dashboard shows. The values of
// its dimensions are as the template has them.
type metric struct {
	Namespace  string      `yaml:"Namespace"`
	MetricName string      `yaml:"MetricName"`
	Dimensions []dimension `yaml:"Dimensions"`
}

type dimension struct {
	Name  string `yaml:"Name"`
	Value string `yaml:"Value"`
}

// alarm is an alarm of infra/alarms.yaml.
type alarm struct {
	Condition  string `yaml:"Condition"`
	Properties struct {
		metric           `yaml:",inline"`
		AlarmName        string `yaml:"AlarmName"`
		AlarmDescription string `yaml:"AlarmDescription"`
		TreatMissingData string `yaml:"TreatMissingData"`
		Metrics          []struct {
			ID         string `yaml:"Id"`
			Expression string `yaml:"Expression"`
			MetricStat struct {
				Metric metric `yaml:"Metric"`
			} `yaml:"MetricStat"`
		} `yaml:"Metrics"`
	} `yaml:"Properties"`
}

const ownNamespace = "MetricsNamespace"

// awsMetrics are the metrics of AWS that may be used, and the dimensions by which
// AWS has them.
var awsMetrics = map[string][]string{
	"AWS/ApiGateway 4XXError":                    {"ApiName"},
	"AWS/ApiGateway 5XXError":                    {"ApiName"},
	"AWS/ApiGateway Count":                       {"ApiName"},
	"AWS/ApiGateway Latency":                     {"ApiName"},
	"AWS/DynamoDB ReadThrottleEvents":            {"TableName", "TableName GlobalSecondaryIndexName"},
	"AWS/DynamoDB WriteThrottleEvents":           {"TableName", "TableName GlobalSecondaryIndexName"},
	"AWS/Lambda DestinationDeliveryFailures":     {"FunctionName"},
	"AWS/Lambda Duration":                        {"FunctionName"},
	"AWS/Lambda Errors":                          {"FunctionName"},
	"AWS/Lambda Invocations":                     {"FunctionName"},
	"AWS/Lambda IteratorAge":                     {"FunctionName"},
	"AWS/Lambda Throttles":                       {"FunctionName"},
	"AWS/SNS NumberOfNotificationsFailed":        {"TopicName"},
	"AWS/SQS ApproximateNumberOfMessagesVisible": {"QueueName"},
}

func TestEveryAlarmHasItsSectionInThePlaybook(t *testing.T) {
	text, err := os.ReadFile("../docs/playbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for i, section := range strings.Split(string(text), "\n### ") {
		heading, body, _ := strings.Cut(section, "\n")
		if i > 0 {
			sections[strings.ReplaceAll(strings.ToLower(heading), " ", "-")], _, _ = strings.Cut(body, "\n## ")
		}
	}
	named := map[string]bool{}
	for name, a := range loadAlarms(t) {
		slug := strings.TrimPrefix(a.Properties.AlarmName, "${AWS::StackName}-")
		named[slug] = true
		if !strings.HasSuffix(a.Properties.AlarmDescription, " See docs/playbook.md#"+slug+".") {
			t.Errorf("%s: named %s and described %q", name, a.Properties.AlarmName, a.Properties.AlarmDescription)
		}
		for _, part := range []string{"**It means**", "**Look at**", "**Do**"} {
			if strings.Count(sections[slug], part) != 1 {
				t.Errorf("%s: its section has %d parts %s", name, strings.Count(sections[slug], part), part)
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(sections))); diff != "" {
		t.Errorf("alarms (-) and sections (+): %s", diff)
	}
}

func TestAlarmsAndDashboardWatchMetricsThatExist(t *testing.T) {
	own := ownMetrics(t)
	indexes := indexNames(t)
	used := dashboardMetrics(t)
	for name, a := range loadAlarms(t) {
		watched := a.metrics()
		if len(watched) == 0 {
			t.Errorf("%s watches nothing", name)
		}
		used = append(used, watched...)
	}
	seen := map[string]bool{}
	for _, m := range used {
		var names []string
		for _, d := range m.Dimensions {
			names = append(names, d.Name)
			if d.Name == "GlobalSecondaryIndexName" && !indexes[d.Value] {
				t.Errorf("%v: the table has no such index", m)
			}
		}
		dimensions := strings.Join(names, " ")
		known := awsMetrics[m.Namespace+" "+m.MetricName]
		if m.Namespace == ownNamespace {
			known = own[m.MetricName]
			seen[m.MetricName] = true
		}
		if !slices.Contains(known, dimensions) {
			t.Errorf("%s %s has no dimensions %q, but %q", m.Namespace, m.MetricName, dimensions, known)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(own)), slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("own metrics (-), and those that somebody sees (+): %s", diff)
	}
}

// The values by which own metrics are told apart are ones that occur.
func TestAlarmsWatchKindsThatOccur(t *testing.T) {
	kinds := map[string][]string{
		"code": {string(apikey.CodeUnavailable), string(apikey.CodeInternal)},
		"type": {string(apikey.EventRotationFailed)},
	}
	for name, a := range loadAlarms(t) {
		for _, m := range a.metrics() {
			for _, d := range m.Dimensions {
				if m.Namespace == ownNamespace && !slices.Contains(kinds[d.Name], d.Value) {
					t.Errorf("%s: %s is never %q", name, d.Name, d.Value)
				}
			}
		}
	}
}

func TestAlarmsComputeWithEveryMetricTheyName(t *testing.T) {
	for name, a := range loadAlarms(t) {
		for _, m := range a.Properties.Metrics {
			if m.Expression == "" && !strings.Contains(a.Properties.Metrics[0].Expression, "FILL("+m.ID+", 0)") {
				t.Errorf("%s: %s is not in %s", name, m.ID, a.Properties.Metrics[0].Expression)
			}
		}
	}
}

// No data is no trouble, but for what must run.
func TestOnlyTheSilenceOfTheSweepIsAlarming(t *testing.T) {
	for name, a := range loadAlarms(t) {
		want := "notBreaching"
		if name == "SweepSilentAlarm" {
			want = "breaching"
		}
		if a.Properties.TreatMissingData != want {
			t.Errorf("%s: missing data is %s", name, a.Properties.TreatMissingData)
		}
	}
}

// One command hands over the outputs of the service's stack.
func TestParametersOfTheAlarmsAreOutputsOfTheService(t *testing.T) {
	var alarms struct {
		Parameters map[string]struct {
			Type    string  `yaml:"Type"`
			Default *string `yaml:"Default"`
		} `yaml:"Parameters"`
	}
	readTemplate(t, "alarms.yaml", &alarms)
	var service struct {
		Outputs map[string]struct {
			Condition string `yaml:"Condition"`
		} `yaml:"Outputs"`
	}
	readTemplate(t, "../template.yaml", &service)
	for name, parameter := range alarms.Parameters {
		output, given := service.Outputs[name]
		switch {
		case parameter.Type == "Number": // a threshold
			if given || parameter.Default == nil {
				t.Errorf("%s: a threshold has a default and is no output", name)
			}
		case !given:
			t.Errorf("%s: template.yaml has no such output", name)
		case (output.Condition == "") != (parameter.Default == nil):
			t.Errorf("%s: the output has the condition %q, the parameter the default %v", name, output.Condition, parameter.Default)
		}
	}
}

func loadAlarms(t *testing.T) map[string]alarm {
	t.Helper()
	alarms := map[string]alarm{}
	for name, resource := range resourcesOf(t, "alarms.yaml") {
		if valueOf(&resource, "Type") == "AWS::CloudWatch::Alarm" {
			var a alarm
			if err := resource.Decode(&a); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			alarms[name] = a
		}
	}
	if len(alarms) == 0 {
		t.Fatal("alarms.yaml has no alarm")
	}
	return alarms
}

func (a alarm) metrics() (watched []metric) {
	if a.Properties.MetricName != "" {
		watched = append(watched, a.Properties.metric)
	}
	for _, m := range a.Properties.Metrics {
		if m.Expression == "" {
			watched = append(watched, m.MetricStat.Metric)
		}
	}
	return watched
}

var (
	substitution = regexp.MustCompile(`\$\{([A-Za-z:.]+)\}`)
	searched     = regexp.MustCompile(`^SEARCH\('\{"([A-Za-z]+)",([a-z]+)\} MetricName="([A-Za-z]+)"', 'Sum', 300\)$`)
)

// dashboardMetrics are the metrics that the dashboard shows. It must be JSON, and
// show every alarm that there always is.
func dashboardMetrics(t *testing.T) (shown []metric) {
	t.Helper()
	resources := resourcesOf(t, "alarms.yaml")
	var dashboard struct {
		Properties struct {
			DashboardBody string `yaml:"DashboardBody"`
		} `yaml:"Properties"`
	}
	resource := resources["Dashboard"]
	if err := resource.Decode(&dashboard); err != nil {
		t.Fatal(err)
	}
	var body struct {
		Widgets []struct {
			Type       string
			Properties struct {
				Title   string
				Alarms  []string
				Metrics [][]any
			}
		}
	}
	text := substitution.ReplaceAllString(dashboard.Properties.DashboardBody, "$1")
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	var alarms []string
	for _, widget := range body.Widgets {
		alarms = append(alarms, widget.Properties.Alarms...)
		for _, row := range widget.Properties.Metrics {
			shown = append(shown, shownIn(t, row))
		}
	}
	var always []string
	for name, a := range loadAlarms(t) {
		if a.Condition == "" {
			always = append(always, name+".Arn")
		}
	}
	if diff := cmp.Diff(always, alarms, sorted); diff != "" {
		t.Errorf("alarms (-) and those of the dashboard (+): %s", diff)
	}
	return shown
}

// shownIn is the metric of a row: namespace, name, dimensions by name and value,
// and what it looks like; or a search.
func shownIn(t *testing.T, row []any) (m metric) {
	t.Helper()
	var texts []string
	for _, each := range row {
		switch each := each.(type) {
		case string:
			texts = append(texts, each)
		case map[string]any:
			if expression, _ := each["expression"].(string); expression != "" {
				if found := searched.FindStringSubmatch(expression); found != nil {
					return metric{Namespace: found[1], MetricName: found[3], Dimensions: []dimension{{Name: found[2]}}}
				}
				t.Errorf("not understood: %s", expression)
			}
		}
	}
	if len(texts) < 2 || len(texts)%2 != 0 {
		t.Errorf("not understood: %v", row)
		return m
	}
	m.Namespace, m.MetricName = texts[0], texts[1]
	for pair := range slices.Chunk(texts[2:], 2) {
		m.Dimensions = append(m.Dimensions, dimension{Name: pair[0], Value: pair[1]})
	}
	return m
}

func indexNames(t *testing.T) map[string]bool {
	t.Helper()
	var table struct {
		Properties struct {
			GlobalSecondaryIndexes []struct {
				IndexName string `yaml:"IndexName"`
			} `yaml:"GlobalSecondaryIndexes"`
		} `yaml:"Properties"`
	}
	resource := resourcesOf(t, "../template.yaml")["Table"]
	if err := resource.Decode(&table); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, index := range table.Properties.GlobalSecondaryIndexes {
		names[index.IndexName] = true
	}
	return names
}

// ownMetrics are the metrics in the table that telemetry makes them from, each with
// the dimensions by which it is there.
func ownMetrics(t *testing.T) map[string][]string {
	t.Helper()
	file, err := parser.ParseFile(gotoken.NewFileSet(), filepath.Join("..", "shared", "telemetry", "metrics.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	own := map[string][]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "metrics" || len(spec.Values) != 1 {
			return true
		}
		for _, entry := range spec.Values[0].(*ast.CompositeLit).Elts {
			texts := textsOf(t, entry.(*ast.KeyValueExpr).Value.(*ast.CompositeLit))
			dimensions := append([]string{""}, texts["by"]...)
			for _, name := range slices.Concat(texts["occurrences"], texts["values"]) {
				own[name] = dimensions
			}
		}
		return false
	})
	if len(own) == 0 {
		t.Fatal("metrics.go has no table metrics")
	}
	return own
}

// textsOf are the texts in each member of a struct's literal.
func textsOf(t *testing.T, literal *ast.CompositeLit) map[string][]string {
	t.Helper()
	texts := map[string][]string{}
	for _, element := range literal.Elts {
		member := element.(*ast.KeyValueExpr)
		ast.Inspect(member.Value, func(node ast.Node) bool {
			if text, ok := node.(*ast.BasicLit); ok {
				value, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				name := member.Key.(*ast.Ident).Name
				texts[name] = append(texts[name], value)
			}
			return true
		})
	}
	return texts
}
