package httpapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
)

// MaxBodyBytes bounds a request's body, unless its route says otherwise.
const MaxBodyBytes = 16 << 10

// maxIdempotencyKeyLength bounds an Idempotency-Key, in characters.
const maxIdempotencyKeyLength = 64

// Request is one verified HTTP request.
type Request struct {
	// Principal is who calls.
	Principal apikey.Principal
	event     events.APIGatewayProxyRequest
	body      []byte
}

// CorrelationID is the id under which the gateway traces the request. A client can
// choose it (see deliveryKey), and a change keeps it: no credential is in it.
func (r *Request) CorrelationID() string { return apikey.Redact(r.event.RequestContext.RequestID) }

// PathParameter is the path's part in place of {name}.
func (r *Request) PathParameter(name string) string { return r.event.PathParameters[name] }

// OwnChange is the request as a change of the caller's own keys. Its body is
// decoded into body; when that is nil, it must be empty or {}. Errors:
// invalid_request.
func (r *Request) OwnChange(body any) (apikey.ChangeRequest, error) {
	readBody := r.NoBody
	if body != nil {
		readBody = func() error { return r.Decode(body) }
	}
	if err := readBody(); err != nil {
		return apikey.ChangeRequest{}, err
	}
	deliveryKey := r.deliveryKey()
	revisions, err := r.expectedRevisions()
	return apikey.ChangeRequest{
		Owner:             r.Principal.Owner,
		Actor:             apikey.Actor{Kind: apikey.ActorUser, ID: r.Principal.Owner.IAMID},
		CorrelationID:     r.CorrelationID(),
		ExpectedRevisions: revisions,
		IdempotencyKey:    deliveryKey,
		DeliveryKey:       deliveryKey,
	}, err
}

// OwnIssue is the request as a create or rotation of the caller's own, which are
// the changes that Idempotency-Key is for. Errors: invalid_request.
func (r *Request) OwnIssue() (apikey.ChangeRequest, error) {
	request, err := r.OwnChange(nil)
	if err != nil {
		return apikey.ChangeRequest{}, err
	}
	key, err := r.idempotencyKey()
	if key != "" {
		request.IdempotencyKey = key
	}
	return request, err
}

// expectedRevisions are the revisions that If-Match names; nil when it expects
// none in particular. Errors: invalid_request.
func (r *Request) expectedRevisions() ([]int64, error) {
	if len(r.headerValues("If-Match")) == 0 {
		return nil, nil
	}
	value, err := r.header("If-Match")
	if err != nil || value == "*" {
		return nil, err
	}
	revisions := []int64{}
	for tag := range strings.SplitSeq(value, ",") {
		tag = strings.TrimSpace(tag)
		// If-Match compares strongly: a weak tag is well formed and matches nothing.
		opaque, weak := strings.CutPrefix(tag, "W/")
		if len(opaque) < 2 || opaque[0] != '"' || opaque[len(opaque)-1] != '"' || strings.Contains(opaque[1:len(opaque)-1], `"`) {
			return nil, apikey.Invalid("If-Match", `must be * or entity tags such as "3"`)
		}
		if revision, err := strconv.ParseInt(opaque[1:len(opaque)-1], 10, 64); err == nil && !weak && ETag(revision) == tag {
			revisions = append(revisions, revision)
		}
	}
	return revisions, nil
}

// idempotencyKey is the header's value: 1 to 64 visible ASCII characters, or ""
// when there is none. Errors: invalid_request.
func (r *Request) idempotencyKey() (string, error) {
	const name = "Idempotency-Key"
	values := r.headerValues(name)
	if len(values) == 0 {
		return "", nil
	}
	key, err := r.header(name)
	if err != nil {
		return "", err
	}
	if key == "" || len(key) > maxIdempotencyKeyLength {
		return "", apikey.Invalid(name, fmt.Sprintf("must have 1 to %d characters", maxIdempotencyKeyLength))
	}
	for i := range len(key) {
		if key[i] < '!' || key[i] > '~' {
			return "", apikey.Invalid(name, "must be of visible ASCII characters, without spaces")
		}
	}
	return key, nil
}

// deliveryKey stands for the request: Lambda may deliver one event twice, and the
// second delivery must be a replay of the first, also when the client sent no
// Idempotency-Key. A client can choose the first of the gateway's ids by a header
// (X-Amzn-RequestId), and does when it passes on those that it got; the second is
// the gateway's own, but not every gateway has it. The blank keeps it apart from
// every key that a client can send.
func (r *Request) deliveryKey() string {
	id, ownID := r.event.RequestContext.RequestID, r.event.RequestContext.ExtendedRequestID
	if id == "" && ownID == "" {
		return ""
	}
	return strings.TrimRight("request "+id+" "+ownID, " ")
}

// header is the header's only value, whatever the case of its name; "" when
// there is none. A header that comes twice with different values is refused:
// which one another party on the way went by cannot be known.
func (r *Request) header(name string) (string, error) {
	return onlyValue(name, r.headerValues(name))
}

