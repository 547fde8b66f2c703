package sweep

import (
	"context"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// correlationID is the id of the invocation, by which its changes can be traced.
func correlationID(ctx context.Context) string {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return invocation.AwsRequestID
	}
	return ""
}
