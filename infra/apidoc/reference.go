package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

const preface = `<!-- Written by infra/apidoc from infra/openapi.yaml; change that, and run ` + "`go generate ./infra/apidoc`" + `. -->

`

// reference is the document in the making.
type reference struct {
	contract *v3.Document
	text     bytes.Buffer
	// sections are the schemas that have one of their own: those that fields
	// refer to, and bodies of several operations.
	sections map[string]bool
	// everywhere are the headers that every answer has.
	everywhere []string
	// problems are what the contract lacks for a reference.
	problems []string
}

// operation is one method of one path.
type operation struct {
	method, path string
	*v3.Operation
}

func newReference(contract *v3.Document) *reference {
	r := &reference{contract: contract}
	r.sections = r.findSections()
	r.everywhere = r.findCommonHeaders()
	return r
}

func (r *reference) write() ([]byte, error) {
	info := r.contract.Info
	r.print("%s# %s: API reference\n\n%s\n\n%s\n", preface, info.Title, info.Summary, strings.TrimSpace(info.Description))
	r.print("\n## Operations\n\n| request | what it does | who may |\n| --- | --- | --- |\n")
	for _, op := range r.operations() {
		r.print("| %s `%s` | [%s](#%s) | %s |\n", op.method, op.path, op.Summary, anchor(op.Summary), op.roles())
	}
	r.print("\n%s come with every answer. Other headers are named with the answers that they come with, and explained under [Headers](#headers). The body of a refusal is a [Problem](#problem).\n", inCode(r.everywhere))
	for _, tag := range r.contract.Tags {
		r.print("\n## %s\n\n%s\n", tag.Name, tag.Description)
		for _, op := range r.operations() {
			if slices.Contains(op.Tags, tag.Name) {
				r.writeOperation(op)
			}
		}
	}
	r.writeStrayAnswers()
	r.writeHeaders()
	r.writeTypes()
	r.checkLinks()
	if len(r.problems) > 0 {
		return nil, errors.New(strings.Join(r.problems, "\n"))
	}
	return r.text.Bytes(), nil
}

func (r *reference) print(format string, arguments ...any) {
	fmt.Fprintf(&r.text, format, arguments...)
}

func (r *reference) operations() []operation {
	var all []operation
	for path, item := range r.contract.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			all = append(all, operation{strings.ToUpper(method), path, op})
		}
	}
	return all
}

// findSections counts how often schemas are referred to.
func (r *reference) findSections() map[string]bool {
	sections, bodies := map[string]bool{}, map[string]int{}
	for _, schema := range r.contract.Components.Schemas.FromOldest() {
		for name := range referencesFromFields(schema.Schema()) {
			sections[name] = true
		}
	}
	for _, op := range r.operations() {
		if op.RequestBody != nil {
			bodies[nameOf(bodyOf(op.RequestBody.Content))]++
		}
		for _, response := range op.Responses.Codes.FromOldest() {
			if body := bodyOf(response.Content); body != nil {
				bodies[nameOf(body)]++
			}
		}
	}
	for name, times := range bodies {
		sections[name] = sections[name] || times > 1
	}
	for name := range sections {
		if schema := r.contract.Components.Schemas.GetOrZero(name); schema == nil || !isObject(schema) {
			delete(sections, name)
		}
	}
	return sections
}

// referencesFromFields are the schemas that a schema's fields refer to, at any depth.
func referencesFromFields(schema *base.Schema) map[string]bool {
	found := map[string]bool{}
	var field func(*base.SchemaProxy)
	field = func(proxy *base.SchemaProxy) {
		if proxy.IsReference() {
			found[nameOf(proxy)] = true
			return
		}
		inner := proxy.Schema()
		for _, part := range slices.Concat(inner.AllOf, inner.OneOf) {
			field(part)
		}
		if inner.Items != nil && inner.Items.IsA() {
			field(inner.Items.A)
		}
		for _, deeper := range inner.Properties.FromOldest() {
			field(deeper)
		}
	}
	for _, part := range schema.AllOf {
		if part.IsReference() {
			found[nameOf(part)] = true
		}
	}
	for _, property := range schema.Properties.FromOldest() {
		field(property)
	}
	return found
}

func (r *reference) findCommonHeaders() []string {
	var common []string
	for i, op := range r.operations() {
		j := 0
		for _, response := range op.Responses.Codes.FromOldest() {
			names := slices.Collect(response.Headers.KeysFromOldest())
			if i == 0 && j == 0 {
				common = names
			}
			common = slices.DeleteFunc(common, func(name string) bool { return !slices.Contains(names, name) })
			j++
		}
	}
	return common
}

var (
	headingLine = regexp.MustCompile(`(?m)^#+ (.+)$`)
	localLink   = regexp.MustCompile(`\]\(#([^)]+)\)`)
	unanchored  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchor is what a heading is linked by.
func anchor(heading string) string {
	return strings.ReplaceAll(unanchored.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// checkLinks finds headings of one name, and links to none.
func (r *reference) checkLinks() {
	headings := map[string]bool{}
	for _, heading := range headingLine.FindAllStringSubmatch(r.text.String(), -1) {
		name := anchor(heading[1])
		if headings[name] {
			r.problems = append(r.problems, fmt.Sprintf("two headings are named %q", heading[1]))
		}
		headings[name] = true
	}
	for _, link := range localLink.FindAllStringSubmatch(r.text.String(), -1) {
		if !headings[link[1]] {
			r.problems = append(r.problems, fmt.Sprintf("there is a link to #%s, and no such heading", link[1]))
		}
	}
}
