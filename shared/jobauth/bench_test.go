package jobauth_test

import (
	"testing"

	"github.com/userapikey/service/shared/jobauth"
)

// BenchmarkDecide is the cost of a decision from a ring in memory: the check of
// the form, and the comparison.
func BenchmarkDecide(b *testing.B) {
	facts := jobauth.Facts{Ring: ringOfThree(b)}
	for name, request := range map[string]jobauth.Request{
		"by credential": byCredential(credential(b, 3, 3).Reveal()),
		"by owner":      byOwner("acme", "IBMid-1"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				question, err := request.Prepare(ownAccount)
				if err != nil {
					b.Fatal(err)
				}
				if decision, _ := question.Decide(facts, noon); !decision.Allowed {
					b.Fatal(decision.Reason)
				}
			}
		})
	}
}
