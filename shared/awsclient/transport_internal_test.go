package awsclient

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestANewConnectionResumesTheSessionOfTheLast(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.TLS.DidResume)
	}))
	defer server.Close()
	transport, ok := newTransport().(*http.Transport)
	if !ok {
		t.Fatal("it is another transport")
	}
	trusted, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the server's client has another transport")
	}
	transport.TLSClientConfig.RootCAs = trusted.TLSClientConfig.RootCAs
	for _, resumed := range []string{"false", "true", "true"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client{transport}.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		if err != nil || string(got) != resumed {
			t.Errorf("resumed: %s, want %s (%v)", got, resumed, err)
		}
		transport.CloseIdleConnections()
	}
}
