package schedules_test

import (
	"testing"

	"github.com/userapikey/service/functions/functest"
)

func TestFunctionLinksNoClientThatItDoesNotNeed(t *testing.T) { functest.LinksDynamoDBAlone(t) }
