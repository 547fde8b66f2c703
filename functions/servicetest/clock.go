package servicetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/userapikey/service/functions/relay"
	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/notices/noticestest"
)

// The time that template.yaml gives those that nobody waits for.
const (
	relayTimeout = time.Minute
	sweepTimeout = 15 * time.Minute
)

// startClock starts the functions that nobody waits for.
func (p *Process) startClock(b Backend, log *slog.Logger) {
	p.relay = (&relay.Relay{
		Rings: p.Keys.Rings, Vault: p.Keys.Vault, Now: time.Now, Log: log,
		Publisher: notices.New(eventbridge.NewFromConfig(awsclient.ConfigOn(p.Bus, b.Getenv, "eventbridge")), noticestest.BusName),
		Poison:    notices.NewDeadLetters(sqs.NewFromConfig(awsclient.ConfigOn(p.DeadLetters, b.Getenv, "sqs")), noticestest.QueueURL),
	}).Handle
	p.sweep = (&sweep.Sweep{Keys: p.Keys, Deployment: b.Deployment, Now: time.Now, Log: log}).Handle
}

// Relay hands the relay a batch of the stream's records, as Lambda does. failed is
// the sequence number that it reports; "" is none.
func (p *Process) Relay(ctx context.Context, records []events.DynamoDBEventRecord) (failed string, err error) {
	payload, err := json.Marshal(events.DynamoDBEvent{Records: records})
	if err != nil {
		return "", err
	}
	out, err := invokeFor(ctx, relayTimeout, p.relay, payload)
	if err != nil {
		return "", err
	}
	var response events.DynamoDBEventResponse
	if err := json.Unmarshal(out, &response); err != nil {
		return "", fmt.Errorf("%s: %w", out, err)
	}
	switch len(response.BatchItemFailures) {
	case 0:
		return "", nil
	case 1:
		if id := response.BatchItemFailures[0].ItemIdentifier; id != "" {
			return id, nil
		}
	}
	return "", fmt.Errorf("an answer that Lambda does not take: %s", out)
}

// Sweep has the clock come round.
func (p *Process) Sweep(ctx context.Context) (counts sweep.Counts, err error) {
	out, err := invokeFor(ctx, sweepTimeout, p.sweep, []byte(`{}`))
	if err != nil {
		return counts, err
	}
	err = json.Unmarshal(out, &counts)
	return counts, err
}

// Poller delivers a stream's records to a relay as Lambda's event source mapping
// does: a batch again and again, from the record on that was reported, until it is
// done; an invocation that fails is halved.
type Poller struct {
	Next    func() []events.DynamoDBEventRecord
	pending []events.DynamoDBEventRecord
	// Deliveries counts invocations.
	Deliveries int
}

// batchSize is template.yaml's.
const batchSize = 100

const (
	// longestPause is the longest between two attempts.
	longestPause = time.Minute
	// maxRecordAge is template.yaml's: an older record is given up.
	maxRecordAge = 20 * time.Hour
)

// Poll delivers until no record is left. One that is given up is an error.
func (p *Poller) Poll(ctx context.Context, process *Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, maxRecordAge, errors.New("a record was given up"))
	defer cancel()
	pause, size := time.Second, batchSize
	for {
		p.pending = append(p.pending, p.Next()...)
		if len(p.pending) == 0 {
			return nil
		}
		batch := p.pending[:min(len(p.pending), size)]
		p.Deliveries++
		failed, err := process.Relay(ctx, batch)
		done := len(batch)
		switch {
		case err != nil:
			done, size = 0, max(1, len(batch)/2)
		case failed != "":
			if done = placeOf(batch, failed); done < 0 {
				return errors.New("the relay reported a record that it was not given")
			}
		default:
			pause, size = time.Second, batchSize
		}
		p.pending = p.pending[done:]
		if err == nil && failed == "" {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		pause = min(2*pause, longestPause)
	}
}

func placeOf(batch []events.DynamoDBEventRecord, sequence string) int {
	for i, record := range batch {
		if record.Change.SequenceNumber == sequence {
			return i
		}
	}
	return -1
}
