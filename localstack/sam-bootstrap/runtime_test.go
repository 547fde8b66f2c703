package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequestsGetIDsOfTheirOwn(t *testing.T) {
	for name, test := range map[string]struct{ event, want string }{
		"none, as from SAM local": {
			`{"body":"<&>","requestContext":{"requestId":"same","extendedRequestId":null}}`,
			`{"body":"<&>","requestContext":{"extendedRequestId":"id-1","requestId":"same"}}`,
		},
		"no field for it":              {`{"requestContext":{}}`, `{"requestContext":{"extendedRequestId":"id-1"}}`},
		"one of the gateway's":         {`{"requestContext": {"extendedRequestId":"own"}}`, `{"requestContext": {"extendedRequestId":"own"}}`},
		"no request through a gateway": {`{"jobId": "job-1"}`, `{"jobId": "job-1"}`},
		"no context":                   {`{"requestContext": null}`, `{"requestContext": null}`},
		"no object":                    {`[1, 2]`, `[1, 2]`},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.NewReplacer(`\u003c`, "<", `\u0026`, "&", `\u003e`, ">").Replace(string(identified([]byte(test.event), "id-1")))
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Everything else of the runtime API passes as it is.
func TestRuntimeAPIPassesThrough(t *testing.T) {
	var answered string
	runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			answered = r.URL.Path + " " + string(body)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id-1")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", "1")
		_, _ = w.Write([]byte(`{"requestContext":{}}`))
	}))
	t.Cleanup(runtime.Close)
	proxy := httptest.NewServer(withOwnIDs(strings.TrimPrefix(runtime.URL, "http://")))
	t.Cleanup(proxy.Close)

	next, err := proxy.Client().Get(proxy.URL + "/2018-06-01/runtime/invocation/next")
	if err != nil {
		t.Fatal(err)
	}
	event, err := io.ReadAll(next.Body)
	_ = next.Body.Close()
	if err != nil || string(event) != `{"requestContext":{"extendedRequestId":"id-1"}}` || next.Header.Get("Lambda-Runtime-Deadline-Ms") != "1" {
		t.Errorf("the event %s, %v, with %v", event, err, next.Header)
	}
	response, err := proxy.Client().Post(proxy.URL+"/2018-06-01/runtime/invocation/id-1/response", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusAccepted || answered != "/2018-06-01/runtime/invocation/id-1/response {}" {
		t.Errorf("%s: %s", response.Status, answered)
	}
}
