package awsclient_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/shared/awsclient"
)

func noEnvironment(string) string { return "" }

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFirstCallUsesTheConnectionThatIsOpen(t *testing.T) {
	var connections, requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	cfg := awsclient.ConfigOn(server.Client().Transport, noEnvironment, "")
	awsclient.Connect(cfg, server.URL)
	if connections.Load() != 1 {
		t.Fatalf("%d connections are open", connections.Load())
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := cfg.HTTPClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if connections.Load() != 1 || requests.Load() != 2 {
		t.Errorf("%d connections, %d requests", connections.Load(), requests.Load())
	}
}

func TestWithoutTLSNothingIsOpenedAhead(t *testing.T) {
	cfg := awsclient.ConfigOn(roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s %s", r.Method, r.URL)
		return nil, errors.New("injected")
	}), noEnvironment, "")
	awsclient.Connect(cfg, "http://127.0.0.1:4566")
}

func TestAServiceThatIsDownDelaysAColdStartByASecondAtMost(t *testing.T) {
	for name, transport := range map[string]roundTripper{
		"refuses": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused (injected)") },
		"never answers": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				awsclient.Connect(awsclient.ConfigOn(transport, noEnvironment, ""), "https://dynamodb.us-east-1.amazonaws.com")
				if took := time.Since(start); took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
