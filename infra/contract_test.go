// Package infra_test holds the service to its contract, openapi.yaml: the
// document is valid and complete, the routes, codes and reasons are those of the
// code, and every answer that it documents is given by the real functions, over
// in-memory engines of DynamoDB and Secrets Manager beneath the real SDK clients.
package infra_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

//go:embed openapi.yaml
var contractText []byte

// contract is openapi.yaml, read.
type contract struct {
	version   string
	model     *v3.Document
	validator validator.Validator
}

// theContract is read once: compiling its schemas takes a while.
var theContract = sync.OnceValues(func() (*contract, error) { return readContract(contractText) })

func readContract(text []byte) (*contract, error) {
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(document, strictly()...)
	if len(errs) > 0 {
		return nil, fmt.Errorf("no validator: %v", errs)
	}
	return &contract{version: document.GetVersion(), model: &model.Model, validator: v}, nil
}

// strictly makes what the contract does not declare an error: headers, query
// parameters and bodies; formats are checked too. Undeclared fields are left to
// the schemas, which are closed: the strict mode does not see through allOf.
func strictly() []config.Option {
	return []config.Option{
		config.WithStrictMode(),
		config.WithStrictIgnorePaths("$.body.**"),
		config.WithStrictIgnoredHeaders("Content-Type", "Authorization"),
		config.WithRejectUndeclaredRequestBody(),
		config.WithFormatAssertions(),
	}
}

func loadContract(t *testing.T) *contract {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatalf("openapi.yaml cannot be used: %v", err)
	}
	return c
}

// operation is one method of one path.
type operation struct {
	id, method, path string
	*v3.Operation
}

func (o operation) route() string { return o.method + " " + o.path }

// roles are those of which a caller needs one.
func (o operation) roles() []string {
	var roles []string
	for _, requirement := range o.Security {
		roles = append(roles, requirement.Requirements.GetOrZero("bearer")...)
	}
	return roles
}

func (c *contract) operations() []operation {
	var all []operation
	for path, item := range c.model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			all = append(all, operation{op.OperationId, strings.ToUpper(method), path, op})
		}
	}
	return all
}

func (c *contract) operation(t *testing.T, id string) operation {
	t.Helper()
	all := c.operations()
	at := slices.IndexFunc(all, func(o operation) bool { return o.id == id })
	if at < 0 {
		t.Fatalf("the contract has no operation %q", id)
	}
	return all[at]
}

// answers are the operation's responses by status.
func (o operation) answers() iter.Seq2[string, *v3.Response] { return o.Responses.Codes.FromOldest() }

// schema is the schema of a component.
func (c *contract) schema(t *testing.T, name string) *base.Schema {
	t.Helper()
	proxy := c.model.Components.Schemas.GetOrZero(name)
	if proxy == nil {
		t.Fatalf("the contract has no schema %q", name)
	}
	return proxy.Schema()
}

// property is the schema of a component's property.
func (c *contract) property(t *testing.T, name, property string) *base.Schema {
	t.Helper()
	proxy := c.schema(t, name).Properties.GetOrZero(property)
	if proxy == nil {
		t.Fatalf("the schema %s has no property %q", name, property)
	}
	return proxy.Schema()
}

// parameter is the schema of a component's parameter.
func (c *contract) parameter(t *testing.T, name string) *base.Schema {
	t.Helper()
	parameter := c.model.Components.Parameters.GetOrZero(name)
	if parameter == nil {
		t.Fatalf("the contract has no parameter %q", name)
	}
	return parameter.Schema.Schema()
}

// enum is the values that a schema allows.
func enum(schema *base.Schema) []string {
	var values []string
	for _, node := range schema.Enum {
		values = append(values, node.Value)
	}
	if schema.Const != nil {
		values = append(values, schema.Const.Value)
	}
	return values
}

// asJSON is an example's value as JSON.
func asJSON(t *testing.T, node *yaml.Node) string {
	t.Helper()
	if node == nil {
		t.Fatal("an example has no value")
	}
	var value any
	if err := node.Decode(&value); err != nil {
		t.Fatalf("an example cannot be read: %v", err)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("an example cannot be written as JSON: %v", err)
	}
	return string(encoded)
}

// checkAgainst holds a JSON text to a schema.
func checkAgainst(schema *base.Schema, text string) error {
	if ok, errs := schema_validation.NewSchemaValidator(config.WithFormatAssertions()).
		ValidateSchemaStringWithVersion(schema, text, 3.1); !ok {
		return asError(errs)
	}
	return nil
}

// asError tells what a validator complains about.
func asError(errs []*errors.ValidationError) error {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Message+": "+err.Reason)
		for _, failure := range err.SchemaValidationErrors {
			lines = append(lines, fmt.Sprintf("  %s: %s", strings.Join(failure.InstancePath, "."), failure.Reason))
		}
	}
	return fmt.Errorf("%s", strings.Join(lines, "\n"))
}
