package e2e

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/localstack/deployed"
	"github.com/userapikey/service/shared/store/storetest"
)

// mailbox is a queue in which all mail arrives.
type mailbox struct {
	t   *testing.T
	url string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	name := "mail-" + storetest.NewOwner(t).IAMID
	var queue struct {
		QueueURL   string `json:"QueueUrl"`
		Attributes struct {
			QueueARN string `json:"QueueArn"`
		}
	}
	m := &mailbox{t: t}
	m.call(t.Context(), "CreateQueue", map[string]any{"QueueName": name, "Attributes": map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`,
	}}, &queue)
	m.url = queue.QueueURL
	m.call(t.Context(), "GetQueueAttributes", map[string]any{"QueueUrl": m.url, "AttributeNames": []string{"QueueArn"}}, &queue)
	topic := strings.NewReplacer(":sqs:", ":sns:", name, stack["EVENT_BUS_NAME"]+"-notifications").Replace(queue.Attributes.QueueARN)
	subscription := m.subscribe(topic, queue.Attributes.QueueARN)
	t.Cleanup(func() {
		ended := context.WithoutCancel(t.Context())
		m.sns(ended, url.Values{"Action": {"Unsubscribe"}, "SubscriptionArn": {subscription}})
		m.call(ended, "DeleteQueue", map[string]any{"QueueUrl": m.url}, nil)
	})
	return m
}

func (m *mailbox) subscribe(topic, queue string) (subscription string) {
	m.t.Helper()
	var answer struct {
		ARN string `xml:"SubscribeResult>SubscriptionArn"`
	}
	content := m.sns(m.t.Context(), url.Values{
		"Action": {"Subscribe"}, "TopicArn": {topic}, "Protocol": {"sqs"}, "Endpoint": {queue}, "ReturnSubscriptionArn": {"true"},
		"Attributes.entry.1.key": {"RawMessageDelivery"}, "Attributes.entry.1.value": {"true"},
	})
	if err := xml.Unmarshal(content, &answer); err != nil || answer.ARN == "" {
		m.t.Fatalf("no subscription: %v: %s", err, content)
	}
	return answer.ARN
}

func (m *mailbox) sns(ctx context.Context, form url.Values) []byte {
	m.t.Helper()
	form.Set("Version", "2010-03-31")
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	_, content, err := cloud().Send(ctx, "sns", http.MethodPost, "/", header, []byte(form.Encode()))
	if err != nil {
		m.t.Fatal(err)
	}
	return content
}

func (m *mailbox) call(ctx context.Context, operation string, in map[string]any, out any) {
	m.t.Helper()
	if err := cloud().Call(ctx, "sqs", "AmazonSQS."+operation, in, out); err != nil {
		m.t.Fatal(err)
	}
}

// receive waits a second for mail.
func (m *mailbox) receive(ctx context.Context) (sentences []string) {
	m.t.Helper()
	var answer struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	m.call(ctx, "ReceiveMessage", map[string]any{"QueueUrl": m.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}, &answer)
	for _, message := range answer.Messages {
		m.call(ctx, "DeleteMessage", map[string]any{"QueueUrl": m.url, "ReceiptHandle": message.ReceiptHandle}, nil)
		var sentence string
		if err := json.Unmarshal([]byte(message.Body), &sentence); err != nil {
			m.t.Fatalf("%s is no JSON text: %v", message.Body, err)
		}
		sentences = append(sentences, sentence)
	}
	return sentences
}

// What the sentences say is pinned in events/notices; here they arrive.
func TestMailArrivesWhateverCharactersAnIDHas(t *testing.T) {
	mail := newMailbox(t)
	ada := newUser(t, "Administrator")
	ada.owner.IAMID += `-"quoted" C:\new <user> {}`
	ada.token = token(t, deployed.Claims(ada.owner.AccountID, ada.owner.IAMID, ada.owner.Username, "Administrator"))
	ada.create().want(t, 201)
	ada.rotate().want(t, 201)

	ctx := within(t, 20*time.Second)
	for arrived := 0; arrived < 2; {
		for _, sentence := range mail.receive(ctx) {
			if strings.Contains(sentence, " user "+ada.owner.IAMID+" of account "+ada.owner.AccountID) {
				arrived++
			}
		}
	}
}
