package infra_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/go-yaml"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/notices"
)

// sentences are what people read of each kind of event.
var sentences = map[apikey.EventType]string{
	apikey.EventCreated: "A user API key was created for user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef, " +
		"at 2026-05-04T08:15:30.120Z by user IBMid-5500SAMPLE: cpd-apikey-IBMid-5500SAMPLE-2026-05-04T08:15:30.120Z.",
	apikey.EventRotated: "The user API key of user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef was rotated, " +
		"at 2026-11-02T16:45:09.007Z by schedule sweep. Active now: cpd-apikey-IBMid-5500SAMPLE-2026-11-02T16:45:09.007Z. " +
		"Phased out, and good for no more than what runs already: cpd-apikey-IBMid-5500SAMPLE-2026-05-04T08:15:30.120Z. " +
		"Job schedules pinned to the old key, refused until they are bound again: 7.",
	apikey.EventDeleted: "A Phased out user API key of user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef was deleted, " +
		"at 2026-11-02T16:45:09.007Z by schedule sweep: cpd-apikey-IBMid-5500SAMPLE-2026-05-04T08:15:30.120Z. " +
		"Job schedules pinned to it, refused until they are bound again: 7. " +
		"Running operations under it, which end at their next renewal: 3.",
	apikey.EventPhasedOut: "The user API key of user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef was phased out " +
		"without another in its place, at 2026-11-02T16:45:09.007Z, because the key store was restored and does not know the current " +
		"one: cpd-apikey-IBMid-5500SAMPLE-2026-05-04T08:15:30.120Z. The user has to create one. Job schedules that are refused from now on: 7.",
	apikey.EventAllDeleted: "All user API keys of user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef were deleted, " +
		"at 2026-11-02T16:45:09.007Z by schedule sweep. Job schedules that are refused from now on: 7. " +
		"Running operations, which end at their next renewal: 3.",
	apikey.EventRotationDue: "The user API key of user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef will be rotated " +
		"by the clock at 2026-11-09T16:45:09.007Z: cpd-apikey-IBMid-5500SAMPLE-2026-05-04T08:15:30.120Z. " +
		"Job schedules pinned to it will be refused then, unless they are bound to follow the Active key before.",
	apikey.EventRotationFailed: "The user API key of user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef is due and " +
		"could not be rotated, at 2026-11-02T16:45:09.007Z: cpd-apikey-IBMid-5500SAMPLE-2026-05-04T08:15:30.120Z. " +
		"The reason is too_many_phased_out_keys. The key stays Active, and the clock tries again.",
	apikey.EventUseRefused: "A user API key of user IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef that is good for " +
		"no job any more was presented by job_runner direct invocation and refused, at 2026-11-02T16:45:09.007Z: key_deleted, " +
		"key 019df20e-8148-7e03-9b61-e593247747dd. Whoever presented it needs the Active key.",
	apikey.EventOwnerSuspended: "User IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef was off-boarded, " +
		"at 2026-11-02T16:45:09.007Z by schedule sweep: all user API keys are deleted, and none can be created before the user is " +
		"reinstated. Job schedules that are refused from now on: 7. Running operations, which end at their next renewal: 3.",
	apikey.EventOwnerReinstated: "User IBMid-5500SAMPLE of account 0123456789abcdef0123456789abcdef was reinstated, " +
		"at 2026-11-02T16:45:09.007Z by schedule sweep, and can create a user API key again.",
}

// rule is a rule of the template that sends events to the topic.
type rule struct {
	Condition  string `yaml:"Condition"`
	Properties struct {
		EventBusName yaml.Node           `yaml:"EventBusName"`
		EventPattern map[string][]string `yaml:"EventPattern"`
		Targets      []struct {
			Arn              yaml.Node            `yaml:"Arn"`
			DeadLetterConfig map[string]yaml.Node `yaml:"DeadLetterConfig"`
			InputTransformer struct {
				InputPathsMap map[string]string `yaml:"InputPathsMap"`
				InputTemplate string            `yaml:"InputTemplate"`
			} `yaml:"InputTransformer"`
		} `yaml:"Targets"`
	} `yaml:"Properties"`
}

func TestPeopleReadASentenceAboutEveryEventThatConcernsKeys(t *testing.T) {
	rules := notificationRules(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(sentences)), slices.Sorted(maps.Keys(rules))); diff != "" {
		t.Errorf("kinds to tell of (-), and rules (+): %s", diff)
	}
	for kind, event := range eventsOf(t, sampleOwner) {
		r, told := rules[kind]
		if !told {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			if got := r.sentence(t, event); got != sentences[kind] {
				t.Errorf("people read: %s\nnot: %s", got, sentences[kind])
			}
		})
	}
}

// EventBridge escapes nothing that it puts into a sentence, so that a quote or a
// backslash in it would make a message that is none.
func TestNoTextOfUsersBreaksASentence(t *testing.T) {
	hostile := sampleOwner
	hostile.Username = `EXAMPLE\jane "the <user>"`
	rules := notificationRules(t)
	for kind, event := range eventsOf(t, hostile) {
		if r, told := rules[kind]; told {
			t.Run(string(kind), func(t *testing.T) {
				if got := r.sentence(t, event); got != sentences[kind] {
					t.Errorf("people read: %s\nnot: %s", got, sentences[kind])
				}
			})
		}
	}
}

