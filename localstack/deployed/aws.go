package deployed

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// AWS speaks to services of the local stack's emulator, also to those that the
// product links no client of.
type AWS struct {
	// Env is what ReadEnv read.
	Env    map[string]string
	Client *http.Client
}

// Getenv is the environment of an SDK client of the emulator, which takes any
// credentials.
func (a AWS) Getenv(name string) string {
	switch value := a.Env[name]; {
	case value != "":
		return value
	case name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY":
		return "test"
	}
	return ""
}

// Call asks an operation of a service that takes and answers JSON and names its
// operations in a header, such as AmazonSQS.ReceiveMessage. out may be nil.
func (a AWS) Call(ctx context.Context, service, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	header := http.Header{"X-Amz-Target": {target}, "Content-Type": {"application/x-amz-json-1.1"}}
	if service == "sqs" || service == "dynamodb" {
		header.Set("Content-Type", "application/x-amz-json-1.0")
	}
	_, answer, err := a.Send(ctx, service, http.MethodPost, "/", header, body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// Invoke calls a function and waits for its answer. That the function failed is
// an error.
func (a AWS) Invoke(ctx context.Context, function string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	path := "/2015-03-31/functions/" + url.PathEscape(function) + "/invocations"
	header, answer, err := a.Send(ctx, "lambda", http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return err
	}
	if failure := header.Get("X-Amz-Function-Error"); failure != "" {
		return fmt.Errorf("%s failed (%s): %s", function, failure, answer)
	}
	return json.Unmarshal(answer, out)
}

// Send sends a signed request, to the service's own endpoint where Env has one
// (AWS_ENDPOINT_URL_LAMBDA). An answer other than 200 is an error that has its
// text.
func (a AWS) Send(ctx context.Context, service, method, path string, header http.Header, body []byte) (http.Header, []byte, error) {
	endpoint := cmp.Or(a.Getenv("AWS_ENDPOINT_URL_"+strings.ToUpper(service)), a.Getenv("AWS_ENDPOINT_URL"))
	request, err := http.NewRequestWithContext(ctx, method, endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header = header
	credentials := aws.Credentials{AccessKeyID: a.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: a.Getenv("AWS_SECRET_ACCESS_KEY")}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), service, a.Getenv("AWS_REGION"), time.Now()); err != nil {
		return nil, nil, err
	}
	response, err := a.Client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s%s: %s: %.300s", method, service, path, response.Status, answer)
	}
	return response.Header, answer, err
}
