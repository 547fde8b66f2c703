package deployed

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// SAM local serves functions at an address of its own.
func TestServiceWithAnEndpointOfItsOwnIsAskedThere(t *testing.T) {
	answering := func(text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	cloud := AWS{Client: http.DefaultClient, Env: map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": answering(`"all"`), "AWS_ENDPOINT_URL_LAMBDA": answering(`"lambda"`),
	}}
	var answer string
	if err := cloud.Invoke(t.Context(), "view", nil, &answer); err != nil || answer != "lambda" {
		t.Errorf("an invocation went to %q, %v", answer, err)
	}
	if err := cloud.Call(t.Context(), "sqs", "AmazonSQS.ReceiveMessage", nil, &answer); err != nil || answer != "all" {
		t.Errorf("another call went to %q, %v", answer, err)
	}
}
