// Package notices announces changes on EventBridge, so that mail, chat, audit and
// the consumers of a secret learn of them.
package notices

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/userapikey/service/shared/apikey"
)

// Source is the source of every notice.
const Source = "userapikey"

// What one call of PutEvents takes: entries, and bytes of all of them together.
const (
	maxEntries = 10
	maxBytes   = 256 << 10
	// entryOverhead is what an entry counts beside its payload.
	entryOverhead = 256
)

// Publisher puts notices on a bus.
type Publisher struct {
	client *eventbridge.Client
	bus    string
}

// New makes a publisher to the bus.
func New(client *eventbridge.Client, bus string) *Publisher {
	return &Publisher{client: client, bus: bus}
}

// Publish puts the notices of events on the bus, in as few calls as EventBridge
// allows, and answers of each whether it was taken: in their order, nil is taken.
// What is not may be published again: consumers know a notice by its id.
func (p *Publisher) Publish(ctx context.Context, events []apikey.Event) []error {
	results := make([]error, len(events))
	var (
		entries []types.PutEventsRequestEntry
		sent    []int // the events of the entries
		size    int
	)
	flush := func() {
		for i, err := range p.put(ctx, entries) {
			results[sent[i]] = err
		}
		entries, sent, size = nil, nil, 0
	}
	for i, event := range events {
		entry, err := p.entry(event)
		if err != nil {
			results[i] = err
			continue
		}
		bytes := len(*entry.Detail) + entryOverhead
		if len(entries) == maxEntries || len(entries) > 0 && size+bytes > maxBytes {
			flush()
		}
		entries, sent, size = append(entries, entry), append(sent, i), size+bytes
	}
	if len(entries) > 0 {
		flush()
	}
	return results
}

func (p *Publisher) entry(event apikey.Event) (types.PutEventsRequestEntry, error) {
	detail, err := Encode(event)
	if err != nil {
		return types.PutEventsRequestEntry{}, err
	}
	return types.PutEventsRequestEntry{
		EventBusName: &p.bus,
		Source:       aws.String(Source),
		DetailType:   aws.String(string(event.Type)),
		Detail:       aws.String(string(detail)),
		Time:         &event.OccurredAt,
	}, nil
}

// put makes one call and answers of each entry whether it was taken.
func (p *Publisher) put(ctx context.Context, entries []types.PutEventsRequestEntry) []error {
	results := make([]error, len(entries))
	out, err := p.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
	for i := range results {
		switch {
		case err != nil:
			results[i] = err
		case i >= len(out.Entries):
			results[i] = errors.New("EventBridge did not tell what became of the notice")
		case out.Entries[i].ErrorCode != nil:
			results[i] = fmt.Errorf("EventBridge refused the notice: %s: %s", *out.Entries[i].ErrorCode, aws.ToString(out.Entries[i].ErrorMessage))
		}
	}
	return results
}
