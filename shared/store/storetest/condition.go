package storetest

import (
	"fmt"
	"strconv"
	"strings"
)

// condition is what a write waits for.
type condition struct {
	operands
	TableName                           string
	ConditionExpression                 string
	ReturnValuesOnConditionCheckFailure string
}

// holds answers the condition expression: comparisons of an attribute with a
// value, attribute_exists and attribute_not_exists, joined by AND and OR, of
// which AND binds tighter.
func (c condition) holds(it item) (bool, *refusal) {
	if c.ConditionExpression == "" {
		return true, nil
	}
	holds := false
	for alternative := range strings.SplitSeq(c.ConditionExpression, " OR ") {
		all := true
		for term := range strings.SplitSeq(alternative, " AND ") {
			termHolds, err := c.termHolds(strings.TrimSpace(term), it)
			if err != nil {
				return false, invalid(err.Error())
			}
			all = all && termHolds
		}
		holds = holds || all
	}
	return holds, nil
}

func (c condition) termHolds(term string, it item) (bool, error) {
	for function, want := range map[string]bool{"attribute_exists(": true, "attribute_not_exists(": false} {
		if inner, ok := strings.CutPrefix(term, function); ok && strings.HasSuffix(inner, ")") {
			name, err := c.nameOf(strings.TrimSuffix(inner, ")"))
			_, exists := it[name]
			return exists == want, err
		}
	}
	parts := strings.Fields(term)
	if len(parts) != 3 {
		return false, fmt.Errorf("the engine does not understand the condition %q", term)
	}
	name, err := c.nameOf(parts[0])
	if err != nil {
		return false, err
	}
	operand, err := c.valueOf(parts[2])
	if err != nil {
		return false, err
	}
	return compare(it[name], parts[1], operand)
}

// compare is false for an attribute that is not there or of another type: that is
// no error on DynamoDB.
func compare(attribute value, operator string, operand value) (bool, error) {
	if text, isText := operand["S"].(string); isText && (operator == "=" || operator == "<") {
		is, ok := attribute["S"].(string)
		return ok && (operator == "=" && is == text || operator == "<" && is < text), nil
	}
	right, err := number(operand)
	if err != nil {
		return false, fmt.Errorf("the engine does not compare %s with %v", operator, operand)
	}
	left, err := number(attribute)
	isNumber := err == nil
	switch operator {
	case ">":
		return isNumber && left > right, nil
	case "=":
		return isNumber && left == right, nil
	case "<=":
		return isNumber && left <= right, nil
	case "<":
		return isNumber && left < right, nil
	}
	return false, fmt.Errorf("the engine does not know the operator %s", operator)
}

func number(v value) (int64, error) {
	text, _ := v["N"].(string)
	return strconv.ParseInt(text, 10, 64)
}
