package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/go-json-experiment/json/jsontext"
)

// decodeQuickly has the answer of one GetItem decoded here: the SDK's decoder
// makes a tree of untyped values first, which is a twelfth of a decision's CPU.
// Whatever is not plainly an item like ours goes to the SDK's decoder: errors,
// other types of attributes, and all that could be read in two ways.
func decodeQuickly(o *dynamodb.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		const step = "OperationDeserializer"
		sdk, ok := stack.Deserialize.Get(step)
		if !ok {
			return errors.New("the SDK has no step " + step)
		}
		_, err := stack.Deserialize.Swap(step, quickDecoder{sdk})
		return err
	})
}

// quickDecoder takes the place, and has the name, of the SDK's decoder.
type quickDecoder struct {
	middleware.DeserializeMiddleware
}

// HandleDeserialize decodes what next received.
func (d quickDecoder) HandleDeserialize(
	ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	if body, ok := success(out, err); ok {
		if answer, ok := decodeAnswer(body); ok {
			out.Result = answer
			return out, metadata, nil
		}
	}
	return d.DeserializeMiddleware.HandleDeserialize(ctx, in, received{out, metadata, err})
}

// success is the body of a successful answer, if it is in memory; it stays
// unread.
func success(out middleware.DeserializeOutput, err error) (body []byte, ok bool) {
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || response.StatusCode != http.StatusOK {
		return nil, false
	}
	inMemory, ok := response.Body.(interface{ Bytes() []byte })
	if !ok {
		return nil, false
	}
	return inMemory.Bytes(), true
}

// received is what came back already.
type received struct {
	out      middleware.DeserializeOutput
	metadata middleware.Metadata
	err      error
}

// HandleDeserialize hands it on.
func (r received) HandleDeserialize(context.Context, middleware.DeserializeInput) (middleware.DeserializeOutput, middleware.Metadata, error) {
	return r.out, r.metadata, r.err
}

// decodeAnswer reads the answer of GetItem. It accepts less than the SDK's
// decoder does, and what it accepts is the same.
func decodeAnswer(body []byte) (*dynamodb.GetItemOutput, bool) {
	a := answer{Decoder: jsontext.NewDecoder(bytes.NewBuffer(body))}
	output := new(dynamodb.GetItemOutput)
	a.members(func(name string) {
		if name != "Item" {
			a.strange = true
			return
		}
		output.Item = a.item()
	})
	if _, err := a.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return output, !a.strange
}

// answer reads an answer and remembers whether there was anything strange in it,
// so that reading it reads like the item; what it has read is void then.
type answer struct {
	*jsontext.Decoder
	strange bool
}

// next is the next token, which must be of that kind.
func (a *answer) next(kind jsontext.Kind) jsontext.Token {
	token, err := a.ReadToken()
	if err != nil || token.Kind() != kind {
		a.strange = true
		return jsontext.Null
	}
	return token
}

func (a *answer) members(member func(name string)) {
	a.next('{')
	for !a.strange && a.PeekKind() == '"' {
		member(a.next('"').String())
	}
	a.next('}')
}

func (a *answer) item() item {
	attributes := make(item)
	a.members(func(name string) { attributes[name] = a.attribute() })
	return attributes
}

// attribute reads an object of one member: the attribute's type and its value.
func (a *answer) attribute() (value types.AttributeValue) {
	a.members(func(kind string) {
		if value != nil {
			a.strange = true
			return
		}
		switch kind {
		case "S":
			value = text(a.next('"').String())
		case "N":
			value = &types.AttributeValueMemberN{Value: a.next('"').String()}
		case "B":
			decoded, err := base64.StdEncoding.Strict().DecodeString(a.next('"').String())
			a.strange = a.strange || err != nil
			value = blob(decoded)
		case "BOOL":
			value = flag(a.bool())
		case "M":
			value = nested(a.item())
		case "L":
			value = &types.AttributeValueMemberL{Value: a.list()}
		default:
			a.strange = true
		}
	})
	a.strange = a.strange || value == nil
	return value
}

func (a *answer) bool() bool {
	if a.PeekKind() == 't' {
		return a.next('t').Kind() == 't'
	}
	a.next('f')
	return false
}

func (a *answer) list() []types.AttributeValue {
	members := []types.AttributeValue{}
	a.next('[')
	for !a.strange && a.PeekKind() == '{' {
		members = append(members, a.attribute())
	}
	a.next(']')
	return members
}
