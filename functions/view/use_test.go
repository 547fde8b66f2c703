package view_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

func TestLastUseIsShownOfUsedKeysOnly(t *testing.T) {
	w := newWorld(t)
	w.JaneHasRotated()
	shows := func(active, phasedOut time.Time) {
		t.Helper()
		answer := w.send(viewKeys).Must(http.StatusOK)
		var got keys
		answer.Decode(&got)
		if !got.Active.LastUsedAt.Equal(active) || !got.PhasedOut[0].LastUsedAt.Equal(phasedOut) {
			t.Errorf("shown as last used at %v and %v", got.Active.LastUsedAt, got.PhasedOut[0].LastUsedAt)
		}
		want := 0
		for _, at := range []time.Time{active, phasedOut} {
			if !at.IsZero() {
				want++
			}
		}
		if n := strings.Count(answer.Body, `"lastUsedAt"`); n != want {
			t.Errorf("%d keys show when they were used, want %d: %s", n, want, answer.Body)
		}
	}
	first := w.Now()
	shows(time.Time{}, time.Time{})
	w.Use(functest.Jane, w.Ring(functest.Jane).Active.ID)
	shows(first, time.Time{})
	// Known to within five minutes, it stays as it is.
	w.Pass(5*time.Minute - time.Millisecond)
	w.Use(functest.Jane, w.Ring(functest.Jane).Active.ID)
	shows(first, time.Time{})
	w.Pass(time.Millisecond)
	w.Use(functest.Jane, w.Ring(functest.Jane).Active.ID)
	shows(w.Now(), time.Time{})
	// A rotation takes the use along with the key, and the new one has none.
	second := w.Now()
	w.Rotate(functest.Jane)
	var got keys
	w.send(viewKeys).Must(http.StatusOK).Decode(&got)
	if !got.Active.LastUsedAt.IsZero() || !got.PhasedOut[0].LastUsedAt.Equal(second) || !got.PhasedOut[1].LastUsedAt.IsZero() {
		t.Errorf("shown: %+v", got)
	}
}

func TestUseOfAnotherOwnersOrADeletedKeyIsNotShown(t *testing.T) {
	w := newWorld(t)
	colleague := apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}
	w.Use(colleague, w.Create(colleague).Key.ID)
	w.Use(functest.Jane, w.Create(functest.Jane).Key.ID)
	w.DeleteAll(functest.Jane)
	w.Create(functest.Jane)
	if body := w.send(viewKeys).Must(http.StatusOK).Body; strings.Contains(body, "lastUsedAt") {
		t.Errorf("shown: %s", body)
	}
}
