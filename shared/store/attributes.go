package store

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
)

// The codec of attributes is written out: a decision decodes one ring and does
// little else, and reflection took ten times as long (BenchmarkDecodeRing).

// item is the attributes of an item, or of a map in one.
type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func flag(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func blob(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// instant is an RFC 3339 text: people read items too.
func instant(t time.Time) types.AttributeValue { return text(t.UTC().Format(time.RFC3339Nano)) }

// milliseconds is an instant that DynamoDB is to compare: milliseconds since 1970.
func milliseconds(t time.Time) types.AttributeValue { return number(t.UnixMilli()) }

func nested(attributes item) types.AttributeValue {
	return &types.AttributeValueMemberM{Value: attributes}
}

func list[T any](values []T, encode func(T) item) types.AttributeValue {
	members := make([]types.AttributeValue, len(values))
	for i, value := range values {
		members[i] = nested(encode(value))
	}
	return &types.AttributeValueMemberL{Value: members}
}

// reader reads attributes and keeps the first thing that is wrong with them, so
// that decoding reads like the item. An attribute that must be there and is
// not, or has another type, is an error; nothing is guessed.
type reader struct {
	attributes item
	err        *error
}

func newReader(attributes item) reader {
	return reader{attributes: attributes, err: new(error)}
}

func (r reader) fail(name string, problem error) {
	if *r.err == nil {
		*r.err = fmt.Errorf("attribute %s: %w", name, problem)
	}
}

var errAttribute = errors.New("missing, or of another type")

// attribute is the attribute as its type; the zero value and an error when it
// is not there as such.
func attribute[T types.AttributeValue](r reader, name string) T {
	value, ok := r.attributes[name].(T)
	if !ok {
		r.fail(name, errAttribute)
	}
	return value
}

func (r reader) has(name string) bool { return r.attributes[name] != nil }

func (r reader) text(name string) string {
	if value := attribute[*types.AttributeValueMemberS](r, name); value != nil {
		return value.Value
	}
	return ""
}

// optionalText is "" when there is no such attribute.
func (r reader) optionalText(name string) string {
	if !r.has(name) {
		return ""
	}
	return r.text(name)
}

func (r reader) number(name string) int64 {
	value := attribute[*types.AttributeValueMemberN](r, name)
	if value == nil {
		return 0
	}
	n, err := strconv.ParseInt(value.Value, 10, 64)
	if err != nil {
		r.fail(name, err)
	}
	return n
}

// count is 0 when there is no such attribute.
func (r reader) count(name string) int {
	if !r.has(name) {
		return 0
	}
	return int(r.number(name))
}

func (r reader) flag(name string) bool {
	if value := attribute[*types.AttributeValueMemberBOOL](r, name); value != nil {
		return value.Value
	}
	return false
}

func (r reader) blob(name string) []byte {
	if value := attribute[*types.AttributeValueMemberB](r, name); value != nil {
		return value.Value
	}
	return nil
}

func (r reader) instant(name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.text(name))
	if err != nil {
		r.fail(name, err)
	}
	return t
}

func (r reader) milliseconds(name string) time.Time { return time.UnixMilli(r.number(name)).UTC() }

func (r reader) uuid(name string) apikey.UUID {
	id, err := apikey.ParseUUID(r.text(name))
	if err != nil {
		r.fail(name, err)
	}
	return id
}

// nested reads a map in the item; its errors are the item's.
func (r reader) nested(name string) reader {
	inner := reader{err: r.err}
	if value := attribute[*types.AttributeValueMemberM](r, name); value != nil {
		inner.attributes = value.Value
	}
	return inner
}

// readList reads a list of maps; no list is an empty one.
func readList[T any](r reader, name string, decode func(reader) T) []T {
	if !r.has(name) {
		return nil
	}
	value := attribute[*types.AttributeValueMemberL](r, name)
	if value == nil {
		return nil
	}
	var decoded []T
	for _, member := range value.Value {
		attributes, ok := member.(*types.AttributeValueMemberM)
		if !ok {
			r.fail(name, errAttribute)
			return nil
		}
		decoded = append(decoded, decode(reader{attributes: attributes.Value, err: r.err}))
	}
	return decoded
}
