package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
)

type content = *orderedmap.Map[string, *v3.MediaType]

func (r *reference) writeOperation(op operation) {
	r.print("\n### %s\n\n`%s %s`\n\n%s\n\n**Who may:** %s\n", op.Summary, op.method, op.path, strings.TrimSpace(op.Description), op.roles())
	if len(op.Parameters) > 0 {
		r.print("\n**Parameters**\n\n")
		for _, parameter := range op.Parameters {
			need := "in the " + parameter.In
			if parameter.In == "header" {
				need = "a header"
			}
			if parameter.Required == nil || !*parameter.Required {
				need += ", optional"
			}
			r.print("- `%s` (%s; %s): %s\n", parameter.Name, need, r.kind(parameter.Schema), inItem(parameter.Description, 0))
		}
	}
	if op.RequestBody != nil {
		need := "optional"
		if op.RequestBody.Required != nil && *op.RequestBody.Required {
			need = "required"
		}
		r.print("\n**Body** (%s): %s", need, strings.TrimSpace(op.RequestBody.Description))
		r.writeBody(bodyOf(op.RequestBody.Content))
	}
	r.writeAnswers(op)
	r.writeExample(op)
}

// roles are those of which a caller needs one.
func (o operation) roles() string {
	var roles []string
	for _, requirement := range o.Security {
		for _, role := range requirement.Requirements.GetOrZero("bearer") {
			roles = append(roles, "`"+role+"`")
		}
	}
	return strings.Join(roles, " or ")
}

func bodyOf(media content) *base.SchemaProxy {
	if media == nil || media.GetOrZero(mediaJSON) == nil {
		return nil
	}
	return media.GetOrZero(mediaJSON).Schema
}

// hasFields tells of a body whether anything can be in it.
func hasFields(body *base.SchemaProxy) bool {
	schema := body.Schema()
	return len(schema.AllOf) > 0 || schema.Properties != nil && schema.Properties.Len() > 0
}

// writeBody ends the line with a link to the body's section, or lists its fields.
func (r *reference) writeBody(body *base.SchemaProxy) {
	switch {
	case body == nil:
		r.print("\n")
	case !hasFields(body):
		r.print("\n")
	case r.sections[nameOf(body)]:
		r.print(" Its body: %s.\n", r.kind(body))
	default:
		r.print("\n\n")
		r.writeFields(body.Schema(), 0)
	}
}

func (r *reference) writeAnswers(op operation) {
	for status, response := range op.Responses.Codes.FromOldest() {
		if problemOf(response) == nil {
			r.print("\n**Answer %s:** %s%s", status, strings.TrimSpace(response.Description), r.withHeaders(response))
			r.writeBody(bodyOf(response.Content))
			r.writeLinks(response)
		}
	}
	r.print("\n**Refusals**\n\n| status | code | when |\n| --- | --- | --- |\n")
	for status, response := range op.Responses.Codes.FromOldest() {
		r.writeRefusal(status, response)
	}
}

// writeLinks lists what is done next with what was answered.
func (r *reference) writeLinks(response *v3.Response) {
	separator := "\nWhat may follow:\n\n"
	for name, link := range response.Links.FromOldest() {
		at := slices.IndexFunc(r.operations(), func(op operation) bool { return op.OperationId == link.OperationId })
		if at < 0 {
			r.problems = append(r.problems, "the link "+name+" leads to no operation")
			continue
		}
		summary := r.operations()[at].Summary
		r.print("%s- [%s](#%s): %s\n", separator, summary, anchor(summary), link.Description)
		separator = ""
	}
}

func (r *reference) writeRefusal(status string, response *v3.Response) {
	if problemOf(response) == nil {
		return
	}
	var codes []string
	for _, code := range narrowedTo(response, "code") {
		codes = append(codes, fmt.Sprintf("[%s](problems.md#%s)", code, code))
	}
	r.print("| %s | %s | %s%s |\n", status, strings.Join(codes, ", "), inCell(response.Description), r.withHeaders(response))
}

// problemOf is what an answer that refuses has as body; nil of one that does not.
func problemOf(response *v3.Response) *v3.MediaType {
	if response.Content == nil {
		return nil
	}
	return response.Content.GetOrZero(mediaProblem)
}

// narrowedTo are the values that a refusal narrows a field of a problem to.
func narrowedTo(response *v3.Response, field string) []string {
	media := problemOf(response)
	if media == nil {
		return nil
	}
	for _, part := range media.Schema.Schema().AllOf {
		if part.IsReference() {
			continue
		}
		if schema := part.Schema().Properties.GetOrZero(field); schema != nil {
			return allowed(schema.Schema())
		}
	}
	return nil
}

// withHeaders names the headers that not every answer has and the description does not name.
func (r *reference) withHeaders(response *v3.Response) string {
	var names []string
	for name := range response.Headers.FromOldest() {
		if !slices.Contains(r.everywhere, name) && !strings.Contains(response.Description, "`"+name+"`") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " With " + inCode(names) + "."
}

// writeExample shows the first request of the contract, and the first answer.
func (r *reference) writeExample(op operation) {
	path := op.path
	for _, parameter := range op.Parameters {
		if parameter.In == "path" {
			path = strings.ReplaceAll(path, "{"+parameter.Name+"}", parameter.Example.Value)
		}
	}
	r.print("\n**Example**\n\n```http\n%s %s\nAuthorization: Bearer …\n", op.method, path)
	if op.RequestBody != nil && hasFields(bodyOf(op.RequestBody.Content)) {
		r.print("Content-Type: %s\n\n%s\n", mediaJSON, firstExample(op.RequestBody.Content))
	}
	r.print("```\n")
	for status, response := range op.Responses.Codes.FromOldest() {
		if response.Content == nil {
			r.print("\nis answered with status %s, and no body.\n", status)
		} else {
			r.print("\nis answered with status %s:\n\n```json\n%s\n```\n", status, firstExample(response.Content))
		}
		return
	}
}

func firstExample(media content) string {
	for _, example := range media.GetOrZero(mediaJSON).Examples.FromOldest() {
		return asJSON(example.Value)
	}
	return ""
}

// writeStrayAnswers tells of the answers that are no operation's.
func (r *reference) writeStrayAnswers() {
	told := map[string]bool{}
	for _, op := range r.operations() {
		for _, response := range op.Responses.Codes.FromOldest() {
			for _, code := range narrowedTo(response, "code") {
				told[code] = true
			}
		}
	}
	r.print("\n## Any other request\n\n| answer | status | code | when |\n| --- | --- | --- | --- |\n")
	for name, response := range r.contract.Components.Responses.FromOldest() {
		codes := narrowedTo(response, "code")
		if len(codes) == 0 || told[codes[0]] {
			continue
		}
		r.print("| %s ", name)
		r.writeRefusal(strings.Join(narrowedTo(response, "status"), ", "), response)
	}
}

func (r *reference) writeHeaders() {
	r.print("\n## Headers\n\n")
	told := map[string]bool{}
	for _, op := range r.operations() {
		for _, response := range op.Responses.Codes.FromOldest() {
			for name, header := range response.Headers.FromOldest() {
				if !told[name] {
					r.print("- `%s`: %s Example: `%s`\n", name, inItem(header.Description, 0), header.Example.Value)
				}
				told[name] = true
			}
		}
	}
}
