package storetest

import (
	"fmt"
	"strings"
)

// apply carries out the update expression: SET of attributes to values or to
// if_not_exists(attribute, value), then REMOVE of attributes.
func (u updateRequest) apply(it item) error {
	sets, removes, _ := strings.Cut(u.UpdateExpression, " REMOVE ")
	assignments, isSet := strings.CutPrefix(sets, "SET ")
	if !isSet {
		return fmt.Errorf("the engine does not understand the update %q", u.UpdateExpression)
	}
	for _, assignment := range splitTerms(assignments) {
		name, term, ok := strings.Cut(assignment, " = ")
		if !ok {
			return fmt.Errorf("the engine does not understand the assignment %q", assignment)
		}
		assigned, ok := u.valueOf(term, it)
		if !ok {
			return fmt.Errorf("the engine does not understand %q, or a value is not given", term)
		}
		it[u.resolve(name)] = assigned
	}
	if removes != "" {
		for name := range strings.SplitSeq(removes, ", ") {
			delete(it, u.resolve(name))
		}
	}
	return nil
}

func (u updateRequest) valueOf(term string, it item) (value, bool) {
	inner, hasDefault := strings.CutPrefix(term, "if_not_exists(")
	if !hasDefault {
		assigned, given := u.ExpressionAttributeValues[term]
		return assigned, given
	}
	name, fallback, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
	if existing, exists := it[u.resolve(name)]; exists {
		return existing, true
	}
	assigned, given := u.ExpressionAttributeValues[fallback]
	return assigned, given
}

// splitTerms splits at commas that are not within brackets.
func splitTerms(list string) (terms []string) {
	depth, start := 0, 0
	for i, c := range list {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			terms = append(terms, strings.TrimSpace(list[start:i]))
			start = i + 1
		}
	}
	return append(terms, strings.TrimSpace(list[start:]))
}

// resolve is the attribute's name, which a placeholder may stand for.
func (c condition) resolve(name string) string {
	if actual, ok := c.ExpressionAttributeNames[name]; ok {
		return actual
	}
	return name
}
