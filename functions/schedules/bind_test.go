package schedules_test

import (
	"bytes"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

func TestNewScheduleFollowsTheActiveKeyUnlessAskedOtherwise(t *testing.T) {
	for _, body := range []string{`{}`, `{"binding":null}`, following} {
		w := newWorld(t)
		got := w.send(bind("nightly", body))
		got.Is(http.StatusCreated, `{
			"id": "nightly", "scheduleRef": "`+w.ref("nightly")+`", "binding": "follow_active",
			"boundAt": "2026-11-16T09:30:00.000Z", "state": "ready"
		}`)
		if got.Headers["ETag"] != `"3"` {
			t.Errorf("ETag is %s", got.Headers["ETag"])
		}
		w.wantRevision(3)
	}
}

// ref is the reference of Jane's schedule.
func (w world) ref(id string) string {
	return apikey.ScheduleRef{Locator: functest.Jane.Locator(), ID: id}.String()
}

func TestScheduleIsPinnedToTheActiveKeyByItsIDOrCredential(t *testing.T) {
	for name, body := range map[string]func(w world) string{
		"id":         func(w world) string { return pinned(w.active().String()) },
		"credential": func(world) string { return pinnedBy(functest.SecondCredential) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.send(bind("nightly", body(w))).Is(http.StatusCreated, `{
				"id": "nightly", "scheduleRef": "`+w.ref("nightly")+`", "binding": "pinned", "keyId": "`+w.active().String()+`",
				"boundAt": "2026-11-16T09:30:00.000Z", "state": "ready"
			}`)
			w.wantRevision(3)
			if count := w.Ring(functest.Jane).Active.PinnedCount; count != 1 {
				t.Errorf("the key counts %d pinned schedules", count)
			}
		})
	}
}

func TestScheduleShowsWhatIsNotedOfIt(t *testing.T) {
	w := newWorld(t)
	want := schedule{
		ID: "nightly", ScheduleRef: w.ref("nightly"), Binding: "pinned", KeyID: w.active().String(), JobID: "churn",
		JobType: "runtime_service", Service: "watson", Description: "every night, naïvely", BoundAt: functest.InvokedAt, State: "ready",
	}
	body := `{
		"binding": "pinned", "keyId": "` + w.active().String() + `", "jobId": "churn",
		"jobType": "runtime_service", "service": "watson", "description": "every night, naïvely"
	}`
	for _, got := range []functest.Answer{w.send(bind("nightly", body)).Must(http.StatusCreated), w.send(read("nightly")).Must(http.StatusOK)} {
		if diff := cmp.Diff(want, w.shown(got)); diff != "" {
			t.Errorf("want (-) and shown (+): %s", diff)
		}
	}
}

// A PUT replaces: what it leaves out is no longer noted.
func TestScheduleIsBoundAnew(t *testing.T) {
	w := newWorld(t)
	w.send(bind("nightly", `{"description":"every night"}`)).Must(http.StatusCreated)
	w.Pass(time.Hour)
	got := w.shown(w.send(bind("nightly", pinned(w.active().String()))).Must(http.StatusOK))
	if got.Binding != "pinned" || got.Description != "" || !got.BoundAt.Equal(functest.InvokedAt.Add(time.Hour)) {
		t.Errorf("pinned: %+v", got)
	}
	w.wantRevision(4)
	got = w.shown(w.send(bind("nightly", following)).Must(http.StatusOK))
	if got.Binding != "follow_active" || got.KeyID != "" {
		t.Errorf("following again: %+v", got)
	}
	w.wantRevision(5)
}

// Nothing is announced, and the binding is as old as it was.
func TestBindingThatIsThereAlreadyIsNoChange(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]string{
		"following": `{"jobId":"churn","description":"every night"}`,
		"by-id":     pinned(w.active().String()),
	} {
		first := w.shown(w.send(bind(name, body)).Must(http.StatusCreated))
		revision := w.Ring(functest.Jane).Revision
		w.Pass(time.Hour)
		items := len(w.Table.Items())
		if again := w.shown(w.send(bind(name, body)).Must(http.StatusOK)); again != first {
			t.Errorf("bound %+v, and answered again %+v", first, again)
		}
		w.wantRevision(revision)
		if now := len(w.Table.Items()); now != items {
			t.Errorf("the table had %d items and has %d", items, now)
		}
	}
	if again := w.send(bind("by-id", pinnedBy(functest.SecondCredential))).Must(http.StatusOK); again.Headers["ETag"] != `"4"` {
		t.Errorf("the same key by its credential: ETag %s", again.Headers["ETag"])
	}
}

