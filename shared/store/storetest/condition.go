package storetest

import (
	"fmt"
	"strconv"
	"strings"
)

// evaluate answers a condition expression: comparisons of an attribute with a
// value, attribute_exists and attribute_not_exists, joined by AND and OR, of
// which AND binds tighter.
func evaluate(expression string, it item, values map[string]value) (bool, error) {
	if expression == "" {
		return true, nil
	}
	for alternative := range strings.SplitSeq(expression, " OR ") {
		holds := true
		for term := range strings.SplitSeq(alternative, " AND ") {
			termHolds, err := evaluateTerm(strings.TrimSpace(term), it, values)
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

func evaluateTerm(term string, it item, values map[string]value) (bool, error) {
	for function, want := range map[string]bool{"attribute_exists(": true, "attribute_not_exists(": false} {
		if name, ok := strings.CutPrefix(term, function); ok && strings.HasSuffix(name, ")") {
			_, exists := it[strings.TrimSuffix(name, ")")]
			return exists == want, nil
		}
	}
	parts := strings.Fields(term)
	if len(parts) != 3 {
		return false, fmt.Errorf("the engine does not understand the condition %q", term)
	}
	operand, ok := values[parts[2]]
	if !ok {
		return false, fmt.Errorf("the value %s is not given", parts[2])
	}
	attribute, ok := it[parts[0]]
	if !ok {
		return false, nil
	}
	left, leftErr := number(attribute)
	right, rightErr := number(operand)
	if leftErr != nil || rightErr != nil {
		return false, fmt.Errorf("the engine compares numbers only: %q", term)
	}
	switch parts[1] {
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
