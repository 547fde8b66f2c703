package infra_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/go-yaml"

	"github.com/userapikey/service/shared/notices"
)

// mailed are the notices that people read, by the names of their samples.
var mailed = []string{
	"all-deleted", "created", "deleted", "owner-reinstated", "owner-suspended", "phased-out", "rotated", "rotation-due", "rotation-failed", "use-refused",
}

// rule is a rule of the template.
type rule struct {
	Condition  string `yaml:"Condition"`
	Properties struct {
		EventBusName yaml.Node `yaml:"EventBusName"`
		EventPattern any       `yaml:"EventPattern"`
		Targets      []struct {
			Arn              yaml.Node            `yaml:"Arn"`
			InputPath        string               `yaml:"InputPath"`
			InputTransformer any                  `yaml:"InputTransformer"`
			DeadLetterConfig map[string]yaml.Node `yaml:"DeadLetterConfig"`
		} `yaml:"Targets"`
	} `yaml:"Properties"`
}

// EventBridge passes on what is at a path as the JSON that it is, whatever
// characters are in it. A transformer would put it into a text without escaping it.
func TestPeopleAreMailedTheSummaryOfEveryEventThatHasOne(t *testing.T) {
	r := notificationRule(t)
	pattern := map[string]any{"source": []any{notices.Source}, "detail": map[string]any{"summary": []any{map[string]any{"exists": true}}}}
	if diff := cmp.Diff(pattern, r.Properties.EventPattern); diff != "" {
		t.Errorf("the pattern is another: %s", diff)
	}
	if target := r.Properties.Targets[0]; target.InputPath != "$.detail.summary" || target.InputTransformer != nil {
		t.Errorf("people are sent %q, transformed by %v", target.InputPath, target.InputTransformer)
	}
	files, err := filepath.Glob("../events/notices/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if strings.HasSuffix(file, ".schema.json") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var detail struct{ Summary string }
		if err := json.Unmarshal(text, &detail); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if detail.Summary != "" {
			found = append(found, strings.TrimSuffix(filepath.Base(file), ".json"))
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff(mailed, found); diff != "" {
		t.Errorf("kinds to mail (-), and with a summary (+): %s", diff)
	}
}

// What cannot be delivered is kept, and nothing is there that would cost anything
// where nobody wants mail.
func TestTheRuleKeepsWhatItCannotDeliver(t *testing.T) {
	r := notificationRule(t)
	if queue := r.Properties.Targets[0].DeadLetterConfig["Arn"]; queue.Value != "NoticeDeadLetters.Arn" {
		t.Errorf("what is not delivered goes to %q", queue.Value)
	}
	if r.Condition != "HasNotificationEmail" || r.Properties.EventBusName.Value != "Bus" {
		t.Errorf("condition %q, bus %q", r.Condition, r.Properties.EventBusName.Value)
	}
}

// notificationRule is the template's one rule, with its one target.
func notificationRule(t *testing.T) (r rule) {
	t.Helper()
	count := 0
	for name, resource := range resourcesOf(t, "../template.yaml") {
		if valueOf(&resource, "Type") != "AWS::Events::Rule" {
			continue
		}
		count++
		if err := resource.Decode(&r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if count != 1 || len(r.Properties.Targets) != 1 || r.Properties.Targets[0].Arn.Value != "NotificationTopic" {
		t.Fatalf("%d rules; the last one's targets: %v", count, r.Properties.Targets)
	}
	return r
}

// resourcesOf are the resources of a template.
func resourcesOf(t *testing.T, path string) map[string]yaml.Node {
	t.Helper()
	var template struct {
		Resources map[string]yaml.Node `yaml:"Resources"`
	}
	readTemplate(t, path, &template)
	return template.Resources
}

func readTemplate(t *testing.T, path string, template any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, template); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
