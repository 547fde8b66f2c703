package schedules_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/userapikey/service/functions/functest"
)

// Every cold start would pay for clients that are never used.
func TestFunctionLinksNoClientThatItDoesNotNeed(t *testing.T) {
	linked := functest.Linked(t)
	if !slices.Contains(linked, "github.com/aws/aws-sdk-go-v2/service/dynamodb") {
		t.Fatalf("the function links %v", linked)
	}
	for _, pkg := range linked {
		for _, unneeded := range []string{"service/secretsmanager", "service/eventbridge", "shared/vault", "shared/lifecycle"} {
			if strings.Contains(pkg, unneeded) {
				t.Errorf("the function links %s", pkg)
			}
		}
	}
}
