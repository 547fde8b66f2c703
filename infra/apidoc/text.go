package main

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/pb33f/go-yaml"
)

// inCode lists words in the type of code.
func inCode(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

// inItem is a text that may have lists of its own, within an item of a list.
func inItem(text string, depth int) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+strings.Repeat("  ", depth+1))
}

// inCell is a text in one line, for a table.
func inCell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

const lineWidth = 100

// asJSON is an example as JSON, in the order in which the contract has it;
// what fits on a line stands on one.
func asJSON(node *yaml.Node) string { return indented(node, 0) }

func indented(node *yaml.Node, depth int) string {
	if line := inline(node); depth*2+utf8.RuneCountInString(line) <= lineWidth || len(node.Content) == 0 {
		return line
	}
	var parts []string
	opening, closing := "[", "]"
	if node.Kind == yaml.MappingNode {
		opening, closing = "{", "}"
		for i := 0; i+1 < len(node.Content); i += 2 {
			parts = append(parts, quoted(node.Content[i].Value)+": "+indented(node.Content[i+1], depth+1))
		}
	} else {
		for _, item := range node.Content {
			parts = append(parts, indented(item, depth+1))
		}
	}
	margin := "\n" + strings.Repeat("  ", depth)
	return opening + margin + "  " + strings.Join(parts, ","+margin+"  ") + margin + closing
}

func inline(node *yaml.Node) string {
	var parts []string
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			parts = append(parts, quoted(node.Content[i].Value)+": "+inline(node.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, item := range node.Content {
			parts = append(parts, inline(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		if node.ShortTag() == "!!str" {
			return quoted(node.Value)
		}
		return node.Value // a number, true, false or null, which YAML writes as JSON does
	}
}

func quoted(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // no text fails to be encoded
	}
	return string(encoded)
}
