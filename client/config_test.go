package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/userapikey/service/client"
)

func TestOnlyHTTPSAndLoopbackAddressesAreAccepted(t *testing.T) {
	tokens := client.StaticToken("token-1")
	for baseURL, want := range map[string]string{
		"https://api.example.com":          "",
		"https://api.example.com:8443/a/b": "",
		"https://api.example.com/live/":    "",
		"HTTPS://api.example.com":          "",
		"http://localhost:4566/x":          "",
		"http://127.0.0.1":                 "",
		"http://127.9.9.9:1":               "",
		"http://[::1]:4566":                "",
		"http://api.example.com":           "must be https",
		"http://localhost.example.com":     "must be https",
		"http://127.0.0.1.example.com":     "must be https",
		"http://0.0.0.0":                   "must be https",
		"http://10.0.0.1":                  "must be https",
		"ftp://localhost":                  "must be https",
		"":                                 "is missing",
		"api.example.com":                  "names no host",
		"localhost:4566":                   "names no host",
		"/v1":                              "names no host",
		"https://":                         "names no host",
		"https://:443":                     "names no host",
		"https://ada:pass@api.example.com": "has a user name",
		"https://api.example.com?a=b":      "has a query",
		"https://api.example.com#a":        "has a query or a fragment",
		"https://api.example.com/%zz":      "is not a URL",
	} {
		_, err := client.New(client.Config{BaseURL: baseURL, Tokens: tokens})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", baseURL, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), "BaseURL "+want) || strings.Contains(err.Error(), "pass@")):
			t.Errorf("%s: %v, want %q", baseURL, err, want)
		}
	}
}

func TestAConfigurationThatLacksSomethingSaysWhat(t *testing.T) {
	for want, config := range map[string]client.Config{
		"BaseURL is missing":   {},
		"Tokens is missing":    {BaseURL: "https://api.example.com"},
		"UserAgent has a char": {BaseURL: "https://api.example.com", Tokens: client.StaticToken("t"), UserAgent: "a\r\nb"},
	} {
		if c, err := client.New(config); c != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAZeroValueIsAnErrorAndNotAPanic(t *testing.T) {
	for _, c := range []*client.Client{nil, {}} {
		if decision, err := c.Authorize(t.Context(), job()); err == nil || decision.Allowed || !strings.Contains(err.Error(), "client.New") {
			t.Errorf("Authorize: %+v, %v", decision, err)
		}
		if decisions, err := c.AuthorizeBatch(t.Context(), []client.Request{job()}); err == nil || len(decisions) != 1 || decisions[0].Allowed {
			t.Errorf("AuthorizeBatch: %+v, %v", decisions, err)
		}
		if run, err := c.StartRun(t.Context(), job()); err == nil || run != nil {
			t.Errorf("StartRun: %v, %v", run, err)
		}
	}
	for _, run := range []*client.Run{nil, {}} {
		if err := run.Close(); err == nil || !strings.Contains(err.Error(), "StartRun") {
			t.Errorf("Close: %v", err)
		}
		if ctx := run.Context(); ctx.Err() == nil || !strings.Contains(context.Cause(ctx).Error(), "StartRun") {
			t.Errorf("a job may run in %v", ctx)
		}
		if run.ID() != "" || run.Decision() != (client.Decision{}) {
			t.Errorf("%q, %+v", run.ID(), run.Decision())
		}
	}
}

func TestAnEmptyRequestIsRefusedByTheFieldsName(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		_, err := w.client.Authorize(t.Context(), client.Request{})
		if got := failure(t, err); got.Code != client.CodeInvalidRequest || got.Field != "jobId" {
			t.Errorf("got %v", err)
		}
		request := w.adasJob()
		request.Lease = -1
		if run, err := w.client.StartRun(t.Context(), request); run != nil || err == nil {
			t.Errorf("a lease of less than nothing: %v, %v", run, err)
		}
	})
}

func TestTheNetworksErrorCanBeFound(t *testing.T) {
	refused := errors.New("connection refused")
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}
	c := newClient(t, client.Config{BaseURL: "https://api.example.com", Tokens: client.StaticToken("token-1"), Transport: transport})
	_, err := c.Authorize(t.Context(), job())
	if got := failure(t, err); got.Code != client.CodeUnreachable || got.Status != 0 || !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}
