package awsclient_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/awsclient"
)

func TestEndpointOfAServiceComesBeforeTheEndpointOfAll(t *testing.T) {
	for name, test := range map[string]struct {
		service     string
		environment map[string]string
		want        string
	}{
		"AWS's own":      {"dynamodb", nil, ""},
		"empty is none":  {"dynamodb", map[string]string{"AWS_ENDPOINT_URL": ""}, ""},
		"of all":         {"dynamodb", map[string]string{"AWS_ENDPOINT_URL": "http://a"}, "http://a"},
		"of the service": {"dynamodb", map[string]string{"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_DYNAMODB": "http://d"}, "http://d"},
		"of one whose name has two words": {
			"secretsmanager", map[string]string{"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://s"}, "http://s",
		},
	} {
		got := awsclient.Config(func(name string) string { return test.environment[name] }, test.service).BaseEndpoint
		if (got == nil) != (test.want == "") || got != nil && *got != test.want {
			t.Errorf("%s: %v, want %q", name, got, test.want)
		}
	}
}

// dyingServer answers the first request of each connection and drops the
// connection at the next, as a server does that closed it while the function was
// frozen. It counts what arrives.
func dyingServer(t *testing.T) (url string, requests *atomic.Int32) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	requests = new(atomic.Int32)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				reader := bufio.NewReader(connection)
				for answered := false; ; answered = true {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					requests.Add(1)
					if answered {
						return
					}
					_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String(), requests
}

func TestOnADeadConnectionReadsAreRepeatedAtOnceAndWritesAreNot(t *testing.T) {
	for operation, want := range map[string]struct {
		fails    bool
		requests int32
	}{
		"DynamoDB_20120810.GetItem":               {false, 3},
		"DynamoDB_20120810.BatchGetItem":          {false, 3},
		"DynamoDB_20120810.TransactGetItems":      {false, 3},
		"DynamoDB_20120810.Query":                 {false, 3},
		"DynamoDB_20120810.Scan":                  {false, 3},
		"secretsmanager.GetSecretValue":           {false, 3},
		"secretsmanager.DescribeSecret":           {false, 3},
		"DynamoDB_20120810.TransactWriteItems":    {true, 2},
		"DynamoDB_20120810.UpdateItem":            {true, 2},
		"secretsmanager.UpdateSecretVersionStage": {true, 2},
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			url, requests := dyingServer(t)
			client := awsclient.Config(func(string) string { return "" }, "").HTTPClient
			var errs []bool
			for range 2 {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"a":1}`))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("X-Amz-Target", operation)
				response, err := client.Do(request)
				errs = append(errs, err != nil)
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			}
			if diff := cmp.Diff([]bool{false, want.fails}, errs); diff != "" {
				t.Errorf("which calls failed: %s", diff)
			}
			if got := requests.Load(); got != want.requests {
				t.Errorf("%d requests arrived, want %d", got, want.requests)
			}
		})
	}
}
