// Package storetest is a DynamoDB in memory, for tests: the real SDK client and
// the real store run on it. It knows the operations and expressions that the
// store uses and refuses any other, and it is stricter than most emulators: a
// read that does not ask for consistency gets what was there before the last
// change, and an index knows what the table had when it was asked last.
package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/awstest"
)

// Table is the name of the engine's one table.
const Table = "user-api-keys"

// value is an attribute value in DynamoDB's JSON, such as {"S": "text"}.
type value = map[string]any

type item = map[string]value

// Engine is one table.
type Engine struct {
	// Transport leads to the engine; it counts calls and injects faults.
	Transport *awstest.Transport

	mu        sync.Mutex
	items     *shelf
	previous  *shelf
	indexes   map[string]*index
	tokens    map[string][sha256.Size]byte
	pageBytes int
	batchSize int
	pause     func()
}

// NewEngine makes an engine with an empty table.
func NewEngine() *Engine {
	e := &Engine{items: newShelf(), previous: newShelf(), indexes: newIndexes(), tokens: map[string][sha256.Size]byte{}, pageBytes: pageBytes}
	e.Transport = awstest.NewTransport(e)
	return e
}

// Client is an SDK client of the engine.
func (e *Engine) Client() *dynamodb.Client { return dynamodb.NewFromConfig(e.Transport.Config()) }

// Items returns every item, as DynamoDB's JSON, for tests that search them.
func (e *Engine) Items() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, it := range e.items.byKey {
		encoded, err := json.Marshal(it)
		if err != nil {
			panic(err)
		}
		all = append(all, string(encoded))
	}
	return all
}

// RoundTrip answers one request.
func (e *Engine) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var result any
	var refusal *refusal
	switch operation {
	case "GetItem":
		result, refusal = e.getItem(body)
	case "TransactGetItems":
		result, refusal = e.transactGetItems(body)
	case "TransactWriteItems":
		result, refusal = e.transactWriteItems(body)
	case "BatchGetItem":
		result, refusal = e.batchGetItem(body)
	case "UpdateItem":
		result, refusal = e.updateItem(body)
	case "PutItem":
		result, refusal = e.putItem(body)
	case "DeleteItem":
		result, refusal = e.deleteItem(body)
	case "Query":
		result, refusal = e.query(body)
	case "Scan":
		result, refusal = e.scan(body)
	default:
		refusal = invalid("the engine does not know " + operation)
	}
	if refusal != nil {
		return awstest.Answer(http.StatusBadRequest, refusal), nil
	}
	return awstest.Answer(http.StatusOK, result), nil
}

type refusal struct {
	Type                string               `json:"__type"`
	Message             string               `json:"message"`
	CancellationReasons []cancellationReason `json:"CancellationReasons,omitempty"`
	// Item is the item that a condition did not hold for, when it was asked for.
	Item item `json:"Item,omitempty"`
}

type cancellationReason struct {
	Code string `json:"Code"`
}

const typePrefix = "com.amazonaws.dynamodb.v20120810#"

func invalid(message string) *refusal {
	return &refusal{Type: typePrefix + "ValidationException", Message: message}
}

type getRequest struct {
	TableName      string
	Key            item
	ConsistentRead bool
}

func (e *Engine) getItem(body []byte) (any, *refusal) {
	var request getRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	return e.get(request, e.seen(request.ConsistentRead))
}

// seen is what a read gets to see: what was there before the last change, unless it
// asks for consistency.
func (e *Engine) seen(consistent bool) *shelf {
	if consistent {
		return e.items
	}
	return e.previous
}

func (e *Engine) get(request getRequest, source *shelf) (any, *refusal) {
	key, err := e.keyOf(request.TableName, request.Key)
	if err != nil {
		return nil, err
	}
	if found, ok := source.byKey[key]; ok {
		return map[string]any{"Item": found}, nil
	}
	return map[string]any{}, nil
}

// keyOf is an item's key in the engine's map.
func (e *Engine) keyOf(table string, attributes item) (string, *refusal) {
	if table != Table {
		return "", &refusal{Type: typePrefix + "ResourceNotFoundException", Message: "no such table"}
	}
	pk, pkOK := attributes["pk"]["S"].(string)
	sk, skOK := attributes["sk"]["S"].(string)
	if !pkOK || !skOK || pk == "" || sk == "" || len(pk) > 2048 || len(sk) > 1024 {
		return "", invalid("pk and sk must be texts of at most 2048 and 1024 bytes")
	}
	return pk + "\x00" + sk, nil
}

// canonical is a JSON text whose names are in order: the SDK writes a map's in
// any.
func canonical(body []byte) []byte {
	var decoded any
	if err := json.Unmarshal(body, &decoded); err != nil {
		panic(err)
	}
	encoded, err := json.Marshal(decoded)
	if err != nil {
		panic(err)
	}
	return encoded
}

// decode reads a request. An option that the engine does not know, such as a
// filter or a projection, is refused.
func decode(body []byte, target any) *refusal {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return invalid(fmt.Sprintf("the engine does not understand the request: %v", err))
	}
	return nil
}