func onlyValue(name string, values []string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	for _, value := range values[1:] {
		if value != values[0] {
			return "", apikey.Invalid(name, "is given twice")
		}
	}
	return values[0], nil
}

func (r *Request) headerValues(name string) []string { return HeaderValues(&r.event, name) }

// HeaderValues are the values of a header in an event, whatever the case of its
// name.
func HeaderValues(event *events.APIGatewayProxyRequest, name string) []string {
	var values []string
	for key, value := range event.MultiValueHeaders {
		if strings.EqualFold(key, name) {
			values = append(values, value...)
		}
	}
	if len(values) > 0 {
		return values
	}
	for key, value := range event.Headers {
		if strings.EqualFold(key, name) {
			values = append(values, value)
		}
	}
	return values
}

// checkForm checks what is the same for every route: that it knows the query
// parameters, and the size and type of the body.
func (r *Request) checkForm(route Route) error {
	if err := r.checkQuery(route.Query); err != nil {
		return err
	}
	body := []byte(r.event.Body)
	if r.event.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(r.event.Body)
		if err != nil {
			return apikey.Invalid("body", "is not valid base64")
		}
		body = decoded
	}
	most := MaxBodyBytes
	if route.MaxBodyBytes > 0 {
		most = route.MaxBodyBytes
	}
	if len(body) > most {
		return problem(CodePayloadTooLarge, fmt.Sprintf("The body is larger than %d bytes.", most))
	}
	r.body = body
	if len(body) == 0 {
		return nil
	}
	contentType, err := r.header("Content-Type")
	if err != nil {
		return err
	}
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
		return problem(CodeUnsupportedMediaType, "The body must be application/json.")
	}
	return nil
}

// NoBody refuses a body that says anything: a client that puts into the body of
// a DELETE what it wants deleted must not have everything deleted. Errors:
// invalid_request.
func (r *Request) NoBody() error {
	if len(r.body) == 0 {
		return nil
	}
	return r.Decode(&struct{}{})
}

// DecodeOptional is Decode of a body that may be missing.
func (r *Request) DecodeOptional(target any) error {
	if len(r.body) == 0 {
		return nil
	}
	return r.Decode(target)
}

// Body is the body as it came; nil when there is none.
func (r *Request) Body() []byte { return r.body }

// Decode reads the body, one JSON object, into target. Unknown, repeated and
// differently cased names, wrong types, invalid UTF-8 and trailing data are
// errors: invalid_request naming the field.
func (r *Request) Decode(target any) error { return DecodeJSON(r.body, target) }

// DecodeJSON is Decode for a body that came another way.
func DecodeJSON(body []byte, target any) error {
	if kind := jsontext.Value(body).Kind(); kind != '{' {
		return apikey.Invalid("body", "must be a JSON object")
	}
	return invalid(json.Unmarshal(body, target, json.RejectUnknownMembers(true)))
}

// DecodeMembers reads the members of a JSON object as they are, each into its
// place. Unknown and repeated names, and what is no JSON, are errors as Decode's
// are; what is within a member is for who decodes that, and so is whether it has
// a name twice or invalid UTF-8: of a list of requests only one may have. What
// came before an error is in its place.
func DecodeMembers(body []byte, places map[string]*jsontext.Value) error {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if decoder.PeekKind() != '{' {
		return apikey.Invalid("body", "must be a JSON object")
	}
	if _, err := decoder.ReadToken(); err != nil {
		return invalid(err)
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return invalid(err)
		}
		place, known := places[name.String()]
		switch {
		case !known:
			return apikey.Invalid(name.String(), "is no field of this request")
		case *place != nil:
			return apikey.Invalid(name.String(), "is given twice")
		}
		value, err := decoder.ReadValue()
		if err != nil {
			return invalid(err)
		}
		*place = value.Clone()
	}
	if _, err := decoder.ReadToken(); err != nil {
		return invalid(err)
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return apikey.Invalid("body", "is not valid JSON")
	}
	return nil
}

// invalid is what decoding came to, as invalid_request naming the field.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(err, json.ErrUnknownName) {
			return apikey.Invalid(fieldOf(semantic.JSONPointer), "is no field of this request")
		}
		return apikey.Invalid(fieldOf(semantic.JSONPointer), "has the wrong type")
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return apikey.Invalid(fieldOf(syntactic.JSONPointer), "is given twice")
		}
		return apikey.Invalid(fieldOf(syntactic.JSONPointer), "is not valid JSON")
	}
	return apikey.Invalid("body", "is not valid JSON")
}

// fieldOf writes a JSON pointer the way people write fields: owner.iamId.
func fieldOf(pointer jsontext.Pointer) string {
	var tokens []string
	for token := range pointer.Tokens() {
		tokens = append(tokens, token)
	}
	if len(tokens) == 0 {
		return "body"
	}
	return strings.Join(tokens, ".")
}
