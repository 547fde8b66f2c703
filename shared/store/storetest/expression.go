package storetest

import (
	"fmt"
	"regexp"
	"strings"
)

// operands are what a request's expressions refer to: #names and :values.
type operands struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]value
}

var (
	placeholders = regexp.MustCompile(`[#:]\w+`)
	words        = regexp.MustCompile(`(?:^|[^\w#:])([A-Za-z_]\w*)`)
)

// reserved are some of DynamoDB's reserved words: what an attribute here is
// called, or could be. The emulator knows them all. An expression names such an
// attribute through a placeholder only.
var reserved = " action comment count counter data date day first hash hold key keys last level local name owner role roles" +
	" schema source start state status text time timestamp token total ttl type use user users uuid value values zone "

// check refuses, as DynamoDB does before it looks at any item, expressions whose
// placeholders are not exactly those that are given, and reserved words.
func (o operands) check(expressions ...string) error {
	if o.ExpressionAttributeNames != nil && len(o.ExpressionAttributeNames) == 0 ||
		o.ExpressionAttributeValues != nil && len(o.ExpressionAttributeValues) == 0 {
		return fmt.Errorf("ExpressionAttributeNames and ExpressionAttributeValues must not be empty")
	}
	used := map[string]bool{}
	for _, expression := range expressions {
		for _, placeholder := range placeholders.FindAllString(expression, -1) {
			_, isName := o.ExpressionAttributeNames[placeholder]
			_, isValue := o.ExpressionAttributeValues[placeholder]
			if !isName && !isValue {
				return fmt.Errorf("an expression uses %s, which is not defined", placeholder)
			}
			used[placeholder] = true
		}
		for _, word := range words.FindAllStringSubmatch(expression, -1) {
			if strings.Contains(reserved, " "+strings.ToLower(word[1])+" ") {
				return fmt.Errorf("attribute name is a reserved keyword: %s", word[1])
			}
		}
	}
	for name := range o.ExpressionAttributeNames {
		if !used[name] {
			return fmt.Errorf("ExpressionAttributeNames has %s, which no expression uses", name)
		}
	}
	for name := range o.ExpressionAttributeValues {
		if !used[name] {
			return fmt.Errorf("ExpressionAttributeValues has %s, which no expression uses", name)
		}
	}
	return nil
}

var bareName = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// nameOf is the attribute that an expression names, itself or by a placeholder.
func (o operands) nameOf(term string) (string, error) {
	if strings.HasPrefix(term, "#") {
		if name, given := o.ExpressionAttributeNames[term]; given {
			return name, nil
		}
	} else if bareName.MatchString(term) {
		return term, nil
	}
	return "", fmt.Errorf("the engine does not understand the attribute %q", term)
}

// valueOf is the value that an expression has in a place.
func (o operands) valueOf(term string) (value, error) {
	if given, ok := o.ExpressionAttributeValues[term]; ok {
		return given, nil
	}
	return nil, fmt.Errorf("the engine does not understand the value %q", term)
}
