package sweep_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
)

// The table forgets what has expired, and a rotation can be announced ten years
// before it is due: what says that it was announced stays until then.
func TestThatARotationWasAnnouncedIsNotForgottenBeforeItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create(userN(0))
		pass(days(1))
		p := w.start(apikey.RotationPolicy{MaxAgeDays: apikey.MaxPolicyDays, NoticeDays: apikey.MaxPolicyDays - 1})
		wantCounts(t, p.run(), sweep.Counts{Announced: 1})
		for _, it := range w.table.Items() {
			if !strings.Contains(it, `"DUE#`) {
				continue
			}
			var item struct{ ExpiresAt struct{ N string } }
			w.must(json.Unmarshal([]byte(it), &item))
			seconds, err := strconv.ParseInt(item.ExpiresAt.N, 10, 64)
			w.must(err)
			if until := time.Unix(seconds, 0).Sub(w.notices(apikey.EventRotationDue)[0].DueAt); until < days(1) {
				t.Errorf("it is forgotten %v after the rotation is due", until)
			}
			return
		}
		t.Error("there is no announcement")
	})
}
