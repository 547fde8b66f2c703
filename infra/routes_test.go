package infra_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/go-yaml"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/httpapi"
)

var routedMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// stray are the template's paths for requests that no path of the API fits.
var stray = []string{"/", "/{proxy+}"}

// function is what a function's resource in the template says of its routes.
type function struct {
	Properties struct {
		Events map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Path   string `yaml:"Path"`
				Method string `yaml:"Method"`
			} `yaml:"Properties"`
		} `yaml:"Events"`
	} `yaml:"Properties"`
}

// templateRoutes tells which function the template sends each "METHOD /path" to.
var templateRoutes = sync.OnceValues(func() (map[string][]string, error) {
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		return nil, err
	}
	var template struct {
		Resources map[string]yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		return nil, err
	}
	routes := map[string][]string{}
	for name, resource := range template.Resources {
		if valueOf(&resource, "Type") != "AWS::Serverless::Function" {
			continue
		}
		var f function
		if err := resource.Decode(&f); err != nil {
			return nil, err
		}
		for _, event := range f.Properties.Events {
			if event.Type == "Api" {
				route := strings.ToUpper(event.Properties.Method) + " " + event.Properties.Path
				routes[route] = append(routes[route], name)
			}
		}
	}
	return routes, nil
})

func loadTemplateRoutes(t *testing.T) map[string][]string {
	t.Helper()
	routes, err := templateRoutes()
	if err != nil {
		t.Fatalf("template.yaml cannot be used: %v", err)
	}
	return routes
}

// What is proved within the functions' time is proved within the deployed one.
func TestProofsHaveTheTimeOfTheTemplate(t *testing.T) {
	var template struct {
		Globals struct {
			Function struct {
				Timeout int `yaml:"Timeout"`
			} `yaml:"Function"`
		} `yaml:"Globals"`
	}
	readTemplate(t, "../template.yaml", &template)
	if deployed := time.Duration(template.Globals.Function.Timeout) * time.Second; deployed != servicetest.FunctionTimeout {
		t.Errorf("template.yaml says %s, the proofs %s", deployed, servicetest.FunctionTimeout)
	}
}

func TestRoutesOfTheContractAreThoseOfTheCode(t *testing.T) {
	documented := map[string][]string{}
	for _, op := range loadContract(t).operations() {
		documented[op.path] = append(documented[op.path], op.method)
	}
	if diff := cmp.Diff(httpapi.Paths, documented, sorted); diff != "" {
		t.Errorf("in the code (-) and in the contract (+): %s", diff)
	}
}

// Every method of every path is routed, so that wrong ones are answered by us
// and not by the gateway; and each to one function only.
func TestTemplateRoutesEveryMethodOfEveryPath(t *testing.T) {
	routed := loadTemplateRoutes(t)
	var want []string
	for _, path := range slices.Concat(slices.Collect(maps.Keys(httpapi.Paths)), stray) {
		for _, method := range routedMethods {
			want = append(want, method+" "+path)
		}
	}
	if diff := cmp.Diff(want, slices.Collect(maps.Keys(routed)), sorted); diff != "" {
		t.Errorf("to be routed (-) and routed (+): %s", diff)
	}
	for route, functions := range routed {
		if len(functions) != 1 {
			t.Errorf("%s is routed to %v", route, functions)
		}
	}
}

// Every route is a statement in its function's resource policy, and Lambda takes
// no policy of more than 20 KB. Here each name is as long as it can be.
func TestResourcePoliciesHaveRoomForEveryRoute(t *testing.T) {
	const (
		most      = 20 << 10
		statement = `{"Sid":"%s","Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Action":"lambda:InvokeFunction",` +
			`"Resource":"arn:aws:lambda:ap-southeast-1:111122223333:function:%s",` +
			`"Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:execute-api:ap-southeast-1:111122223333:abcdefghij/*/%s"}}},`
		longestSid, longestName = 100, 64
	)
	sizes := map[string]int{}
	for route, functions := range loadTemplateRoutes(t) {
		for _, function := range functions {
			sizes[function] += len(fmt.Sprintf(statement, strings.Repeat("s", longestSid), strings.Repeat("n", longestName), route))
		}
	}
	if len(sizes) == 0 {
		t.Error("no function has a route")
	}
	for function, size := range sizes {
		if size > most {
			t.Errorf("the policy of %s can have %d bytes; give some of its routes to another function", function, size)
		}
	}
}

// The contract's operations are answered by the function that the template
// sends them to, and nothing else is: the answers to all other requests are
// the two that the contract describes for them.
func TestTemplateRoutesOperationsToTheirFunctions(t *testing.T) {
	c := loadContract(t)
	w := newWorld(t)
	documented := map[string]bool{}
	for _, op := range c.operations() {
		documented[op.route()] = true
		answer := w.send(call{operation: op, token: "none"})
		if answer.status != 401 {
			t.Errorf("%s is answered %d %s", op.route(), answer.status, answer.body)
		}
	}
	for route := range loadTemplateRoutes(t) {
		if documented[route] {
			continue
		}
		method, path, _ := strings.Cut(route, " ")
		response := "MethodNotAllowed"
		if slices.Contains(stray, path) {
			response = "UnknownPath"
		}
		answer := w.send(call{operation: operation{method: method, path: path}, token: "none"})
		component := c.model.Components.Responses.GetOrZero(response)
		if err := answer.fits(component); err != nil {
			t.Errorf("%s: %v", route, err)
		}
		if path == "/v1/user-api-keys" || response == "UnknownPath" {
			for name, example := range component.Content.GetOrZero("application/problem+json").Examples.FromOldest() {
				if diff := cmp.Diff(masked(asJSON(t, example.Value)), masked(answer.body)); diff != "" {
					t.Errorf("%s: the example %s (-) and the answer (+): %s", route, name, diff)
				}
			}
		}
		if want := strings.Join(httpapi.Paths[path], ", "); answer.headers["Allow"] != want {
			t.Errorf("%s: Allow is %q, not %q", route, answer.headers["Allow"], want)
		}
	}
}
