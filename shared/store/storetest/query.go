package storetest

import (
	"iter"
	"math"
	"regexp"
	"slices"
	"strings"
)

// pageBytes is how many bytes a query or scan reads before it ends its page,
// unless SetPageBytes says otherwise: 1 MB, as on DynamoDB.
const pageBytes = 1 << 20

// SetPageBytes sets how many bytes of items a query or scan reads before it ends
// its page, however many it was asked for. A page has at least one item.
func (e *Engine) SetPageBytes(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pageBytes = n
}

type queryRequest struct {
	TableName                 string
	IndexName                 string
	KeyConditionExpression    string
	ExpressionAttributeValues map[string]value
	ScanIndexForward          *bool
	ConsistentRead            bool
	Limit                     *int
	ExclusiveStartKey         item
}

// query reads a partition between two sort keys, in either direction, or one of an
// index.
func (e *Engine) query(body []byte) (any, *refusal) {
	var request queryRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	limit := math.MaxInt
	if request.Limit != nil {
		limit = *request.Limit
	}
	if limit < 1 {
		return nil, invalid("Limit must be 1 or more")
	}
	if request.IndexName != "" {
		return e.queryIndex(request, limit)
	}
	first, last, err := e.boundsOf(request)
	if err != nil {
		return nil, err
	}
	start := ""
	if request.ExclusiveStartKey != nil {
		if start, err = e.keyOf(request.TableName, request.ExclusiveStartKey); err != nil {
			return nil, err
		}
		if start < first || start > last {
			return nil, invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
	}
	source := e.seen(request.ConsistentRead)
	backward := request.ScanIndexForward != nil && !*request.ScanIndexForward
	partition, _, _ := strings.Cut(first, "\x00")
	var keys []string
	for _, key := range source.between(partition, first, last) {
		if start == "" || backward == (key < start) && key != start {
			keys = append(keys, key)
		}
	}
	if backward {
		slices.Reverse(keys)
	}
	return e.page(source, slices.Values(keys), limit, tableKey, nil), nil
}

var keyCondition = regexp.MustCompile(`^pk = (:\w+) AND sk BETWEEN (:\w+) AND (:\w+)$`)

// boundsOf are the keys, in the engine's map, between which a query reads.
func (e *Engine) boundsOf(request queryRequest) (first, last string, _ *refusal) {
	names := keyCondition.FindStringSubmatch(request.KeyConditionExpression)
	if names == nil {
		return "", "", invalid("the engine does not understand the key condition " + request.KeyConditionExpression)
	}
	if len(request.ExpressionAttributeValues) != 3 {
		return "", "", invalid("a value is given that the key condition does not use, or is not given")
	}
	var bounds [2]string
	for i, name := range names[2:] {
		key, err := e.keyOf(request.TableName, item{
			"pk": request.ExpressionAttributeValues[names[1]],
			"sk": request.ExpressionAttributeValues[name],
		})
		if err != nil {
			return "", "", err
		}
		bounds[i] = key
	}
	if bounds[0] > bounds[1] {
		return "", "", invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
	}
	return bounds[0], bounds[1], nil
}

// page is the items of the keys, but for those that a filter leaves out, until one
// of the limits is reached. As on DynamoDB, a page that reached one names its last
// key, even when nothing follows.
func (e *Engine) page(source *shelf, keys iter.Seq[string], limit int, keyOf func(item) item, filter func(item) bool) any {
	items, read, size := []item{}, 0, 0
	answer := map[string]any{}
	for key := range keys {
		it := source.byKey[key]
		if filter == nil || filter(it) {
			items = append(items, it)
		}
		read++
		if size += sizeOf(it); read == limit || size >= e.pageBytes {
			answer["LastEvaluatedKey"] = keyOf(it)
			break
		}
	}
	answer["Items"], answer["Count"], answer["ScannedCount"] = items, len(items), read
	return answer
}

func tableKey(it item) item { return item{"pk": it["pk"], "sk": it["sk"]} }
