package awsclient

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// connectTimeout bounds what a cold start waits for a service that does not
// answer.
const connectTimeout = time.Second

// Connect opens the connection that the first call will use. It is for a cold
// start, in which Lambda lends a function more processor than it has afterwards:
// the root certificates and the handshake cost more of it than all the rest of a
// first call.
//
// Whatever comes of it, it returns, and says nothing: a function starts though a
// service is down, and its calls tell what is wrong. Without TLS there is
// nothing to gain and it does nothing.
func Connect(cfg aws.Config, endpoint string) {
	if !strings.HasPrefix(endpoint, "https://") {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	// Any answer will do. DynamoDB's to this is that it is healthy.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return
	}
	response, err := cfg.HTTPClient.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
}
