// Package noticestest is an EventBridge and an SQS in memory, for tests: the real
// SDK clients and the real publisher run on them. They keep AWS's bounds, and
// refuse what AWS refuses.
package noticestest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/userapikey/service/shared/awstest"
)

// BusName is the name of the engine's one bus.
const BusName = "user-api-keys"

// What one call of PutEvents takes.
const (
	maxEntries      = 10
	maxRequestBytes = 256 << 10
)

// Notice is an event that arrived on the bus.
type Notice struct {
	EventBusName, Source, DetailType, Detail string
	// Time is in seconds since 1970.
	Time float64
}

// Bus is an EventBridge with one bus.
type Bus struct {
	// Transport leads to the bus; it counts calls and injects faults.
	Transport *awstest.Transport

	mu      sync.Mutex
	refuse  func(Notice) (code string)
	arrived []Notice
}

// NewBus makes a bus that nothing has arrived on.
func NewBus() *Bus {
	b := &Bus{}
	b.Transport = awstest.NewTransport(b)
	return b
}

// Client is an SDK client of the bus.
func (b *Bus) Client() *eventbridge.Client { return eventbridge.NewFromConfig(b.Transport.Config()) }

// SetRefusal decides which entries are refused, each by itself, with what error
// code; "" takes the entry. nil takes them all.
func (b *Bus) SetRefusal(refuse func(Notice) (code string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = refuse
}

// Arrived is what has arrived, in the order in which it did.
func (b *Bus) Arrived() []Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Notice(nil), b.arrived...)
}

type putResult struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// RoundTrip answers one request.
func (b *Bus) RoundTrip(r *http.Request) (*http.Response, error) {
	var request struct{ Entries []Notice }
	if refused := read(r, "AWSEvents.PutEvents", &request); refused != nil {
		return refused, nil
	}
	size := 0
	for _, entry := range request.Entries {
		size += len(entry.Detail) + len(entry.DetailType) + len(entry.Source) + timeBytes
	}
	if n := len(request.Entries); n == 0 || n > maxEntries || size >= maxRequestBytes {
		return refusal("ValidationException", strconv.Itoa(n)+" entries of "+strconv.Itoa(size)+" bytes"), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var results []putResult
	failed := 0
	for _, entry := range request.Entries {
		code := b.judge(entry)
		if code == "" {
			b.arrived = append(b.arrived, entry)
			results = append(results, putResult{EventID: strconv.Itoa(len(b.arrived))})
			continue
		}
		failed++
		results = append(results, putResult{ErrorCode: code, ErrorMessage: "injected"})
	}
	return awstest.Answer(http.StatusOK, map[string]any{"FailedEntryCount": failed, "Entries": results}), nil
}

// timeBytes is what EventBridge counts for an entry's time.
const timeBytes = 14

func (b *Bus) judge(n Notice) (code string) {
	var detail map[string]any
	switch {
	case n.EventBusName != BusName:
		return "ResourceNotFoundException"
	case n.Source == "" || n.DetailType == "" || len(n.DetailType) > 128 || n.Time == 0:
		return "InvalidArgument"
	case json.Unmarshal([]byte(n.Detail), &detail) != nil:
		return "MalformedDetail"
	case b.refuse != nil:
		return b.refuse(n)
	}
	return ""
}

// read decodes a request of the operation; any other is refused.
func read(r *http.Request, operation string, request any) (refused *http.Response) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refusal("SerializationException", err.Error())
	}
	if target := r.Header.Get("X-Amz-Target"); target != operation {
		_, name, _ := strings.Cut(target, ".")
		return refusal("UnknownOperationException", "the engine does not know "+name)
	}
	if err := json.Unmarshal(body, request); err != nil {
		return refusal("SerializationException", err.Error())
	}
	return nil
}

func refusal(code, message string) *http.Response {
	return awstest.Answer(http.StatusBadRequest, map[string]string{"__type": code, "message": message})
}
