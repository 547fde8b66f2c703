package awsclient

import "github.com/aws/smithy-go/middleware"

// withoutSurplus takes those steps out of a call that do nothing for a client
// configured like ours, or tell AWS what nobody asks about. The SDK makes all of
// them anew for every call; without them a decision takes some 6 % less CPU.
//
// What a call depends on stays: validation, retries, signature, the correction of
// a wrong clock, the request's id in errors. client sets the user agent and checks
// the sum of the answer.
func withoutSurplus(stack *middleware.Stack) error {
	// The only error is that a call has no such step.
	for _, id := range []string{"ClientRequestID", "UserAgent", "RecursionDetection"} {
		_, _ = stack.Build.Remove(id)
	}
	for _, id := range []string{"DisableAcceptEncodingGzip", "disableHTTPS", "DiscoverEndpoint", "setLegacyContextSigningOptions"} {
		_, _ = stack.Finalize.Remove(id)
	}
	for _, id := range []string{"AddRawResponseToMetadata", "DynamoDB:ResponseChecksumValidation", "RequestResponseLogger"} {
		_, _ = stack.Deserialize.Remove(id)
	}
	return nil
}
