package view_test

import (
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/view"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	functest.Golden(t,
		func(w *functest.World) any { return view.New(w, w.Keys.Rings, w.Deployment, w.Now, w.Log).Handle },
		functest.Case{Event: "view", Given: (*functest.World).JaneHasRotated},
		functest.Case{Event: "history", Given: (*functest.World).JaneHasRotated},
		functest.Case{Event: "users", Given: (*functest.World).JaneAdministersSam},
		functest.Case{Event: "user-history", Given: (*functest.World).JaneHasOffboardedSam},
		functest.Case{Event: "impact", Given: (*functest.World).JaneHasSchedules},
	)
}
