package rotate_test

import (
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/rotate"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	functest.Golden(t,
		func(w *functest.World) any { return rotate.New(w, w.Keys, w.Deployment, w.Log).Handle },
		functest.Case{Event: "rotate", Given: (*functest.World).JaneHasAKey},
		functest.Case{Event: "policy-read", Given: (*functest.World).JaneHasAKey},
		functest.Case{Event: "policy-set", Given: (*functest.World).JaneHasRotated},
	)
}
