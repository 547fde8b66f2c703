package apikey_test

import (
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// BenchmarkParseCredential is the cost of refusing a typo, and of accepting.
func BenchmarkParseCredential(b *testing.B) {
	for _, c := range []struct {
		name, text string
		accepted   bool
	}{{"good", sampleText, true}, {"typo", sampleText[:97] + "0", false}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := apikey.ParseCredential(c.text); (err == nil) != c.accepted {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReveal(b *testing.B) {
	credential := newCredential(b, sampleLocator, sampleID, sampleSecret)
	b.ReportAllocs()
	for b.Loop() {
		credential.Reveal()
	}
}

func BenchmarkDigest(b *testing.B) {
	credential := newCredential(b, sampleLocator, sampleID, sampleSecret)
	b.ReportAllocs()
	for b.Loop() {
		credential.Digest()
	}
}

// BenchmarkRedact is the cost of a log line's text without a credential and with one.
func BenchmarkRedact(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"without", "answered in 12 ms with 200"}, {"with", "unknown field " + sampleText}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				apikey.Redact(c.text)
			}
		})
	}
}
