package awstest

import (
	"io"
	"net/http"
)

// Handler serves an engine at an address, for what runs in a process of its own or
// finds its clients' endpoints in the environment.
func Handler(engine http.RoundTripper) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		response, err := engine.RoundTrip(r)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		defer func() { _ = response.Body.Close() }()
		rw.Header().Set("Content-Type", response.Header.Get("Content-Type"))
		rw.WriteHeader(response.StatusCode)
		_, _ = io.Copy(rw, response.Body)
	})
}
