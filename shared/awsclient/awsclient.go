// Package awsclient configures the AWS SDK for a Lambda function.
//
// It builds the configuration by hand instead of calling
// config.LoadDefaultConfig: a function has its region and credentials in its
// environment, and the loader brings clients for single sign-on, STS and the
// metadata service that every cold start would pay for.
package awsclient

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Every call is bounded well inside a function's own time: one attempt, the
// number of attempts, and the pause between them.
const (
	dialTimeout    = time.Second
	attemptTimeout = 3 * time.Second
	maxAttempts    = 3
	maxRetryPause  = 200 * time.Millisecond
)

// Config is the configuration of one service's client, from the variables that
// Lambda sets. AWS_ENDPOINT_URL_<SERVICE>, such as AWS_ENDPOINT_URL_DYNAMODB, or
// AWS_ENDPOINT_URL name another endpoint, as in every AWS SDK.
func Config(getenv func(string) string, service string) aws.Config {
	return aws.Config{
		Region:       getenv("AWS_REGION"),
		BaseEndpoint: endpoint(getenv, service),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
				SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
				SessionToken:    getenv("AWS_SESSION_TOKEN"),
				Source:          "environment",
			}, nil
		}),
		HTTPClient: awshttp.NewBuildableClient().
			WithTimeout(attemptTimeout).
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
			WithTransportOptions(func(t *http.Transport) { t.TLSHandshakeTimeout = dialTimeout }),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = maxAttempts
				o.MaxBackoff = maxRetryPause
			})
		},
	}
}

func endpoint(getenv func(string) string, service string) *string {
	for _, name := range []string{"AWS_ENDPOINT_URL_" + strings.ToUpper(service), "AWS_ENDPOINT_URL"} {
		if url := getenv(name); url != "" {
			return &url
		}
	}
	return nil
}
