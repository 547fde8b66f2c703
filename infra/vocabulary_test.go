package infra_test

import (
	"context"
	"go/ast"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/sourcetest"
)

// The words that clients branch on are the same in the contract and in the code.
func TestEnumsOfTheContractAreThoseOfTheCode(t *testing.T) {
	c := loadContract(t)
	for _, words := range []struct {
		name           string
		contract, code []string
	}{
		{"Problem.code", enum(c.property(t, "Problem", "code")), texts(httpapi.Codes())},
		{"Decision.reason", enum(c.property(t, "Decision", "reason")), texts(jobauth.Reasons)},
		{"Renewal.reason", enum(c.property(t, "Renewal", "reason")), texts(renewalReasons)},
		{"NoDecision.reason", enum(c.property(t, "NoDecision", "reason")), texts(undecidedReasons)},
		{"JobType", enum(c.schema(t, "JobType")), texts(jobauth.JobTypes)},
		{"Binding", enum(c.schema(t, "Binding")), texts(apikey.Bindings)},
		{"Schedule.state", enum(c.property(t, "Schedule", "state")), texts(apikey.ScheduleStates)},
		{"JobAuthorizationRequest.trigger", enum(c.property(t, "JobAuthorizationRequest", "trigger")), texts(jobauth.Triggers)},
		{"Key.status", enum(c.property(t, "Key", "status")), texts([]apikey.Status{apikey.StatusActive, apikey.StatusPhasedOut})},
		{"Change.type", enum(c.property(t, "Change", "type")), texts(changeTypes(t))},
		{"Actor.kind", enum(c.property(t, "Actor", "kind")), texts([]apikey.ActorKind{
			apikey.ActorUser, apikey.ActorAdministrator, apikey.ActorSchedule, apikey.ActorOperator,
		})},
		{"Change.reason", enum(c.property(t, "Change", "reason")), restoreReasons},
	} {
		if diff := cmp.Diff(words.code, words.contract, sorted); diff != "" {
			t.Errorf("%s: in the code (-) and in the contract (+): %s", words.name, diff)
		}
	}
}

var (
	restoreReasons   = []string{apikey.ReasonSecretGone, apikey.ReasonSecretReplaced, apikey.ReasonNotCurrent, apikey.ReasonNotShown}
	renewalReasons   = []jobauth.Reason{jobauth.KeyActive, jobauth.KeyPhasedOut, jobauth.KeyDeleted}
	undecidedReasons = []jobauth.Reason{jobauth.InvalidRequest, jobauth.Unavailable}
)

// changeTypes are those of the changes that a history shows.
func changeTypes(t *testing.T) []apikey.EventType {
	t.Helper()
	all := sourcetest.Constants[apikey.EventType](t, "../shared/apikey/events.go")
	return slices.DeleteFunc(all, func(kind apikey.EventType) bool { return !kind.IsChange() })
}

var sorted = cmpopts.SortSlices(strings.Compare)

func texts[T ~string](values []T) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return texts
}

