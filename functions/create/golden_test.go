package create_test

import (
	"testing"

	"github.com/userapikey/service/functions/create"
	"github.com/userapikey/service/functions/functest"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	functest.Golden(t,
		func(w *functest.World) any { return create.New(w, w.Keys, w.Log).Handle },
		functest.Case{Event: "create", Given: (*functest.World).JaneHasNoKey},
	)
}
