package lifecycle_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store/storetest"
)

// Every owner is looked at, however many pages they are; what cannot be compared is
// counted, changes nothing, and keeps nobody else waiting.
func TestARestoreLooksAtEveryOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 9
		var owners []apikey.Owner
		w, to := restored(t, func(w *world) {
			for range users {
				w.owner = storetest.NewOwner(t)
				owners = append(owners, w.owner)
				w.create()
			}
		}, func(w *world) {
			for _, w.owner = range owners {
				w.rotate()
			}
		})
		w.table.SetPageBytes(1)
		failing := true
		w.secrets.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if failing && call.Operation == "ListSecrets" {
				failing = false
				return awstest.Answer(http.StatusBadRequest, map[string]string{"__type": "AccessDeniedException"}), nil
			}
			return next()
		})
		for _, want := range []lifecycle.AllRestored{
			{Rings: users, PhasedOut: users - 1, Failed: 1},
			{Rings: users, PhasedOut: 1},
			{Rings: users},
		} {
			told := int64(0)
			done, err := w.AfterRestoreOfAll(t.Context(), w.byOperator().Actor, to, true, func(sofar lifecycle.AllRestored) { told = sofar.Rings })
			if err != nil || done != want || told != users {
				t.Errorf("it did %+v, %v, and told of %d, not %+v", done, err, told, want)
			}
		}
		for _, w.owner = range owners {
			if ring := w.ring(); ring.Active != nil {
				t.Errorf("%+v is still Active", ring.Active)
			}
		}
	})
}
