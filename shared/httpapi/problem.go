package httpapi

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
)

// The refusals that only HTTP knows. CodeTooManyRequests is the gateway's: it is
// answered by the template's GatewayResponses, and by no function.
const (
	CodeNotFound             apikey.Code = "not_found"
	CodeMethodNotAllowed     apikey.Code = "method_not_allowed"
	CodePayloadTooLarge      apikey.Code = "payload_too_large"
	CodeTooManyRequests      apikey.Code = "too_many_requests"
	CodeUnsupportedMediaType apikey.Code = "unsupported_media_type"
)

// Codes lists every code that a problem can have.
func Codes() []apikey.Code {
	return append(apikey.Codes(), CodeNotFound, CodeMethodNotAllowed, CodePayloadTooLarge, CodeTooManyRequests, CodeUnsupportedMediaType)
}

// documentation is where each code has its section.
const documentation = "https://github.com/userapikey/service/blob/main/docs/problems.md#"

// internalDetail is all that a caller learns of a defect.
const internalDetail = "Something went wrong here that should not. Tell the operator the requestId."

// statusOf is the one table from codes to statuses and titles.
func statusOf(code apikey.Code) (status int, title string) { //nolint:funlen // as long as there are codes
	switch code {
	case apikey.CodeInvalidRequest:
		return http.StatusBadRequest, "Invalid request"
	case apikey.CodeUnauthenticated:
		return http.StatusUnauthorized, "Not authenticated"
	case apikey.CodeRoleRequired:
		return http.StatusForbidden, "Role required"
	case apikey.CodeOwnerSuspended:
		return http.StatusForbidden, "Owner suspended"
	case apikey.CodeKeyNotFound:
		return http.StatusNotFound, "Key not found"
	case apikey.CodeScheduleNotFound:
		return http.StatusNotFound, "Schedule not found"
	case apikey.CodeRunNotFound:
		return http.StatusNotFound, "Run not found"
	case apikey.CodeUserNotFound:
		return http.StatusNotFound, "User not found"
	case CodeNotFound:
		return http.StatusNotFound, "Not found"
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed, "Method not allowed"
	case apikey.CodeActiveKeyExists:
		return http.StatusConflict, "Active key exists"
	case apikey.CodeNoActiveKey:
		return http.StatusConflict, "No Active key"
	case apikey.CodeTooManyPhasedOutKeys:
		return http.StatusConflict, "Too many Phased out keys"
	case apikey.CodeKeyActive:
		return http.StatusConflict, "Key is Active"
	case apikey.CodeKeyNotActive:
		return http.StatusConflict, "Key is not Active"
	case apikey.CodeTooManySchedules:
		return http.StatusConflict, "Too many schedules"
	case apikey.CodeConflict:
		return http.StatusConflict, "Conflict"
	case apikey.CodeRevisionMismatch:
		return http.StatusPreconditionFailed, "Revision mismatch"
	case CodePayloadTooLarge:
		return http.StatusRequestEntityTooLarge, "Payload too large"
	case CodeUnsupportedMediaType:
		return http.StatusUnsupportedMediaType, "Unsupported media type"
	case apikey.CodeIdempotencyKeyReused:
		return http.StatusUnprocessableEntity, "Idempotency-Key reused"
	case CodeTooManyRequests:
		return http.StatusTooManyRequests, "Too many requests"
	case apikey.CodeRotationRateExceeded:
		return http.StatusTooManyRequests, "Rotation rate exceeded"
	case apikey.CodeUnavailable:
		return http.StatusServiceUnavailable, "Unavailable"
	case apikey.CodeInternal:
		return http.StatusInternalServerError, "Internal error"
	}
	return 0, ""
}

// Problem is an RFC 9457 problem detail.
type Problem struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Code   apikey.Code `json:"code"`
	Detail string      `json:"detail"`
	// Field is the part of the request that is wrong, with invalid_request.
	Field     string `json:"field,omitempty"`
	RequestID string `json:"requestId"`
}

func problem(code apikey.Code, detail string) *apikey.Error {
	return &apikey.Error{Code: code, Detail: detail}
}

// encodeProblem writes the answer to an error. Of an error that is no refusal
// of ours the caller learns nothing but the request's id.
func encodeProblem(err error, r *Request) events.APIGatewayProxyResponse {
	code := apikey.CodeOf(err)
	status, title := statusOf(code)
	p := Problem{Type: documentation + string(code), Title: title, Status: status, Code: code, Detail: internalDetail, RequestID: r.CorrelationID()}
	headers := standardHeaders("application/problem+json")
	if refusal, ok := errors.AsType[*apikey.Error](err); ok && code != apikey.CodeInternal {
		p.Detail, p.Field = refusal.Sentence(), refusal.ShownField()
		if refusal.RetryAfter > 0 {
			headers["Retry-After"] = retryAfter(refusal.RetryAfter)
		}
	}
	if code == CodeMethodNotAllowed {
		headers["Allow"] = allowedMethods(r.event.Resource)
	}
	if code == apikey.CodeUnauthenticated {
		headers["WWW-Authenticate"] = challenge(p.Detail)
	}
	// Texts and a number can always be encoded, once invalid UTF-8 is allowed for.
	body, _ := json.Marshal(p, jsontext.AllowInvalidUTF8(true))
	return events.APIGatewayProxyResponse{StatusCode: status, Headers: headers, Body: string(body)}
}

// retryAfter is in whole seconds, rounded up so that a client that obeys it is
// not refused again.
func retryAfter(wait time.Duration) string {
	return strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10)
}

// challenge tells a client to bring a token (RFC 6750, section 3).
func challenge(detail string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(detail)
	return `Bearer realm="user-api-key", error="invalid_token", error_description="` + quoted + `"`
}