// Every code is among the codes of some answer, and no answer has another.
func TestEveryCodeIsAnsweredSomewhere(t *testing.T) {
	c := loadContract(t)
	var documented []string
	for _, response := range c.model.Components.Responses.FromOldest() {
		documented = append(documented, documentedCodesOf(t, response.Content.GetOrZero("application/problem+json").Schema)...)
	}
	for _, op := range c.operations() {
		for _, response := range op.answers() {
			if response.Content == nil {
				continue
			}
			if media := response.Content.GetOrZero("application/problem+json"); media != nil {
				documented = append(documented, documentedCodesOf(t, media.Schema)...)
			}
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(texts(httpapi.Codes()), slices.Compact(documented), sorted); diff != "" {
		t.Errorf("in the code (-) and among the answers (+): %s", diff)
	}
}

// What a word means is told: an item of its own in the description.
func TestEveryWordIsDescribed(t *testing.T) {
	c := loadContract(t)
	for _, words := range []struct {
		name, description string
		words             []string
	}{
		{"Decision.reason", c.property(t, "Decision", "reason").Description, texts(jobauth.Reasons)},
		{"Renewal.reason", c.property(t, "Renewal", "reason").Description, texts(renewalReasons)},
		{"NoDecision.reason", c.property(t, "NoDecision", "reason").Description, texts(undecidedReasons)},
		{"Schedule.state", c.property(t, "Schedule", "state").Description, texts(apikey.ScheduleStates)},
		{"Binding", c.schema(t, "Binding").Description, texts(apikey.Bindings)},
		{"Change.type", c.property(t, "Change", "type").Description, texts(changeTypes(t))},
		{"Change.reason", c.property(t, "Change", "reason").Description, restoreReasons},
	} {
		for _, word := range words.words {
			if !strings.Contains(words.description, "- `"+word+"`: ") {
				t.Errorf("%s: %s is not described", words.name, word)
			}
		}
	}
}

// Every reason and every state is shown by an answer, which the functions are then
// made to give.
func TestEveryReasonAndStateHasAnExample(t *testing.T) {
	c := loadContract(t)
	shown := map[string]string{}
	for _, op := range c.operations() {
		for _, response := range op.answers() {
			if response.Content == nil {
				continue
			}
			for _, media := range response.Content.FromOldest() {
				for _, example := range media.Examples.FromOldest() {
					shown[op.id] += asJSON(t, example.Value)
				}
			}
		}
	}
	for _, words := range []struct {
		operation, field string
		words            []string
	}{
		{"authorizeJob", "reason", texts(jobauth.Reasons)},
		{"authorizeJobs", "reason", texts(undecidedReasons)},
		{"renewRun", "reason", texts(renewalReasons)},
		{"readSchedule", "state", texts(apikey.ScheduleStates)},
		{"bindSchedule", "binding", texts(apikey.Bindings)},
	} {
		for _, word := range words.words {
			if !strings.Contains(shown[words.operation], `"`+words.field+`":"`+word+`"`) {
				t.Errorf("no answer of %s shows the %s %s", words.operation, words.field, word)
			}
		}
	}
}

// The Go client has a name for every word that a job runner may be told.
func TestTheGoClientHasTheWordsOfTheContract(t *testing.T) {
	c, client := loadContract(t), clientConstants(t)
	reasons := slices.Concat(enum(c.property(t, "Decision", "reason")), enum(c.property(t, "Renewal", "reason")), enum(c.property(t, "NoDecision", "reason")))
	slices.Sort(reasons)
	// The gateway's answers stand for every operation. The client sends no other
	// media type than the service takes.
	codes := []string{string(httpapi.CodeTooManyRequests)}
	for _, id := range []string{"authorizeJob", "authorizeJobs", "renewRun", "endRun"} {
		for _, response := range c.operation(t, id).answers() {
			if response.Content == nil {
				continue
			}
			if media := response.Content.GetOrZero("application/problem+json"); media != nil {
				codes = append(codes, documentedCodesOf(t, media.Schema)...)
			}
		}
	}
	codes = slices.DeleteFunc(codes, func(code string) bool { return code == string(httpapi.CodeUnsupportedMediaType) })
	slices.Sort(codes)
	ofTheClient := []string{"unreachable", "unexpected_answer", "no_token"}
	for _, words := range []struct {
		kind     string
		contract []string
	}{
		{"Reason", slices.Compact(reasons)},
		{"JobType", enum(c.schema(t, "JobType"))},
		{"Trigger", enum(c.property(t, "JobAuthorizationRequest", "trigger"))},
		{"Code", append(slices.Compact(codes), ofTheClient...)},
	} {
		if diff := cmp.Diff(client[words.kind], words.contract, sorted); diff != "" {
			t.Errorf("%s: in the client (-) and in the contract (+): %s", words.kind, diff)
		}
	}
}

// clientConstants are the client's words by their type.
func clientConstants(t *testing.T) map[string][]string {
	t.Helper()
	words := map[string][]string{}
	for _, file := range sourceFiles(t, "client") {
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok {
				return true
			}
			kind, ok := spec.Type.(*ast.Ident)
			for _, value := range spec.Values {
				literal, isLiteral := value.(*ast.BasicLit)
				if !ok || !isLiteral {
					continue
				}
				if word, err := strconv.Unquote(literal.Value); err == nil {
					words[kind.Name] = append(words[kind.Name], word)
				}
			}
			return true
		})
	}
	return words
}

const problemsDocument = "../docs/problems.md"

// The type of a problem leads to the section that explains its code; a section
// names the status that the code really has.
func TestEveryCodeHasItsSection(t *testing.T) {
	sections := problemSections(t)
	for _, code := range httpapi.Codes() {
		answer := answerTo(t, code)
		problem := decodeProblem(t, answer.Body)
		if address, fragment, _ := strings.Cut(problem.Type, "#"); !strings.HasSuffix(address, "/docs/problems.md") || fragment != string(code) {
			t.Errorf("%s: its type %s does not lead to its section", code, problem.Type)
		}
		if answer.StatusCode < 400 || answer.StatusCode > 599 || problem.Status != answer.StatusCode || problem.Title == "" {
			t.Errorf("%s: the status is %d, in the body %d, the title %q", code, answer.StatusCode, problem.Status, problem.Title)
		}
		section, ok := sections[string(code)]
		if !ok {
			t.Errorf("%s has no section", code)
			continue
		}
		delete(sections, string(code))
		want := strconv.Itoa(answer.StatusCode) + " " + http.StatusText(answer.StatusCode)
		for _, part := range []string{"**Status:** " + want + "\n", "\n**Means:** ", "\n**What to do:** "} {
			if !strings.Contains(section, part) {
				t.Errorf("the section of %s lacks %q", code, strings.TrimSpace(part))
			}
		}
	}
	for name := range sections {
		t.Errorf("the section %q is about no code", name)
	}
}

// problemSections are the second-level sections of the document by heading.
func problemSections(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(problemsDocument)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	headings := regexp.MustCompile(`(?m)^## (.+)$`).FindAllSubmatchIndex(text, -1)
	for i, at := range headings {
		end := len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		name := string(text[at[2]:at[3]])
		if _, twice := sections[name]; twice {
			t.Errorf("the section %q is there twice", name)
		}
		sections[name] = string(text[at[1]:end])
	}
	return sections
}

type anyone struct{}

func (anyone) Principal(context.Context, string) (apikey.Principal, error) {
	return apikey.Principal{Owner: sampleOwner}, nil
}

// answerTo is the answer of an API whose only operation refuses with the code.
func answerTo(t *testing.T, code apikey.Code) events.APIGatewayProxyResponse {
	t.Helper()
	api := httpapi.New(anyone{}, slog.New(slog.DiscardHandler), httpapi.Route{
		Method: http.MethodGet, Path: "/v1/user-api-keys",
		Permit: func(apikey.Principal) error { return &apikey.Error{Code: code, Detail: "Refused."} },
	})
	answer, err := api.Handle(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: http.MethodGet, Resource: "/v1/user-api-keys"})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
