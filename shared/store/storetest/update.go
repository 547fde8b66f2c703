package storetest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

type updateRequest struct {
	condition
	Key              item
	UpdateExpression string
	ReturnValues     string
}

func (e *Engine) updateItem(body []byte) (any, *refusal) {
	var request updateRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	key, err := e.keyOf(request.TableName, request.Key)
	if err != nil {
		return nil, err
	}
	if err := request.check(request.ConditionExpression, request.UpdateExpression); err != nil {
		return nil, invalid(err.Error())
	}
	before := e.items.byKey[key]
	after := maps.Clone(before)
	if after == nil {
		after = maps.Clone(request.Key)
	}
	// A wrong expression is refused whether the condition holds or not.
	if err := request.apply(before, after); err != nil {
		return nil, invalid(err.Error())
	}
	if request.ReturnValues != "ALL_NEW" && request.ReturnValues != "" {
		return nil, invalid("the engine returns ALL_NEW or nothing")
	}
	if err := e.await(request.condition, key); err != nil {
		return nil, err
	}
	if err := fits(after); err != nil {
		return nil, err
	}
	e.write(key, after)
	if request.ReturnValues == "ALL_NEW" {
		return map[string]any{"Attributes": after}, nil
	}
	return map[string]any{}, nil
}

// apply carries out the update expression: SET of attributes to values or to
// if_not_exists(attribute, value), then REMOVE of attributes. Every value is as
// it was before.
func (u updateRequest) apply(before, after item) error {
	sets, removes, _ := strings.Cut(u.UpdateExpression, " REMOVE ")
	assignments, isSet := strings.CutPrefix(sets, "SET ")
	if !isSet {
		return fmt.Errorf("the engine does not understand the update %q", u.UpdateExpression)
	}
	changed := map[string]bool{"pk": true, "sk": true}
	change := func(term string) (string, error) {
		name, err := u.nameOf(term)
		if err == nil && changed[name] {
			err = errors.New("a document path is part of the key, or overlaps with another: " + name)
		}
		changed[name] = true
		return name, err
	}
	for _, assignment := range splitTerms(assignments) {
		term, assigned, _ := strings.Cut(assignment, " = ")
		name, err := change(term)
		if err != nil {
			return err
		}
		if after[name], err = u.assigned(assigned, before); err != nil {
			return err
		}
	}
	if removes == "" {
		return nil
	}
	for term := range strings.SplitSeq(removes, ", ") {
		name, err := change(term)
		if err != nil {
			return err
		}
		delete(after, name)
	}
	return nil
}

func (u updateRequest) assigned(term string, before item) (value, error) {
	inner, hasDefault := strings.CutPrefix(term, "if_not_exists(")
	if !hasDefault {
		return u.valueOf(term)
	}
	first, fallback, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
	name, err := u.nameOf(first)
	if err != nil {
		return nil, err
	}
	otherwise, err := u.valueOf(fallback)
	if existing, exists := before[name]; exists {
		return existing, err
	}
	return otherwise, err
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
