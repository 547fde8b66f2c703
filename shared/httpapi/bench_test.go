package httpapi_test

import (
	"testing"

	"github.com/userapikey/service/shared/httpapi"
)

// BenchmarkDecodeJSON is the cost of a request's body, when it is good and when
// it is refused for a name that it does not have.
func BenchmarkDecodeJSON(b *testing.B) {
	for _, c := range []struct {
		name, body string
		accepted   bool
	}{
		{"good", `{"jobId":"nightly","seconds":60,"urgent":true,"tags":["a","b"],"owner":{"iamId":"IBMid-2"}}`, true},
		{"unknown field", `{"jobId":"nightly","seconds":60,"urgent":true,"tags":["a","b"],"owner":{"iamID":"IBMid-2"}}`, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := httpapi.DecodeJSON([]byte(c.body), new(jobBody)); (err == nil) != c.accepted {
					b.Fatal(err)
				}
			}
		})
	}
}
