package dynamodblocal

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/userapikey/service/shared/store/storetest"
)

// streaming is the engine with a stream of one table's. DynamoDB Local has streams
// too, but with one a write takes the longer the more there were, and who reads it
// waits in real time for what was just written.
type streaming struct {
	http.RoundTripper
	table string
}

// NewStream is the stream of all that was ever written.
func (s streaming) NewStream() *storetest.Stream { return storetest.StreamOf(s.items) }

// items are the table's. The SDK would take them apart, and the stream is to have
// them as they are in the table.
func (s streaming) items() (all []string) {
	for request := map[string]any{"TableName": s.table, "ConsistentRead": true}; ; {
		var page struct {
			Items            []json.RawMessage
			LastEvaluatedKey json.RawMessage
		}
		s.scan(request, &page)
		for _, item := range page.Items {
			all = append(all, string(item))
		}
		if page.LastEvaluatedKey == nil {
			return all
		}
		request["ExclusiveStartKey"] = page.LastEvaluatedKey
	}
}

func (s streaming) scan(question map[string]any, page any) {
	body, err := json.Marshal(question)
	if err != nil {
		panic(err)
	}
	request, err := http.NewRequest(http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810.Scan")
	// The engine wants a signature, and checks none. Its tables are apart by key and region.
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+getenv("AWS_ACCESS_KEY_ID")+"/20000101/"+getenv("AWS_REGION")+
		"/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := s.RoundTrip(request)
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(page); err != nil {
		panic(err)
	}
}
