package identity_test

import "testing"

// BenchmarkPrincipal is the cost of one request's token once the keys are known.
func BenchmarkPrincipal(b *testing.B) {
	v := goodVerifier(b)
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(algorithm, func(b *testing.B) {
			value := bearer(goodTokens()[algorithm])
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Principal(b.Context(), value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
