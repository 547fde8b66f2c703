package storetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Stream is a table's stream as the relay's event source filters it: the new
// items that carry a notice. template.yaml has the filter.
type Stream struct {
	items  func() []string
	seen   map[string]bool
	number int
}

// NewStream is the stream of all that was ever written.
func (e *Engine) NewStream() *Stream { return StreamOf(e.Items) }

// StreamOf is the stream of the table that has these items, as DynamoDB's JSON. It
// knows no item that was written and deleted between two questions.
func StreamOf(items func() []string) *Stream {
	return &Stream{items: items, seen: map[string]bool{}}
}

var relayed = []string{"EVENT#", "DUE#", "FAILED#", "REFUSED#"}

// Next are the records of the items that are new since it was asked last. Those of
// an owner are in order.
func (s *Stream) Next() []events.DynamoDBEventRecord {
	fresh := map[string]string{}
	for _, encoded := range s.items() {
		var key struct{ PK, SK struct{ S string } }
		if err := json.Unmarshal([]byte(encoded), &key); err != nil {
			panic(err)
		}
		isRelayed := slices.ContainsFunc(relayed, func(prefix string) bool { return strings.HasPrefix(key.SK.S, prefix) })
		if place := key.PK.S + "\x00" + key.SK.S; isRelayed && !s.seen[place] {
			fresh[place] = encoded
		}
	}
	var records []events.DynamoDBEventRecord
	for _, place := range slices.Sorted(maps.Keys(fresh)) {
		s.seen[place] = true
		s.number++
		records = append(records, recordOf(fresh[place], s.number))
	}
	return records
}

// recordOf is the record of a new item.
func recordOf(encoded string, number int) events.DynamoDBEventRecord {
	var image map[string]events.DynamoDBAttributeValue
	if err := json.Unmarshal([]byte(encoded), &image); err != nil {
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
