package storetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Stream is the engine's stream as the relay's event source filters it: the new
// items that carry a notice. template.yaml has the filter.
type Stream struct {
	engine *Engine
	seen   map[string]bool
	number int
}

// NewStream is the stream of all that was ever written.
func (e *Engine) NewStream() *Stream { return &Stream{engine: e, seen: map[string]bool{}} }

var relayed = []string{"EVENT#", "DUE#", "FAILED#", "REFUSED#"}

// Next are the records of the items that are new since it was asked last. Those of
// an owner are in order.
func (s *Stream) Next() []events.DynamoDBEventRecord {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	var records []events.DynamoDBEventRecord
	items := s.engine.items.byKey
	for _, key := range slices.Sorted(maps.Keys(items)) {
		_, sk, _ := strings.Cut(key, "\x00")
		if s.seen[key] || !slices.ContainsFunc(relayed, func(prefix string) bool { return strings.HasPrefix(sk, prefix) }) {
			continue
		}
		s.seen[key] = true
		s.number++
		records = append(records, recordOf(items[key], s.number))
	}
	return records
}

// recordOf is the record of a new item.
func recordOf(it item, number int) events.DynamoDBEventRecord {
	encoded, err := json.Marshal(it)
	if err != nil {
		panic(err)
	}
	var image map[string]events.DynamoDBAttributeValue
	if err := json.Unmarshal(encoded, &image); err != nil {
		panic(err)
	}
	return events.DynamoDBEventRecord{
		EventID: fmt.Sprintf("%032x", number), EventName: string(events.DynamoDBOperationTypeInsert), EventSource: "aws:dynamodb", EventVersion: "1.1",
		AWSRegion:      "us-east-1",
		EventSourceArn: "arn:aws:dynamodb:us-east-1:000000000000:table/" + Table + "/stream/2026-01-01T00:00:00.000",
		Change: events.DynamoDBStreamRecord{
			SequenceNumber: fmt.Sprintf("%021d", number), SizeBytes: int64(len(encoded)), StreamViewType: string(events.DynamoDBStreamViewTypeNewImage),
			Keys:     map[string]events.DynamoDBAttributeValue{"pk": image["pk"], "sk": image["sk"]},
			NewImage: image,
		},
	}
}
