package authorizer_test

import (
	"testing"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	functest.Golden(t,
		func(w *functest.World) any { return authorizer.New(w, w.Keys.Rings, w.Now, w.Log) },
		functest.Case{Event: "authorize-webhook", Given: (*functest.World).JaneHasRotated},
		functest.Case{Event: "authorize-direct-credential", Given: (*functest.World).JaneHasRotated},
		functest.Case{Event: "authorize-direct-owner", Given: (*functest.World).JaneHasRotated},
	)
}
