package schedules_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

// states are the states of Jane's schedules, as the listing and each by itself
// shows them.
func (w world) states() map[string]apikey.ScheduleState {
	w.t.Helper()
	var listed struct{ Schedules []schedule }
	w.send(list).Must(http.StatusOK).Decode(&listed)
	states := map[string]apikey.ScheduleState{}
	for _, s := range listed.Schedules {
		states[s.ID] = s.State
		if alone := w.shown(w.send(read(s.ID)).Must(http.StatusOK)); alone != s {
			w.t.Errorf("listed as %+v, alone %+v", s, alone)
		}
	}
	return states
}

func TestStateOfAScheduleIsThatOfItsKey(t *testing.T) {
	const ready, phasedOut, deleted, none = apikey.ScheduleReady, apikey.ScheduleKeyPhasedOut, apikey.ScheduleKeyDeleted, apikey.ScheduleWithoutActive
	w := newWorld(t)
	bound := w.active()
	w.send(bind("following", following)).Must(http.StatusCreated)
	w.send(bind("pinned", pinned(bound.String()))).Must(http.StatusCreated)
	for _, step := range []struct {
		name              string
		do                func()
		following, pinned apikey.ScheduleState
	}{
		{"bound", func() {}, ready, ready},
		{"rotated", func() { w.Rotate(functest.Jane) }, ready, phasedOut},
		{"rotated twice", func() { w.Rotate(functest.Jane) }, ready, phasedOut},
		{"its key deleted", func() { w.DeleteOne(functest.Jane, bound) }, ready, deleted},
		{"bound again", func() { w.send(bind("pinned", pinned(w.active().String()))).Must(http.StatusOK) }, ready, ready},
		{"all keys deleted", func() { w.DeleteAll(functest.Jane) }, none, deleted},
		{"another key", func() { w.Create(functest.Jane) }, ready, deleted},
		{"bound to it", func() { w.send(bind("pinned", pinned(w.active().String()))).Must(http.StatusOK) }, ready, ready},
		{"suspended", func() { w.Suspend(functest.Jane) }, none, deleted},
	} {
		step.do()
		want := map[string]apikey.ScheduleState{"following": step.following, "pinned": step.pinned}
		if diff := cmp.Diff(want, w.states()); diff != "" {
			t.Errorf("%s: want (-) and shown (+): %s", step.name, diff)
		}
	}
}

// Bindings outlive the keys that they name, and can be made before there is one.
func TestScheduleCanBeBoundWithoutAKey(t *testing.T) {
	w := world{functest.New(t), t}
	got := w.send(bind("nightly", following)).Must(http.StatusCreated)
	if s := w.shown(got); s.State != apikey.ScheduleWithoutActive || got.Headers["ETag"] != `"1"` {
		t.Errorf("ETag %s, %+v", got.Headers["ETag"], s)
	}
	w.send(bind("other", pinned(unknownKey))).Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
	w.Create(functest.Jane)
	if diff := cmp.Diff(map[string]apikey.ScheduleState{"nightly": apikey.ScheduleReady}, w.states()); diff != "" {
		t.Error(diff)
	}
}

func TestNoAnswerShowsACredentialOrDigest(t *testing.T) {
	w := newWorld(t)
	answers := []functest.Answer{
		w.send(bind("nightly", pinnedBy(functest.SecondCredential))),
		w.send(bind("nightly", pinnedBy(functest.SecondCredential))),
		w.send(bind("hourly", pinnedBy(functest.FirstCredential))),
		w.send(bind("hourly", `{"binding":"`+functest.SecondCredential+`"}`)),
		w.send(bind("hourly", `{"`+functest.SecondCredential+`":"x"}`)),
		w.send(bind("hourly", pinnedBy(functest.SecondCredential+"x"))),
		w.send(bind("hourly", pinnedBy(w.withWrongSecret(w.active())))),
		w.send(read("nightly")),
		w.send(list),
		w.send(rebind(w.active().String())),
		w.send(rebind(functest.SecondCredential)),
		w.send(unbind("nightly")),
	}
	var told []string
	for _, answer := range answers {
		told = append(told, answer.Body)
	}
	for _, text := range append(append(told, w.Logged()), w.Table.Items()...) {
		if strings.Contains(text, "cpdk_") {
			t.Errorf("a credential is in %s", text)
		}
	}
	for _, text := range told {
		if strings.Contains(strings.ToLower(text), "digest") || strings.Contains(text, "arn:") {
			t.Errorf("an answer tells too much: %s", text)
		}
	}
}

func TestOnlyKeyManagersManageSchedules(t *testing.T) {
	w := newWorld(t)
	w.Bind(functest.Jane, "nightly", apikey.KeyID{})
	w.ForKeyManagersOnly(w.function(), list, read("nightly"), bind("nightly", pinned(unknownKey)), unbind("nightly"), rebind(unknownKey))
	w.send(bind("nightly", following).As(w.Token(functest.Jane, apikey.RoleAccountOwner))).Must(http.StatusOK)
	w.wantRevision(3)
}

// Another owner's schedule is answered like one that does not exist, and nobody's
// is touched.
func TestScheduleThatIsNotTheCallersIsNotFound(t *testing.T) {
	w := newWorld(t)
	w.Bind(functest.Jane, "nightly", w.active())
	w.Bind(colleague, "theirs", apikey.KeyID{})
	elsewhere := w.Token(apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}, apikey.RoleAdministrator)
	missing := w.send(read("hourly"))
	missing.Refused(http.StatusNotFound, apikey.CodeScheduleNotFound)
	for name, request := range map[string]functest.Request{
		"to read a colleague's":       read("theirs"),
		"to unbind a colleague's":     unbind("theirs"),
		"to read by a colleague":      w.asColleague(read("nightly")),
		"to unbind by a colleague":    w.asColleague(unbind("nightly")),
		"to read in another account":  read("nightly").As(elsewhere),
		"to unbind from another":      unbind("nightly").As(elsewhere),
		"to read by its reference":    read(w.ref("nightly")),
		"to read in another case":     read("Nightly"),
		"to read the owner's ring":    read("RING"),
		"to unbind what is not there": unbind("hourly"),
	} {
		t.Run(name, func(t *testing.T) {
			want, got := missing.Problem(), w.send(request).Problem()
			got.RequestID = want.RequestID
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("a missing schedule (-) and this (+): %s", diff)
			}
		})
	}
	// The same id is another schedule of each owner.
	w.send(w.asColleague(bind("nightly", following))).Must(http.StatusCreated)
	w.send(w.asColleague(unbind("nightly"))).Must(http.StatusNoContent)
	w.wantRevision(3)
	if s := w.shown(w.send(read("nightly")).Must(http.StatusOK)); s.KeyID != w.active().String() {
		t.Errorf("left: %+v", s)
	}
}