// What cannot be delivered is kept, and nothing is there that would cost anything
// where nobody wants mail.
func TestEveryRuleKeepsWhatItCannotDeliver(t *testing.T) {
	for kind, r := range notificationRules(t) {
		target := r.Properties.Targets[0]
		if queue := target.DeadLetterConfig["Arn"]; queue.Value != "NoticeDeadLetters.Arn" {
			t.Errorf("%s: what is not delivered goes to %q", kind, queue.Value)
		}
		if r.Condition != "HasNotificationEmail" || r.Properties.EventBusName.Value != "Bus" {
			t.Errorf("%s: condition %q, bus %q", kind, r.Condition, r.Properties.EventBusName.Value)
		}
		if diff := cmp.Diff([]string{notices.Source}, r.Properties.EventPattern["source"]); diff != "" {
			t.Errorf("%s: source %s", kind, diff)
		}
	}
}

// notificationRules are the template's rules by the event that each is for.
func notificationRules(t *testing.T) map[apikey.EventType]rule {
	t.Helper()
	rules := map[apikey.EventType]rule{}
	for name, resource := range resourcesOf(t, "../template.yaml") {
		if valueOf(&resource, "Type") != "AWS::Events::Rule" {
			continue
		}
		var r rule
		if err := resource.Decode(&r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kinds := r.Properties.EventPattern["detail-type"]
		if len(kinds) != 1 || len(r.Properties.Targets) != 1 || r.Properties.Targets[0].Arn.Value != "NotificationTopic" {
			t.Fatalf("%s: %v to %d targets", name, kinds, len(r.Properties.Targets))
		}
		rules[apikey.EventType(kinds[0])] = r
	}
	return rules
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

var variable = regexp.MustCompile(`<[^<>]*>`)

// sentence is what EventBridge makes of an event: values come into the template as
// they are.
func (r rule) sentence(t *testing.T, event map[string]any) string {
	t.Helper()
	transformer := r.Properties.Targets[0].InputTransformer
	used := map[string]bool{}
	message := variable.ReplaceAllStringFunc(transformer.InputTemplate, func(name string) string {
		name = strings.Trim(name, "<>")
		used[name] = true
		switch value := valueAt(event, transformer.InputPathsMap[name]).(type) {
		case string:
			return value
		case float64:
			return strconv.FormatFloat(value, 'f', -1, 64)
		default:
			t.Errorf("<%s>, %s, is %v", name, transformer.InputPathsMap[name], value)
			return ""
		}
	})
	for name := range transformer.InputPathsMap {
		if !used[name] {
			t.Errorf("<%s> is not in the sentence", name)
		}
	}
	var text string
	if err := json.Unmarshal([]byte(message), &text); err != nil {
		t.Errorf("%s is no JSON string: %v", message, err)
	}
	return text
}

var step = regexp.MustCompile(`^([A-Za-z-]+)(?:\[(\d+)\])?$`)

// valueAt is the value at a path such as $.detail.deleted[0].name; nil when there
// is none.
func valueAt(value any, path string) any {
	steps, ok := strings.CutPrefix(path, "$.")
	if !ok {
		return nil
	}
	for part := range strings.SplitSeq(steps, ".") {
		found := step.FindStringSubmatch(part)
		object, isObject := value.(map[string]any)
		if found == nil || !isObject {
			return nil
		}
		value = object[found[1]]
		if found[2] != "" {
			list, _ := value.([]any)
			i, err := strconv.Atoi(found[2])
			if err != nil || i >= len(list) {
				return nil
			}
			value = list[i]
		}
	}
	return value
}

// eventsOf are events of every kind, as EventBridge has them: of an owner who makes
// a key, has it rotated by the clock, and so on.
func eventsOf(t *testing.T, owner apikey.Owner) map[apikey.EventType]map[string]any {
	t.Helper()
	first, second := parseKeyID(t, firstKeyID), parseKeyID(t, secondKeyID)
	byUser := apikey.Command{Actor: sampleActor, Now: firstCreatedAt, CorrelationID: "correlation"}
	byClock := apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorSchedule, ID: "sweep"}, Now: rotatedAt, CorrelationID: "correlation"}
	byRunner := apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorJobRunner, ID: "direct invocation"}, Now: rotatedAt}
	none := apikey.Ring{Owner: owner}
	one, created, err := none.Create(byUser, apikey.Material{KeyID: first})
	if err != nil {
		t.Fatal(err)
	}
	two, rotated, err := one.Rotate(byClock, apikey.Material{KeyID: second})
	if err != nil {
		t.Fatal(err)
	}
	rest, deleted, err := two.DeleteOne(byClock, first)
	if err != nil {
		t.Fatal(err)
	}
	_, allDeleted := two.DeleteAll(byClock)
	suspended, offBoarded := two.Suspend(byClock)
	_, reinstated := suspended.Reinstate(byClock)
	_, phasedOut, err := one.Restore(byClock, apikey.RestoreStep{PhaseOut: true, Reason: apikey.ReasonNotCurrent})
	if err != nil {
		t.Fatal(err)
	}
	happened := []apikey.Event{
		created, rotated, phasedOut, deleted, *allDeleted, *offBoarded, *reinstated,
		one.RotationDue(byClock, rotatedAt.Add(7*24*time.Hour)),
		one.RotationFailed(byClock, apikey.CodeTooManyPhasedOutKeys),
		// Of a deleted key, of which the least is known.
		rest.UseRefused(byRunner, first, "key_deleted", apikey.Job{}),
	}
	events := map[apikey.EventType]map[string]any{}
	for _, event := range happened {
		event.ID, event.AffectedSchedules.Count, event.AffectedRuns = "event", 7, 3
		encoded, err := json.Marshal(map[string]any{"source": notices.Source, "detail-type": event.Type, "detail": notices.DetailOf(event)})
		if err != nil {
			t.Fatal(err)
		}
		var decoded map[string]any
		if err := json.Unmarshal(encoded, &decoded); err != nil {
			t.Fatal(err)
		}
		events[event.Type] = decoded
	}
	return events
}

func parseKeyID(t *testing.T, text string) apikey.KeyID {
	t.Helper()
	id, err := apikey.ParseUUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
