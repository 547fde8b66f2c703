package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi/datamodel/high/base"
)

func (r *reference) writeTypes() {
	r.print("\n## Types\n")
	for name, schema := range r.contract.Components.Schemas.FromOldest() {
		if !r.sections[name] {
			continue
		}
		r.print("\n### %s\n\n%s\n\n", name, strings.TrimSpace(schema.Schema().Description))
		r.writeFields(schema.Schema(), 0)
	}
}

// writeFields lists what is in an object; one that narrows another refers to it.
func (r *reference) writeFields(schema *base.Schema, depth int) {
	if schema.Properties == nil || schema.Properties.Len() == 0 {
		for _, part := range schema.AllOf {
			if part.IsReference() {
				r.print("It has the fields of %s.\n", r.kind(part))
				return
			}
		}
		r.print("It has no fields.\n")
	}
	for name, property := range schema.Properties.FromOldest() {
		kind, text := r.kind(property), inItem(meaning(property), depth)
		switch {
		case text == "":
			r.problems = append(r.problems, "what "+name+" means is not described")
		case strings.HasPrefix(text, "- "): // which lists the words
			kind, text = "one of these"+unlessGiven(property.Schema()), "\n"+strings.Repeat("  ", depth+1)+text
		default:
			text = " " + text
		}
		if !slices.Contains(schema.Required, name) {
			kind += ", optional"
		}
		r.print("%s- `%s` (%s):%s\n", strings.Repeat("  ", depth), name, kind, text)
		if inline := inlineObject(property); inline != nil {
			r.writeFields(inline, depth+1)
		}
	}
}

// inlineObject is the object that a field, or an item of it, is, when it has no name.
func inlineObject(proxy *base.SchemaProxy) *base.Schema {
	if proxy.IsReference() {
		return nil
	}
	schema := proxy.Schema()
	if schema.Items != nil && schema.Items.IsA() {
		return inlineObject(schema.Items.A)
	}
	if slices.Contains(schema.Type, "object") {
		return schema
	}
	return nil
}

// meaning is a field's own description, or else that of its type.
func meaning(proxy *base.SchemaProxy) string {
	schema := proxy.Schema()
	if schema.Description != "" {
		return schema.Description
	}
	for _, part := range slices.Concat(schema.AllOf, schema.OneOf) {
		if text := meaning(part); text != "" {
			return text
		}
	}
	return ""
}

// nameOf is the name of the schema that is referred to.
func nameOf(proxy *base.SchemaProxy) string {
	if proxy == nil || !proxy.IsReference() {
		return ""
	}
	return path.Base(proxy.GetReference())
}

func isObject(proxy *base.SchemaProxy) bool {
	schema := proxy.Schema()
	return slices.Contains(schema.Type, "object") || slices.ContainsFunc(schema.AllOf, isObject)
}

// kind tells in words what values a schema allows.
func (r *reference) kind(proxy *base.SchemaProxy) string {
	if name := nameOf(proxy); r.sections[name] {
		return fmt.Sprintf("[%s](#%s)", name, anchor(name))
	}
	schema := proxy.Schema()
	switch {
	case len(schema.AllOf) > 0 && len(schema.Type) == 0:
		return r.kind(schema.AllOf[0]) + narrowing(schema.AllOf[1:]) + unlessGiven(schema)
	case len(schema.OneOf) > 0 && len(schema.Type) == 0:
		var kinds []string
		for _, part := range schema.OneOf {
			kinds = append(kinds, r.kind(part))
		}
		return strings.Join(kinds, " or ")
	}
	var kinds []string
	for _, name := range schema.Type {
		kinds = append(kinds, r.kindOfType(name, schema))
	}
	return strings.Join(kinds, " or ") + unlessGiven(schema)
}

func (r *reference) kindOfType(name string, schema *base.Schema) string {
	switch name {
	case "string":
		return textKind(schema)
	case "integer":
		return "whole number" + span(schema.Minimum, schema.Maximum)
	case "boolean":
		if values := allowed(schema); len(values) > 0 {
			return inCode(values)
		}
		return "true or false"
	case "array":
		items := ""
		if schema.Items != nil && schema.Items.IsA() {
			items = r.kind(schema.Items.A)
		}
		return "list of " + items + span(schema.MinItems, schema.MaxItems)
	}
	return name
}

func textKind(schema *base.Schema) string {
	switch {
	case len(allowed(schema)) > 0:
		return inCode(allowed(schema))
	case schema.Format == "uuid":
		return "UUID"
	case schema.Format == "date-time":
		return "time"
	case schema.MinLength != nil && *schema.MinLength == 1 && schema.MaxLength == nil:
		return "text, not empty"
	case schema.MinLength != nil || schema.MaxLength != nil:
		return "text of" + strings.TrimPrefix(span(schema.MinLength, schema.MaxLength), ",") + " characters"
	}
	return "text"
}

// narrowing tells of the values that fields are narrowed to.
func narrowing(parts []*base.SchemaProxy) string {
	var told []string
	for _, part := range parts {
		for name, property := range part.Schema().Properties.FromOldest() {
			if values := allowed(property.Schema()); len(values) > 0 {
				told = append(told, inCode([]string{name})+" "+inCode(values))
			}
		}
	}
	if len(told) == 0 {
		return ""
	}
	return " with " + strings.Join(told, " and ")
}

func unlessGiven(schema *base.Schema) string {
	if schema.Default == nil {
		return ""
	}
	return ", " + schema.Default.Value + " unless given"
}

// span tells the least and the most of something.
func span[T int64 | float64](least, most *T) string {
	switch {
	case least != nil && most != nil && *least == *most:
		return fmt.Sprintf(", %v", *most)
	case least != nil && most != nil:
		return fmt.Sprintf(", %v to %v", *least, *most)
	case most != nil:
		return fmt.Sprintf(", at most %v", *most)
	case least != nil:
		return fmt.Sprintf(", at least %v", *least)
	}
	return ""
}

// allowed are the values of an enumeration, or the one value.
func allowed(schema *base.Schema) []string {
	var values []string
	for _, node := range schema.Enum {
		values = append(values, node.Value)
	}
	if schema.Const != nil {
		values = append(values, schema.Const.Value)
	}
	return values
}
