package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
)

// withOwnIDs is Lambda's runtime API, at the address that SAM has it, with
// events that have ids of their own.
func withOwnIDs(address string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", address
		},
		ModifyResponse: func(r *http.Response) error {
			id := r.Header.Get("Lambda-Runtime-Aws-Request-Id")
			if id == "" { // it brings no event
				return nil
			}
			event, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			_ = r.Body.Close()
			event = identified(event, id)
			r.Body = io.NopCloser(bytes.NewReader(event))
			r.ContentLength = int64(len(event))
			r.Header.Set("Content-Length", strconv.Itoa(len(event)))
			return nil
		},
	}
}

// identified is the event, with the id as the gateway's own id of the request
// (extendedRequestId) when it is a request through API Gateway without one.
func identified(event []byte, id string) []byte {
	var request, context map[string]json.RawMessage
	if json.Unmarshal(event, &request) != nil || json.Unmarshal(request["requestContext"], &context) != nil || context == nil {
		return event
	}
	if own := context["extendedRequestId"]; len(own) > 0 && string(own) != "null" {
		return event
	}
	context["extendedRequestId"] = json.RawMessage(strconv.Quote(id))
	changed, err := json.Marshal(context)
	if err != nil {
		return event
	}
	request["requestContext"] = changed
	if changed, err = json.Marshal(request); err != nil {
		return event
	}
	return changed
}
