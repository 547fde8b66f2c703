package storetest

import (
	"fmt"
	"strconv"
	"strings"
)

// evaluate answers the condition expression: comparisons of an attribute with a
// value, attribute_exists and attribute_not_exists, joined by AND and OR, of
// which AND binds tighter.
func (c condition) evaluate(it item) (bool, error) {
	if c.ConditionExpression == "" {
		return true, nil
	}
	for alternative := range strings.SplitSeq(c.ConditionExpression, " OR ") {
		holds := true
		for term := range strings.SplitSeq(alternative, " AND ") {
			termHolds, err := c.evaluateTerm(strings.TrimSpace(term), it)
			if err != nil {
				return false, err
			}
			holds = holds && termHolds
		}
		if holds {
			return true, nil
		}
	}
	return false, nil
}

func (c condition) evaluateTerm(term string, it item) (bool, error) {
	for function, want := range map[string]bool{"attribute_exists(": true, "attribute_not_exists(": false} {
		if name, ok := strings.CutPrefix(term, function); ok && strings.HasSuffix(name, ")") {
			_, exists := it[c.resolve(strings.TrimSuffix(name, ")"))]
			return exists == want, nil
		}
	}
	parts := strings.Fields(term)
	if len(parts) != 3 {
		return false, fmt.Errorf("the engine does not understand the condition %q", term)
	}
	operand, ok := c.ExpressionAttributeValues[parts[2]]
	if !ok {
		return false, fmt.Errorf("the value %s is not given", parts[2])
	}
	attribute, ok := it[c.resolve(parts[0])]
	if !ok {
		return false, nil
	}
	if text, isText := operand["S"]; isText && parts[1] == "=" {
		return attribute["S"] == text, nil
	}
	left, leftErr := number(attribute)
	right, rightErr := number(operand)
	if leftErr != nil || rightErr != nil {
		return false, fmt.Errorf("the engine cannot compare %q", term)
	}
	switch parts[1] {
	case ">":
		return left > right, nil
	case "=":
		return left == right, nil
	case "<=":
		return left <= right, nil
	}
	return false, fmt.Errorf("the engine does not know the operator %s", parts[1])
}

func number(v value) (int64, error) {
	text, _ := v["N"].(string)
	return strconv.ParseInt(text, 10, 64)
}
