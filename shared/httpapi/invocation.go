package httpapi

import (
	"errors"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/userapikey/service/shared/apikey"
)

// InvocationError is what whoever invokes a function directly sees of an error:
// the code as its type, and the sentence for the caller.
func InvocationError(err error) error {
	refusal, ok := errors.AsType[*apikey.Error](err)
	if !ok {
		refusal = &apikey.Error{Code: apikey.CodeInternal, Detail: "Something went wrong that should not; the log has the cause."}
	}
	// Lambda's library knows this type, and only when it is not wrapped.
	return messages.InvokeResponse_Error{Type: string(refusal.Code), Message: refusal.Sentence()}
}
