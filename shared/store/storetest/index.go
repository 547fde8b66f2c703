package storetest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// schema is a global secondary index with the table's keys and its own in it
// (KEYS_ONLY).
type schema struct {
	hash, sort         string
	hashType, sortType string
}

// schemas are the indexes of template.yaml.
var schemas = map[string]schema{
	"ByAccount": {"accountOfRing", "iamId", "S", "S"},
	"ByDue":     {"due", "dueAt", "S", "N"},
}

// index is what an index has: not what the table has, but what it had when the
// index was asked last. So the first question after a change is answered as if
// there had been none, and the second one is not.
type index struct {
	schema

	entries *shelf
	// places tells where in the index an item is, by its key in the table.
	places map[string]place
	// behind are the items that were written since.
	behind map[string]bool
}

type place struct{ partition, key string }

func newIndexes() map[string]*index {
	indexes := map[string]*index{}
	for name, s := range schemas {
		indexes[name] = &index{schema: s, entries: newShelf(), places: map[string]place{}, behind: map[string]bool{}}
	}
	return indexes
}

// CatchUp brings the indexes to what the table has, as time does.
func (e *Engine) CatchUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.indexes {
		x.catchUp(e.items)
	}
}

func (x *index) catchUp(table *shelf) {
	for key := range x.behind {
		if old, ok := x.places[key]; ok {
			x.entries.remove(old.partition, old.key)
			delete(x.places, key)
		}
		it := table.byKey[key]
		// Only items with both of the index's keys are in it.
		if partition, sort, ok := x.keysOf(it); ok {
			at := place{partition, sort + "\x00" + key}
			x.places[key] = at
			x.entries.put(at.partition, at.key, x.project(it))
		}
	}
	clear(x.behind)
}

func (x *index) keysOf(it item) (partition, sort string, ok bool) {
	partition, hashOK := sortable(it[x.hash], x.hashType)
	sort, sortOK := sortable(it[x.sort], x.sortType)
	return partition, sort, hashOK && sortOK
}

// project is what an index has of an item, and what a place in it is.
func (x *index) project(it item) item {
	projected := item{}
	for _, name := range []string{"pk", "sk", x.hash, x.sort} {
		projected[name] = it[name]
	}
	return projected
}

// sortable is a value of the type as a text whose order is the value's.
func sortable(v value, kind string) (string, bool) {
	text, ok := v[kind].(string)
	if kind == "S" || !ok {
		return text, ok && text != ""
	}
	n, err := strconv.ParseInt(text, 10, 64)
	// Flipping the sign has negative numbers come first.
	return fmt.Sprintf("%016x", uint64(n)^1<<63), err == nil
}

// indexable refuses an item that has one of the indexes' keys as another type, or
// empty, or too long: DynamoDB does not write it then.
func indexable(it item) *refusal {
	for name, s := range schemas {
		for _, key := range []struct {
			name, kind string
			maxBytes   int
		}{{s.hash, s.hashType, 2048}, {s.sort, s.sortType, 1024}} {
			v, exists := it[key.name]
			if text, ok := sortable(v, key.kind); exists && (!ok || len(text) > key.maxBytes) {
				return invalid(fmt.Sprintf("One or more parameter values were invalid: Type mismatch or size of Index Key %s IndexName: %s", key.name, name))
			}
		}
	}
	return nil
}

var indexCondition = regexp.MustCompile(`^(\w+) = (:\w+)(?: AND (\w+) (<=|>) (:\w+))?$`)

// queryIndex reads forwards in a partition of an index.
func (e *Engine) queryIndex(request queryRequest, limit int) (any, *refusal) {
	x := e.indexes[request.IndexName]
	switch {
	case request.TableName != Table || x == nil:
		return nil, invalid("The table does not have the specified index: " + request.IndexName)
	case request.ConsistentRead:
		return nil, invalid("Consistent reads are not supported on global secondary indexes")
	case request.ScanIndexForward != nil && !*request.ScanIndexForward:
		return nil, invalid("the engine reads indexes forwards")
	}
	partition, low, high, err := x.find(request)
	if err != nil {
		return nil, err
	}
	if request.ExclusiveStartKey != nil {
		start, err := x.startOf(request.ExclusiveStartKey)
		if err != nil {
			return nil, err
		}
		if start.partition != partition || start.key <= low || start.key >= high {
			return nil, invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
		low = start.key + "\x00"
	}
	keys := x.entries.between(partition, low, high)
	answer := e.page(x.entries, slices.Values(keys), limit, x.project, nil)
	x.catchUp(e.items)
	return answer, nil
}

// find is the partition that the key condition names, and what its entries are
// between: no entry is either of the two.
func (x *index) find(request queryRequest) (partition, low, high string, _ *refusal) {
	names := indexCondition.FindStringSubmatch(request.KeyConditionExpression)
	if len(names) == 0 || names[1] != x.hash || names[3] != "" && names[3] != x.sort {
		return "", "", "", invalid("the engine does not understand the key condition " + request.KeyConditionExpression)
	}
	if err := (operands{ExpressionAttributeValues: request.ExpressionAttributeValues}).check(request.KeyConditionExpression); err != nil {
		return "", "", "", invalid(err.Error())
	}
	partition, ok := sortable(request.ExpressionAttributeValues[names[2]], x.hashType)
	const first, last = "", "\xff"
	if ok && names[3] == "" {
		return partition, first, last, nil
	}
	bound, isSort := sortable(request.ExpressionAttributeValues[names[5]], x.sortType)
	if !ok || !isSort {
		return "", "", "", invalid("Condition parameter type does not match schema type")
	}
	// What has the bound itself as its key is before this, and what has more after.
	if bound += "\x01"; names[4] == "<=" {
		return partition, first, bound, nil
	}
	return partition, bound, last, nil
}

// startOf is the place in the index that a page begins behind; nothing need be
// there any more.
func (x *index) startOf(start item) (place, *refusal) {
	partition, sort, ok := x.keysOf(start)
	pk, _ := start["pk"]["S"].(string)
	sk, _ := start["sk"]["S"].(string)
	if !ok || len(start) != len(x.project(start)) || pk == "" || sk == "" {
		return place{}, invalid("The provided starting key is invalid")
	}
	return place{partition, strings.Join([]string{sort, pk, sk}, "\x00")}, nil
}

// leaveBehind has the indexes know of an item that was written, later.
func (e *Engine) leaveBehind(key string, before, after item) {
	for _, x := range e.indexes {
		_, _, was := x.keysOf(before)
		_, _, is := x.keysOf(after)
		if was || is {
			x.behind[key] = true
		}
	}
}
