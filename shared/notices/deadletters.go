package notices

import (
	"context"
	"strings"

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

// MaxDeadLetterBytes is how large a record may be: a message has 256 KB, with
// its attributes.
const MaxDeadLetterBytes = 250 << 10

// maxReasonLength bounds the reason, in characters.
const maxReasonLength = 512

// Keep puts a record into the queue, with why it is there. Somebody else wrote the
// record, so the reason can quote anything: what the queue would refuse is
// replaced.
func (d *DeadLetters) Keep(ctx context.Context, record []byte, why error) error {
	reason := []rune(sendable(why.Error()))
	if len(reason) == 0 {
		reason = []rune("unknown")
	}
	_, err := d.client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl:    &d.url,
		MessageBody: aws.String(sendable(string(record))),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"reason": {DataType: aws.String("String"), StringValue: aws.String(string(reason[:min(len(reason), maxReasonLength)]))},
		},
	})
	return err
}

// sendable is a text with U+FFFD for every character that a message must not have.
func sendable(text string) string {
	return strings.Map(func(char rune) rune {
		switch {
		case char == '\t', char == '\n', char == '\r':
			return char
		case char < ' ', char == '\uFFFE', char == '\uFFFF':
			return '\uFFFD'
		}
		return char
	}, text)
}
