package relay_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/relay"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/notices/noticestest"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	given := func(w *functest.World) { w.JaneHasSchedules() }
	functest.Golden(t,
		func(w *functest.World) any {
			return (&relay.Relay{
				Rings: w.Keys.Rings, Vault: w.Keys.Vault, Now: w.Now, Log: w.Log,
				Publisher: notices.New(noticestest.NewBus().Client(), noticestest.BusName),
				Poison:    notices.NewDeadLetters(noticestest.NewQueue().Client(), noticestest.QueueURL),
			}).Handle
		},
		functest.Case{Event: "relay/batch", Given: given},
		functest.Case{Event: "relay/redrive", Given: given},
		functest.Case{Event: "relay/redrive-item", Given: given},
	)
}

// The batch in events/ is what the table's stream has of Jane, with every field
// that DynamoDB sends.
func TestBatchIsTheStreams(t *testing.T) {
	text, err := os.ReadFile(functest.EventsFolder + "/relay/batch.json")
	if err != nil {
		t.Fatal(err)
	}
	var sent struct{ Records []map[string]any }
	var batch events.DynamoDBEvent
	for _, target := range []any{&sent, &batch} {
		if err := json.Unmarshal(text, target); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range sent.Records {
		fields := slices.Sorted(maps.Keys(r))
		if diff := cmp.Diff([]string{"awsRegion", "dynamodb", "eventID", "eventName", "eventSource", "eventSourceARN", "eventVersion"}, fields); diff != "" {
			t.Errorf("sent by DynamoDB (-) and in the event (+): %s", diff)
		}
		change := slices.Sorted(maps.Keys(r["dynamodb"].(map[string]any)))
		if diff := cmp.Diff([]string{"ApproximateCreationDateTime", "Keys", "NewImage", "SequenceNumber", "SizeBytes", "StreamViewType"}, change); diff != "" {
			t.Errorf("sent by DynamoDB (-) and in the event (+): %s", diff)
		}
	}
	w := newWorld(t)
	w.JaneHasSchedules()
	for n, want := range w.stream.Next()[2:4] {
		got := batch.Records[n].Change
		want, err := json.Marshal(want.Change.NewImage)
		if err != nil {
			t.Fatal(err)
		}
		image, err := json.Marshal(got.NewImage)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(image)); diff != "" {
			t.Errorf("record %d: in the table (-) and in the event (+): %s", n, diff)
		}
	}
	if failed := w.deliver(batch.Records); failed != "" || len(w.queue.Messages()) != 0 {
		t.Errorf("reported %q, set aside %v", failed, w.queue.Messages())
	}
	if diff := cmp.Diff([]string{"IBMid-5500SAMPLE 3 Schedule Bound", "IBMid-5500SAMPLE 4 Rotated"}, w.arrived()); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
}
