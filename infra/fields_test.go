package infra_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi/datamodel/high/base"
)

// bodies are the types that the functions write answers with, or read requests
// into, and the schemas that tell of them.
var bodies = []struct {
	code    string
	schemas []string
}{
	{"functions/view.keysBody", []string{"Keys"}},
	{"functions/view.impactBody", []string{"Impact"}},
	{"functions/view.historyBody", []string{"History"}},
	{"functions/view.usersBody", []string{"Users"}},
	{"functions/create.createdBody", []string{"CreatedKey"}},
	{"functions/rotate.rotatedBody", []string{"RotatedKey"}},
	{"functions/rotate.policyBody", []string{"RotationPolicyChange"}},
	{"functions/delete.deletedBody", []string{"DeletedKeys"}},
	{"functions/schedules.listBody", []string{"Schedules"}},
	{"functions/schedules.bindingBody", []string{"ScheduleBinding"}},
	{"functions/schedules.rebindingBody", []string{"rebindSchedules request"}},
	{"functions/schedules.reboundBody", []string{"Rebound"}},
	{"functions/authorizer.requestBody", []string{"JobAuthorizationRequest"}},
	{"functions/authorizer.ownerBody", []string{"JobAuthorizationRequest.owner"}},
	{"functions/authorizer.renewalBody", []string{"renewRun request"}},
	{"functions/authorizer.decisionsBody", []string{"Decisions"}},
	{"functions/authorizer.decisionBody", []string{"Decision", "NoDecision", "Renewal"}},
	{"functions/authorizer.keyBody", []string{"DecidedKey"}},
	{"functions/authorizer.runBody", []string{"RunLease"}},
	{"functions/authorizer.secretBody", []string{"SecretVersion"}},
	{"shared/httpapi.Key", []string{"Key"}},
	{"shared/httpapi.Actor", []string{"Actor"}},
	{"shared/httpapi.Owner", []string{"Owner"}},
	{"shared/httpapi.Change", []string{"Change"}},
	{"shared/httpapi.BoundSchedule", []string{"Change.schedules"}},
	{"shared/httpapi.RotationPolicy", []string{"RotationPolicy"}},
	{"shared/httpapi.User", []string{"User"}},
	{"shared/httpapi.Schedule", []string{"Schedule"}},
	{"shared/httpapi.Run", []string{"Run"}},
	{"shared/httpapi.Affected", []string{"Affected"}},
	{"shared/httpapi.Problem", []string{"Problem"}},
	{"client.requestBody", []string{"JobAuthorizationRequest"}},
	{"client.OwnerRef", []string{"JobAuthorizationRequest.owner"}},
	{"client.Decision", []string{"Decision", "NoDecision", "Renewal"}},
	{"client.Key", []string{"DecidedKey"}},
	{"client.Owner", []string{"Owner"}},
	{"client.RunState", []string{"RunLease"}},
	{"client.SecretRef", []string{"SecretVersion"}},
}

var (
	// bodyPackages are where all of them are.
	bodyPackages = []string{
		"functions/view", "functions/create", "functions/rotate", "functions/delete", "functions/schedules", "functions/authorizer",
		"shared/httpapi", "client",
	}
	// otherTypes are no bodies of the API: events of direct invocations and of gateways.
	otherTypes = []string{"functions/authorizer.directBody", "functions/authorizer.gatewayEvent"}
	// requestTypes can tell null from nothing, which is for both left out.
	requestTypes = []string{
		"functions/rotate.policyBody", "functions/schedules.bindingBody", "functions/schedules.rebindingBody",
		"functions/authorizer.requestBody", "functions/authorizer.ownerBody", "functions/authorizer.renewalBody",
	}
)

// Every field of a body is in the contract and in the code, and one that an answer
// may lack is optional in both.
func TestFieldsOfTheContractAreThoseOfTheCode(t *testing.T) {
	c := loadContract(t)
	types := map[string]map[string]bool{}
	for _, folder := range bodyPackages {
		maps.Copy(types, jsonTypes(t, folder))
	}
	for _, name := range otherTypes {
		delete(types, name)
	}
	var compared []string
	for _, body := range bodies {
		compared = append(compared, body.schemas...)
		code, documented := types[body.code], c.fields(t, body.schemas)
		delete(types, body.code)
		if slices.Contains(requestTypes, body.code) {
			code, documented = allOptional(code), allOptional(documented)
		}
		if diff := cmp.Diff(code, documented); diff != "" {
			t.Errorf("%s in the code (-) and %v in the contract (+), true when optional: %s", body.code, body.schemas, diff)
		}
	}
	for name := range types {
		t.Errorf("%s is in the code, and is compared with no schema", name)
	}
	for name, schema := range c.model.Components.Schemas.FromOldest() {
		if schema.Schema().Properties != nil && !slices.Contains(compared, name) {
			t.Errorf("%s is in the contract, and is compared with no type", name)
		}
	}
}

// Batches are taken apart member by member, without a type.
func TestABatchHasNoOtherField(t *testing.T) {
	if diff := cmp.Diff(map[string]bool{"requests": false}, loadContract(t).fields(t, []string{"authorizeJobs request"})); diff != "" {
		t.Errorf("in the code (-) and in the contract (+), true when optional: %s", diff)
	}
}

// fields are those of an object that is one of the schemas; a field is optional
// when one of them may lack it.
func (c *contract) fields(t *testing.T, names []string) map[string]bool {
	t.Helper()
	fields := map[string]bool{}
	for i, name := range names {
		schema := c.schemaOf(t, name)
		for field := range schema.Properties.FromOldest() {
			_, had := fields[field]
			fields[field] = fields[field] || i > 0 && !had || !slices.Contains(schema.Required, field)
		}
		for field := range fields {
			fields[field] = fields[field] || schema.Properties.GetOrZero(field) == nil
		}
	}
	return fields
}

// schemaOf finds a component, an object within one, or an operation's request.
func (c *contract) schemaOf(t *testing.T, name string) *base.Schema {
	t.Helper()
	if id, ok := strings.CutSuffix(name, " request"); ok {
		return c.operation(t, id).RequestBody.Content.GetOrZero("application/json").Schema.Schema()
	}
	component, property, inner := strings.Cut(name, ".")
	if !inner {
		return c.schema(t, component)
	}
	schema := c.property(t, component, property)
	if schema.Items != nil {
		return schema.Items.A.Schema()
	}
	return schema
}

// jsonTypes are a package's structs that are written as JSON or read from it: the
// fields of each, and whether they may be left out.
func jsonTypes(t *testing.T, folder string) map[string]map[string]bool {
	t.Helper()
	types := map[string]map[string]bool{}
	for _, file := range sourceFiles(t, folder) {
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				if fields := jsonFields(t, structure); len(fields) > 0 {
					types[folder+"."+spec.Name.Name] = fields
				}
			}
			return true
		})
	}
	if len(types) == 0 {
		t.Errorf("%s has no types", folder)
	}
	return types
}

func sourceFiles(t *testing.T, folder string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func jsonFields(t *testing.T, structure *ast.StructType) map[string]bool {
	t.Helper()
	fields := map[string]bool{}
	for _, field := range structure.Fields.List {
		if field.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		if name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ","); name != "" {
			fields[name] = strings.Contains(options, "omit")
		}
	}
	return fields
}

func allOptional(fields map[string]bool) map[string]bool {
	all := map[string]bool{}
	for name := range fields {
		all[name] = true
	}
	return all
}
