package schedules_test

import (
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/schedules"
)

func TestEventsAreAnsweredAsRecorded(t *testing.T) {
	given := (*functest.World).JaneHasSchedules
	functest.Golden(t,
		func(w *functest.World) any { return schedules.New(w, w.Keys.Rings, w.Now, w.Log).Handle },
		functest.Case{Event: "schedule-list", Given: given},
		functest.Case{Event: "schedule-read", Given: given},
		functest.Case{Event: "schedule-bind-follow", Given: given},
		functest.Case{Event: "schedule-bind-pinned", Given: given},
		functest.Case{Event: "schedule-rebind", Given: given},
		functest.Case{Event: "schedule-unbind", Given: given},
	)
}
