// Package awsclient configures the AWS SDK for a Lambda function: what a cold
// start, a call and a call after a freeze cost is decided here, for every
// function alike.
//
// It builds the configuration by hand instead of calling
// config.LoadDefaultConfig: a function has its region and credentials in its
// environment, and the loader brings clients for single sign-on, STS and the
// metadata service that every cold start would pay for.
package awsclient

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
)

// A call is tried at most maxAttempts times, with a random pause in between.
const (
	maxAttempts   = 3
	maxRetryPause = 200 * time.Millisecond
)

// Config is the configuration of one service's client, from the variables that
// Lambda sets. AWS_ENDPOINT_URL_<SERVICE>, such as AWS_ENDPOINT_URL_DYNAMODB, or
// AWS_ENDPOINT_URL name another endpoint, as in every AWS SDK.
func Config(getenv func(string) string, service string) aws.Config {
	return ConfigOn(newTransport(), getenv, service)
}

// ConfigOn is Config on another transport, such as one that fails calls.
func ConfigOn(transport http.RoundTripper, getenv func(string) string, service string) aws.Config {
	credentials := aws.Credentials{
		AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	return aws.Config{
		Region:       getenv("AWS_REGION"),
		BaseEndpoint: endpoint(getenv, service),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
		HTTPClient: client{transport},
		APIOptions: []func(*middleware.Stack) error{withoutSurplus},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = maxAttempts
				o.MaxBackoff = maxRetryPause
			})
		},
	}
}

func endpoint(getenv func(string) string, service string) *string {
	if service == "secretsmanager" {
		service = "secrets_manager" // as the SDKs name it, "Secrets Manager"
	}
	for _, name := range []string{"AWS_ENDPOINT_URL_" + strings.ToUpper(service), "AWS_ENDPOINT_URL"} {
		if url := getenv(name); url != "" {
			return &url
		}
	}
	return nil
}
