package infra_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

func TestContractIsValidOpenAPI31(t *testing.T) {
	c := loadContract(t)
	if !strings.HasPrefix(c.version, "3.1.") {
		t.Errorf("the document says that it is OpenAPI %s", c.version)
	}
	if ok, errs := c.validator.ValidateDocument(); !ok {
		t.Error(asError(errs))
	}
	ids := map[string]bool{}
	for _, op := range c.operations() {
		if ids[op.id] {
			t.Errorf("two operations have the id %q", op.id)
		}
		ids[op.id] = true
		if op.id == "" || op.Summary == "" || op.Description == "" {
			t.Errorf("%s lacks an operationId, a summary or a description", op.route())
		}
	}
}

// What is not described must be refused, or nobody could rely on the contract.
func TestEveryObjectOfTheContractIsClosed(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal(contractText, &document); err != nil {
		t.Fatal(err)
	}
	objects := 0
	var walk func(node *yaml.Node)
	walk = func(node *yaml.Node) {
		if valueOf(node, "type") == "object" {
			objects++
			if valueOf(node, "additionalProperties") != "false" && valueOf(node, "unevaluatedProperties") != "false" {
				t.Errorf("line %d: this object allows undescribed properties", node.Line)
			}
		}
		for _, child := range node.Content {
			walk(child)
		}
	}
	walk(&document)
	if objects == 0 {
		t.Error("the walk found no object schema")
	}
}

// valueOf is a mapping's value under a key, when it is a scalar.
func valueOf(node *yaml.Node, key string) string {
	if node.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1].Value
		}
	}
	return ""
}

func TestEveryExampleFitsItsSchema(t *testing.T) {
	c := loadContract(t)
	for _, op := range c.operations() {
		if op.RequestBody != nil {
			examplesFit(t, op.id+" request", op.RequestBody.Content)
		}
		for status, response := range op.answers() {
			examplesFit(t, op.id+" "+status, response.Content)
		}
	}
	for name, response := range c.model.Components.Responses.FromOldest() {
		examplesFit(t, name, response.Content)
	}
	for name, parameter := range c.model.Components.Parameters.FromOldest() {
		exampleFits(t, name, parameter.Schema.Schema(), parameter.Example)
	}
	for name, header := range c.model.Components.Headers.FromOldest() {
		exampleFits(t, name, header.Schema.Schema(), header.Example)
	}
}

func examplesFit(t *testing.T, where string, content *orderedmap.Map[string, *v3.MediaType]) {
	t.Helper()
	for mediaType, media := range content.FromOldest() {
		if media.Examples.Len() == 0 {
			t.Errorf("%s: %s has no example", where, mediaType)
		}
		for name, example := range media.Examples.FromOldest() {
			exampleFits(t, where+", example "+name, media.Schema.Schema(), example.Value)
		}
	}
}

