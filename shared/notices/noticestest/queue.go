package noticestest

import (
	"crypto/md5" // SQS answers it, and its client checks it
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/userapikey/service/shared/awstest"
)

// QueueURL is the address of the engine's one queue.
const QueueURL = "http://aws.test/000000000000/relay-dead-letters"

// maxMessageBytes is the size of a message that every SQS takes, attributes
// included.
const maxMessageBytes = 256 << 10

// Message is a message in the queue.
type Message struct{ Body, Reason string }

// Queue is an SQS with one queue.
type Queue struct {
	// Transport leads to the queue; it counts calls and injects faults.
	Transport *awstest.Transport

	mu       sync.Mutex
	messages []Message
}

// NewQueue makes an empty queue.
func NewQueue() *Queue {
	q := &Queue{}
	q.Transport = awstest.NewTransport(q)
	return q
}

// Client is an SDK client of the queue.
func (q *Queue) Client() *sqs.Client { return sqs.NewFromConfig(q.Transport.Config()) }

// Messages are all messages, oldest first.
func (q *Queue) Messages() []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Message(nil), q.messages...)
}

// RoundTrip answers one request.
func (q *Queue) RoundTrip(r *http.Request) (*http.Response, error) {
	var request struct {
		QueueURL          string `json:"QueueUrl"`
		MessageBody       string
		MessageAttributes map[string]struct{ DataType, StringValue string }
	}
	if refused := read(r, "AmazonSQS.SendMessage", &request); refused != nil {
		return refused, nil
	}
	if request.QueueURL != QueueURL {
		return refusal("QueueDoesNotExist", "The specified queue does not exist."), nil
	}
	size := len(request.MessageBody)
	texts := []string{request.MessageBody}
	for name, attribute := range request.MessageAttributes {
		size += len(name) + len(attribute.DataType) + len(attribute.StringValue)
		texts = append(texts, attribute.StringValue)
	}
	if size > maxMessageBytes {
		return refusal("InvalidParameterValue", "One or more parameters are invalid. Message must be shorter than 262144 bytes."), nil
	}
	for _, text := range texts {
		if text == "" {
			return refusal("InvalidParameterValue", "a text is empty"), nil
		}
		for _, char := range text {
			if !isAllowed(char) {
				return refusal("InvalidMessageContents", "the character "+strconv.QuoteRune(char)+" is not allowed"), nil
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, Message{Body: request.MessageBody, Reason: request.MessageAttributes["reason"].StringValue})
	sum := md5.Sum([]byte(request.MessageBody))
	return awstest.Answer(http.StatusOK, map[string]string{
		"MessageId": strconv.Itoa(len(q.messages)), "MD5OfMessageBody": hex.EncodeToString(sum[:]),
	}), nil
}

// isAllowed tells whether a message may have the character: #x9 | #xA | #xD |
// #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF, as the reference of
// SendMessage has it.
func isAllowed(char rune) bool {
	switch {
	case char == '\t', char == '\n', char == '\r':
		return true
	case char < ' ', char == '\uFFFE', char == '\uFFFF':
		return false
	}
	return true
}
