package deployed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// Notice is one of the service's notices, as it arrived.
type Notice struct {
	Type   apikey.EventType `json:"detail-type"`
	Detail struct {
		Metadata struct {
			ID         string    `json:"id"`
			OccurredAt time.Time `json:"occurredAt"`
			Actor      struct {
				Kind string `json:"kind"`
				ID   string `json:"id"`
			} `json:"actor"`
		} `json:"metadata"`
		Revision int64 `json:"revision"`
	} `json:"detail"`
	// Text is all of it, as it came.
	Text string `json:"-"`
	// ArrivedAt is when it came into the queue.
	ArrivedAt time.Time `json:"-"`
}

// Subscription is a queue that one user's notices arrive in: how any program of
// a platform follows what happens to keys, by a rule on the service's bus.
type Subscription struct {
	aws            AWS
	bus, rule, url string
	seen           map[string]bool
}

// Subscribe makes the rule and the queue.
func (a AWS) Subscribe(ctx context.Context, iamID string) (*Subscription, error) {
	s := &Subscription{aws: a, bus: a.Env["EVENT_BUS_NAME"], rule: "notices-of-" + iamID, seen: map[string]bool{}}
	var queue struct {
		QueueURL   string            `json:"QueueUrl"`
		Attributes map[string]string `json:"Attributes"`
	}
	if err := a.Call(ctx, "sqs", "AmazonSQS.CreateQueue", map[string]any{"QueueName": s.rule}, &queue); err != nil {
		return nil, err
	}
	s.url = queue.QueueURL
	if err := a.Call(ctx, "sqs", "AmazonSQS.GetQueueAttributes", map[string]any{
		"QueueUrl": s.url, "AttributeNames": []string{"QueueArn"},
	}, &queue); err != nil {
		return nil, err
	}
	pattern, err := json.Marshal(map[string]any{"detail": map[string]any{"owner": map[string]any{"iamId": []string{iamID}}}})
	if err != nil {
		return nil, err
	}
	if err := a.Call(ctx, "events", "AWSEvents.PutRule", map[string]any{
		"Name": s.rule, "EventBusName": s.bus, "EventPattern": string(pattern),
	}, nil); err != nil {
		return nil, err
	}
	return s, a.Call(ctx, "events", "AWSEvents.PutTargets", map[string]any{
		"Rule": s.rule, "EventBusName": s.bus, "Targets": []map[string]string{{"Id": "queue", "Arn": queue.Attributes["QueueArn"]}},
	}, nil)
}

// Receive waits a second for notices, and answers those that have not been
// received before: delivery is at least once.
func (s *Subscription) Receive(ctx context.Context) (received []Notice, err error) {
	var answer struct {
		Messages []struct {
			Body, ReceiptHandle string
			Attributes          map[string]string
		}
	}
	if err := s.aws.Call(ctx, "sqs", "AmazonSQS.ReceiveMessage", map[string]any{
		"QueueUrl": s.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "AttributeNames": []string{"SentTimestamp"},
	}, &answer); err != nil {
		return nil, err
	}
	for _, m := range answer.Messages {
		var notice Notice
		if err := json.Unmarshal([]byte(m.Body), &notice); err != nil {
			return nil, fmt.Errorf("no notice: %w: %s", err, m.Body)
		}
		sent, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("a message without the instant of its arrival: %w", err)
		}
		notice.Text, notice.ArrivedAt = m.Body, time.UnixMilli(sent)
		if err := s.aws.Call(ctx, "sqs", "AmazonSQS.DeleteMessage", map[string]any{
			"QueueUrl": s.url, "ReceiptHandle": m.ReceiptHandle,
		}, nil); err != nil {
			return nil, err
		}
		if !s.seen[notice.Detail.Metadata.ID] {
			s.seen[notice.Detail.Metadata.ID] = true
			received = append(received, notice)
		}
	}
	return received, nil
}

// Close removes the rule and the queue.
func (s *Subscription) Close(ctx context.Context) error {
	rule := map[string]any{"Rule": s.rule, "EventBusName": s.bus, "Ids": []string{"queue"}}
	return errors.Join(
		s.aws.Call(ctx, "events", "AWSEvents.RemoveTargets", rule, nil),
		s.aws.Call(ctx, "events", "AWSEvents.DeleteRule", map[string]any{"Name": s.rule, "EventBusName": s.bus}, nil),
		s.aws.Call(ctx, "sqs", "AmazonSQS.DeleteQueue", map[string]any{"QueueUrl": s.url}, nil),
	)
}
