package infra_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/go-yaml"
)

// resource is a resource of the template, as far as permissions go.
type resource struct {
	Type       string `yaml:"Type"`
	Properties struct {
		Role     yaml.Node `yaml:"Role"`
		Policies yaml.Node `yaml:"Policies"`
		Events   map[string]struct {
			Type string `yaml:"Type"`
		} `yaml:"Events"`

		AssumeRolePolicyDocument policy      `yaml:"AssumeRolePolicyDocument"`
		ManagedPolicyArns        []yaml.Node `yaml:"ManagedPolicyArns"`
		PermissionsBoundary      string      `yaml:"PermissionsBoundary"`
	} `yaml:"Properties"`
}

// policy is what a role may do, or who may take it.
type policy struct {
	Statement []statement `yaml:"Statement"`
}

// statement is one permission.
type statement struct {
	// OnlyIf is the template's condition that it hangs on; empty is always.
	OnlyIf string

	Effect    string                       `yaml:"Effect"`
	Action    actions                      `yaml:"Action"`
	Principal map[string]yaml.Node         `yaml:"Principal"`
	Resource  string                       `yaml:"Resource"`
	Condition map[string]map[string]string `yaml:"Condition"`
}

// UnmarshalYAML reads a statement, also one of `!If [condition, statement, !Ref AWS::NoValue]`.
func (s *statement) UnmarshalYAML(node *yaml.Node) error {
	type plain statement
	if node.Kind != yaml.SequenceNode {
		return node.Decode((*plain)(s))
	}
	if err := node.Content[1].Decode((*plain)(s)); err != nil {
		return err
	}
	s.OnlyIf = node.Content[0].Value
	if len(node.Content) != 3 || node.Content[2].Value != "AWS::NoValue" {
		s.Effect = "depends on " + s.OnlyIf
	}
	return nil
}

// actions are one or several, as a statement names them.
type actions []string

// UnmarshalYAML reads either.
func (a *actions) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*a = actions{node.Value}
		return nil
	}
	return node.Decode((*[]string)(a))
}

// loadResources are the template's resources by their logical ids.
func loadResources(t *testing.T) map[string]resource {
	t.Helper()
	resources := map[string]resource{}
	for name, node := range resourcesOf(t, "../template.yaml") {
		r := resource{Type: valueOf(&node, "Type")}
		switch r.Type {
		case "AWS::Serverless::Function", "AWS::IAM::Role":
			if err := node.Decode(&r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		resources[name] = r
	}
	return resources
}

// permissions are the statements of a role's own policies.
func (r resource) permissions(t *testing.T) []statement {
	t.Helper()
	var policies []struct {
		PolicyDocument policy `yaml:"PolicyDocument"`
	}
	if err := r.Properties.Policies.Decode(&policies); err != nil {
		t.Fatal(err)
	}
	var all []statement
	for _, p := range policies {
		all = append(all, p.PolicyDocument.Statement...)
	}
	return all
}

// dataActions are the actions that a role permits on data.
func (r resource) dataActions(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, s := range r.permissions(t) {
		for _, action := range s.Action {
			if service, _, _ := strings.Cut(action, ":"); !slices.Contains(ofTheRuntime, service) {
				all = append(all, action)
			}
		}
	}
	return all
}

// ofTheRuntime are the services that Lambda, or another service in the function's
// name, calls.
var ofTheRuntime = []string{"kms", "logs", "xray"}

// permittedActions are the actions on data that each role of the template permits.
func permittedActions(t *testing.T) map[string][]string {
	t.Helper()
	permitted := map[string][]string{}
	for name, r := range loadResources(t) {
		if r.Type == "AWS::IAM::Role" {
			permitted[name] = r.dataActions(t)
		}
	}
	return permitted
}
