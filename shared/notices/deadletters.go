package notices

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// DeadLetters is the queue for what cannot be relayed.
type DeadLetters struct {
	client *sqs.Client
	url    string
}

// NewDeadLetters is the queue at the address.
func NewDeadLetters(client *sqs.Client, url string) *DeadLetters {
	return &DeadLetters{client: client, url: url}
}

// Keep puts a record into the queue, with why it is there.
func (d *DeadLetters) Keep(ctx context.Context, record []byte, why error) error {
	_, err := d.client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl:    &d.url,
		MessageBody: aws.String(string(record)),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"reason": {DataType: aws.String("String"), StringValue: aws.String(why.Error())},
		},
	})
	return err
}
