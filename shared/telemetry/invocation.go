package telemetry

import (
	"context"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// InvocationID is the id of the function's invocation, which the platform's own
// log lines have too; "" outside of one.
func InvocationID(ctx context.Context) string {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return invocation.AwsRequestID
	}
	return ""
}
