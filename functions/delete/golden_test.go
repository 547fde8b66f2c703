package delete_test

import (
	"testing"

	"github.com/userapikey/service/functions/delete"
	"github.com/userapikey/service/functions/functest"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	functest.Golden(t,
		func(w *functest.World) any { return delete.New(w, w.Keys, w.Deployment, w.Log).Handle },
		functest.Case{Event: "delete-one", Given: (*functest.World).JaneHasRotated},
		functest.Case{Event: "delete-all", Given: (*functest.World).JaneHasRotated},
		functest.Case{Event: "offboard", Given: (*functest.World).JaneAdministersSam},
		functest.Case{Event: "reinstate", Given: (*functest.World).JaneHasOffboardedSam},
	)
}