func exampleFits(t *testing.T, where string, schema *base.Schema, example *yaml.Node) {
	t.Helper()
	if err := checkAgainst(schema, asJSON(t, example)); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// A code without an example would never be asked for by TestEveryDocumentedAnswerIsGiven.
func TestEveryDocumentedCodeHasAnExample(t *testing.T) {
	c := loadContract(t)
	for _, op := range c.operations() {
		for status, response := range op.answers() {
			if response.Content == nil {
				continue
			}
			media := response.Content.GetOrZero("application/problem+json")
			if media == nil {
				continue
			}
			codes := documentedCodesOf(t, media.Schema)
			var shown []string
			for _, example := range media.Examples.FromOldest() {
				shown = append(shown, valueOf(example.Value, "code"))
				if got := valueOf(example.Value, "status"); got != status {
					t.Errorf("%s %s: an example has the status %s", op.id, status, got)
				}
			}
			for _, code := range codes {
				if !slices.Contains(shown, code) {
					t.Errorf("%s %s: the code %s has no example", op.id, status, code)
				}
			}
		}
	}
}

// documentedCodesOf are the codes that the schema of an answer narrows a problem to.
func documentedCodesOf(t *testing.T, schema *base.SchemaProxy) []string {
	t.Helper()
	for _, part := range schema.Schema().AllOf {
		if part.IsReference() {
			continue
		}
		if code := part.Schema().Properties.GetOrZero("code"); code != nil {
			return enum(code.Schema())
		}
	}
	t.Fatal("an answer does not say which codes it can have")
	return nil
}

// The samples parse, but for the one that shows a typing error, and are those
// of the sample keys: what readers try out answers as it is shown.
func TestSampleCredentialsAreWellFormed(t *testing.T) {
	samples := regexp.MustCompile(apikey.CredentialPattern).FindAllString(string(contractText), -1)
	if len(samples) == 0 {
		t.Fatal("the contract shows no credential")
	}
	for _, sample := range samples {
		if sample == mistypedCredential {
			continue
		}
		credential, err := apikey.ParseCredential(sample)
		if err != nil {
			t.Errorf("%s: %v", sample, err)
			continue
		}
		if credential.Locator() != sampleOwner.Locator() {
			t.Errorf("%s is not the sample owner's", sample)
		}
		if !strings.Contains(sample, "SAMPLE00NOT0A0REAL0CREDENTIAL") {
			t.Errorf("%s does not say that it is a sample", sample)
		}
	}
	if _, err := apikey.ParseCredential(mistypedCredential); err == nil {
		t.Error("the mistyped credential is well formed")
	}
	for _, name := range []string{firstCredential, secondCredential, mistypedCredential} {
		if !slices.Contains(samples, name) {
			t.Errorf("the tests' sample %s is not in the contract", name)
		}
	}
}

// References of the longest and of the shortest id fit the contract's pattern and
// its bounds, and no shorter or longer ones do.
func TestReferencesFitTheContract(t *testing.T) {
	c := loadContract(t)
	of := func(id string) string { return apikey.ScheduleRef{Locator: sampleOwner.Locator(), ID: id}.String() }
	shortest, longest := of("s"), of(strings.Repeat("s", 128))
	for _, test := range []struct{ schema, fits, breaks string }{
		{"ScheduleId", strings.Repeat("s", 128), strings.Repeat("s", 129)},
		{"ScheduleId", "A.b_c-9", "a/b"},
		{"ScheduleId", "...", ".."},
		{"ScheduleId", ".a", "."},
		{"JobId", "nightly \u00fc", "nightly \ufffd"},
		{"ScheduleRef", shortest, shortest[:len(shortest)-1]},
		{"ScheduleRef", longest, longest + "0"},
		{"RunRef", sampleRunRef, sampleRunRef + "0"},
		{"RunRef", sampleRunRef, sampleRunRef[:len(sampleRunRef)-1]},
	} {
		if err := checkAgainst(c.schema(t, test.schema), `"`+test.fits+`"`); err != nil {
			t.Errorf("%s refuses %s: %v", test.schema, test.fits, err)
		}
		if checkAgainst(c.schema(t, test.schema), `"`+test.breaks+`"`) == nil {
			t.Errorf("%s allows %s", test.schema, test.breaks)
		}
	}
}

// A secret scanner, the contract and the code mean the same by a credential, and
// bounds are the same wherever they are written.
func TestBoundsOfTheContractAreThoseOfTheCode(t *testing.T) {
	c := loadContract(t)
	for _, pattern := range []struct{ where, got, want string }{
		{"Credential", c.schema(t, "Credential").Pattern, "^" + apikey.CredentialPattern + "$"},
		{"the length of Credential", fmt.Sprint(*c.schema(t, "Credential").MaxLength), fmt.Sprint(apikey.CredentialLength)},
		{"Keys.phasedOut", fmt.Sprint(*c.property(t, "Keys", "phasedOut").MaxItems), fmt.Sprint(apikey.MaxPhasedOut)},
		{"DeletedKeys.deleted", fmt.Sprint(*c.property(t, "DeletedKeys", "deleted").MaxItems), fmt.Sprint(apikey.MaxPhasedOut + 1)},
		{"Change.keys", fmt.Sprint(*c.property(t, "Change", "keys").MaxItems), fmt.Sprint(apikey.MaxPhasedOut + 1)},
		{"History.changes", fmt.Sprint(*c.property(t, "History", "changes").MaxItems), fmt.Sprint(httpapi.MaxPageLimit)},
		{"the most of limit", fmt.Sprint(*c.parameter(t, "Limit").Maximum), fmt.Sprint(httpapi.MaxPageLimit)},
		{"limit, unless it is given", c.parameter(t, "Limit").Default.Value, fmt.Sprint(httpapi.DefaultPageLimit)},
		{"Change.schedules", fmt.Sprint(*c.property(t, "Change", "schedules").MaxItems), fmt.Sprint(store.MaxSchedulesPerChange)},
		{"Schedules.schedules", fmt.Sprint(*c.property(t, "Schedules", "schedules").MaxItems), fmt.Sprint(httpapi.MaxPageLimit)},
		{"Affected.schedules", fmt.Sprint(*c.property(t, "Affected", "schedules").MaxItems), fmt.Sprint(apikey.MaxAffected)},
		{"Affected.runs", fmt.Sprint(*c.property(t, "Affected", "runs").MaxItems), fmt.Sprint(apikey.MaxAffected)},
		{"Affected.scheduleCount", fmt.Sprint(*c.property(t, "Affected", "scheduleCount").Maximum), fmt.Sprint(apikey.MaxSchedules)},
		{"MaxAgeDays", fmt.Sprint(*c.schema(t, "MaxAgeDays").Maximum), fmt.Sprint(apikey.MaxPolicyDays)},
		{"NoticeDays", fmt.Sprint(*c.schema(t, "NoticeDays").Maximum), fmt.Sprint(apikey.MaxPolicyDays - 1)},
		{"DeletePhasedOutAfterDays", fmt.Sprint(*c.schema(t, "DeletePhasedOutAfterDays").Maximum), fmt.Sprint(apikey.MaxPolicyDays)},
		{"Users.users", fmt.Sprint(*c.property(t, "Users", "users").MaxItems), fmt.Sprint(httpapi.MaxPageLimit)},
		{"User.phasedOutCount", fmt.Sprint(*c.property(t, "User", "phasedOutCount").Maximum), fmt.Sprint(apikey.MaxPhasedOut)},
		{"IamId", fmt.Sprint(*c.parameter(t, "IamId").MaxLength), fmt.Sprint(apikey.MaxIAMIDBytes)},
		{"JobId", fmt.Sprint(*c.schema(t, "JobId").MaxLength), fmt.Sprint(jobauth.MaxJobIDLength)},
		{"RunId", fmt.Sprint(*c.schema(t, "RunId").MaxLength), fmt.Sprint(jobauth.MaxRunIDLength)},
		{"Service", fmt.Sprint(*c.schema(t, "Service").MaxLength), fmt.Sprint(jobauth.MaxServiceLength)},
		{"LeaseSeconds", fmt.Sprint(*c.schema(t, "LeaseSeconds").Maximum), fmt.Sprint(int(jobauth.MaxLease.Seconds()))},
		{"LeaseSeconds, unless it is given", c.schema(t, "LeaseSeconds").Default.Value, fmt.Sprint(int(jobauth.DefaultLease.Seconds()))},
		{"Owner.accountId", fmt.Sprint(*c.property(t, "Owner", "accountId").MaxLength), fmt.Sprint(apikey.MaxAccountIDBytes)},
		{"Owner.iamId", fmt.Sprint(*c.property(t, "Owner", "iamId").MaxLength), fmt.Sprint(apikey.MaxIAMIDBytes)},
		{"Owner.username", fmt.Sprint(*c.property(t, "Owner", "username").MaxLength), fmt.Sprint(apikey.MaxUsernameBytes)},
	} {
		if pattern.got != pattern.want {
			t.Errorf("%s: the contract has %s, the code %s", pattern.where, pattern.got, pattern.want)
		}
	}
}