// Repeating a PUT is no new pin: it stays what it is, and its state tells.
func TestBindingToAKeyPhasedOutSinceIsNoChangeEither(t *testing.T) {
	w := newWorld(t)
	body := pinned(w.active().String())
	w.send(bind("nightly", body)).Must(http.StatusCreated)
	w.Rotate(functest.Jane)
	if got := w.shown(w.send(bind("nightly", body)).Must(http.StatusOK)); got.State != apikey.ScheduleKeyPhasedOut {
		t.Errorf("answered %+v", got)
	}
	w.wantRevision(4)
}

func TestOnlyTheActiveKeyCanBePinnedTo(t *testing.T) {
	w := newWorld(t)
	old := w.phasedOut()
	for _, body := range []string{pinned(old.String()), pinnedBy(functest.FirstCredential)} {
		w.send(bind("nightly", body)).Refused(http.StatusConflict, apikey.CodeKeyNotActive)
	}
	w.DeleteOne(functest.Jane, old)
	for _, body := range []string{pinned(old.String()), pinnedBy(functest.FirstCredential)} {
		w.send(bind("nightly", body)).Refused(http.StatusConflict, apikey.CodeKeyNotActive)
	}
	w.wantRevision(3)
	if len(w.Schedules(functest.Jane)) != 0 {
		t.Errorf("bound: %v", w.Schedules(functest.Jane))
	}
}

// What is not the caller's is answered exactly like what does not exist: nobody
// learns by a credential whose it is, or whether it holds.
func TestKeyThatIsNotTheCallersIsNotFound(t *testing.T) {
	w := newWorld(t)
	theirs := w.Create(colleague)
	missing := w.send(bind("nightly", pinned(unknownKey)))
	missing.Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
	for name, request := range map[string]functest.Request{
		"a colleague's key":                  bind("nightly", pinned(theirs.Key.ID.String())),
		"a colleague's credential":           bind("nightly", pinnedBy(theirs.Credential.Reveal())),
		"one's own, by a colleague":          w.asColleague(bind("nightly", pinned(w.active().String()))),
		"one's own credential, by another":   w.asColleague(bind("nightly", pinnedBy(functest.SecondCredential))),
		"a wrong secret of the Active key":   bind("nightly", pinnedBy(w.withWrongSecret(w.active()))),
		"a wrong secret of a Phased out key": bind("nightly", pinnedBy(w.withWrongSecret(w.phasedOut()))),
		"a credential of no key":             bind("nightly", pinnedBy(w.withWrongSecret(apikey.KeyID{6: 0x70, 8: 0x80}))),
		"one's own in another account": bind("nightly", pinned(w.active().String())).
			As(w.Token(apikey.Owner{AccountID: "another", IAMID: functest.Jane.IAMID}, apikey.RoleAdministrator)),
	} {
		t.Run(name, func(t *testing.T) {
			w.Calm()
			answer := w.send(request)
			want, got := missing.Problem(), answer.Problem()
			got.RequestID = want.RequestID
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("a missing key (-) and this (+): %s", diff)
			}
			w.WantCalls("TransactGetItems")
			if diff := cmp.Diff(missing.Headers, answer.Headers); diff != "" {
				t.Error(diff)
			}
		})
	}
	// Neither does the order of checks tell.
	for _, body := range []string{pinned(unknownKey), pinnedBy(theirs.Credential.Reveal()), pinnedBy(w.withWrongSecret(w.active()))} {
		w.send(bind("nightly", body).With("If-Match", `"7"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	}
	w.wantRevision(2)
}

// withWrongSecret is a well-formed credential of Jane's key that is not the key's.
func (w world) withWrongSecret(id apikey.KeyID) string {
	w.t.Helper()
	credential, err := apikey.NewCredential(functest.Jane.Locator(), id, w)
	if err != nil {
		w.t.Fatal(err)
	}
	return credential.Reveal()
}

// The id and the secret of one's own key do not make another owner's credential
// out of it.
func TestCredentialWithAnotherLocatorIsNotFound(t *testing.T) {
	w := newWorld(t)
	own, err := apikey.ParseCredential(functest.SecondCredential)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(functest.SecondCredential[len("cpdk_"):], "_")
	// Package big has the two cases of digits the other way round.
	swapCase := func(r rune) rune {
		if unicode.IsLetter(r) {
			return r ^ ' '
		}
		return r
	}
	number, _ := new(big.Int).SetString(strings.Map(swapCase, text[:43]), 62)
	forged, err := apikey.NewCredential(colleague.Locator(), own.KeyID(), bytes.NewReader(number.FillBytes(make([]byte, 32))))
	if err != nil || forged.Digest() != own.Digest() {
		t.Fatalf("not the same secret: %v", err)
	}
	w.send(bind("nightly", pinnedBy(forged.Reveal()))).Refused(http.StatusNotFound, apikey.CodeKeyNotFound)
	w.send(bind("nightly", pinnedBy(functest.SecondCredential))).Must(http.StatusCreated)
}
