package storetest

import (
	"math"
	"regexp"
	"strings"
)

type scanRequest struct {
	operands
	TableName         string
	FilterExpression  string
	ConsistentRead    bool
	ExclusiveStartKey item
}

// filterExpression is of items whose attribute is between two texts and whose
// sort key begins with one of some.
var filterExpression = regexp.MustCompile(
	`^(\w+) BETWEEN (:\w+) AND (:\w+) AND \((begins_with\(sk, :\w+\)(?: OR begins_with\(sk, :\w+\))*)\)$`)

// sameSortKey is of items of one sort key.
var sameSortKey = regexp.MustCompile(`^sk = (:\w+)$`)

// scan reads the table. A page ends where it has read enough, whatever the filter
// lets pass of that.
func (e *Engine) scan(body []byte) (any, *refusal) {
	var request scanRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	if request.TableName != Table {
		return nil, invalid("no such table")
	}
	filter, err := request.filter()
	if err != nil {
		return nil, err
	}
	partition, behind := "", ""
	if start := request.ExclusiveStartKey; start != nil {
		if behind, err = e.keyOf(Table, start); err != nil {
			return nil, err
		}
		if len(start) != len(tableKey(start)) {
			return nil, invalid("The provided starting key is invalid")
		}
		partition, _, _ = strings.Cut(behind, "\x00")
	}
	source := e.seen(request.ConsistentRead)
	return e.page(source, source.all(partition, behind), math.MaxInt, tableKey, filter), nil
}

func (r scanRequest) filter() (func(item) bool, *refusal) {
	if err := r.check(r.FilterExpression); err != nil {
		return nil, invalid(err.Error())
	}
	if terms := sameSortKey.FindStringSubmatch(r.FilterExpression); terms != nil {
		wanted, _ := r.ExpressionAttributeValues[terms[1]]["S"].(string)
		return func(it item) bool { sk, _ := it["sk"]["S"].(string); return sk == wanted }, nil
	}
	terms := filterExpression.FindStringSubmatch(r.FilterExpression)
	if terms == nil {
		return nil, invalid("the engine does not understand the filter " + r.FilterExpression)
	}
	textOf := func(name string) string {
		text, _ := r.ExpressionAttributeValues[name]["S"].(string)
		return text
	}
	first, last := textOf(terms[2]), textOf(terms[3])
	var beginnings []string
	for _, name := range placeholders.FindAllString(terms[4], -1) {
		beginnings = append(beginnings, textOf(name))
	}
	if first == "" || last == "" || first > last {
		return nil, invalid("the bounds of BETWEEN must be texts, in order")
	}
	return func(it item) bool {
		text, isText := it[terms[1]]["S"].(string)
		sk, _ := it["sk"]["S"].(string)
		for _, beginning := range beginnings {
			if strings.HasPrefix(sk, beginning) {
				return isText && first <= text && text <= last
			}
		}
		return false
	}, nil
}
