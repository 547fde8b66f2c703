package authorizer_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

// platform is a token that may ask about every account.
func (w world) platform() string {
	return w.Token(apikey.Owner{AccountID: "platform", IAMID: "iam-ServiceId-2"}, apikey.RolePlatformJobRunner)
}

// elsewhere is a token of another account's job runner.
func (w world) elsewhere() string {
	return w.Token(apikey.Owner{AccountID: "another", IAMID: "iam-ServiceId-3"}, apikey.RoleJobRunner)
}

// forged is a credential of Jane's Active key with another secret.
func (w world) forged() string {
	w.t.Helper()
	return w.credentialOf(functest.Jane.Locator(), w.Ring(functest.Jane).Active.ID)
}

// credentialOf is a credential that names the key, with a secret of its own.
func (w world) credentialOf(owner apikey.Locator, id apikey.KeyID) string {
	w.t.Helper()
	credential, err := apikey.NewCredential(owner, id, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return credential.Reveal()
}

// anyKeyID is the id of no key.
func (w world) anyKeyID() apikey.KeyID {
	w.t.Helper()
	id, err := apikey.NewUUID(w.Now(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestAllowedDecisionNamesTheVersionOfTheSecret(t *testing.T) {
	w := newWorld(t)
	got := w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane))
	ring := w.Ring(functest.Jane)
	if got.Secret.ARN != ring.SecretARN || w.Secrets.Value(got.Secret.ARN, got.Secret.VersionID) != functest.SecondCredential {
		t.Errorf("the secret is %+v", got.Secret)
	}
	if got.Key.ID != ring.Active.ID.String() || got.Key.Name != ring.Active.Name {
		t.Errorf("the key is %+v", got.Key)
	}
}

// A decision that begins after a change has answered knows of it: there is no
// cache and no delay.
func TestDecisionFollowsEveryChangeAtOnce(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		before := w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane))
		credential := w.Secrets.Value(before.Secret.ARN, before.Secret.VersionID)
		issued := w.Rotate(functest.Jane)
		if after := w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane)); !after.Allowed || after.Key.ID != issued.Key.ID.String() {
			t.Errorf("by owner, after the rotation: %+v", after)
		}
		if old := w.invoked(byCredential(credential)); old.Reason != "key_phased_out" {
			t.Errorf("by the old credential, after the rotation: %+v", old)
		}
		if now := w.invoked(byCredential(issued.Credential.Reveal())); !now.Allowed {
			t.Errorf("by the new credential: %+v", now)
		}
	}
	w.DeleteAll(functest.Jane)
	if after := w.invoked(byOwner(functest.Jane)); after.Allowed {
		t.Errorf("after all keys were deleted: %+v", after)
	}
}

func TestJobRunnerIsAnsweredAboutItsOwnAccountOnly(t *testing.T) {
	w := newWorld(t)
	noSuchOwner := byOwner(apikey.Owner{AccountID: "another", IAMID: "nobody"})
	for name, test := range map[string]struct {
		question question
		// like is a question about nobody, which is answered the same.
		like question
	}{
		"an Active key":    {byCredential(functest.SecondCredential), byCredential(w.forged())},
		"a Phased out key": {byCredential(functest.FirstCredential), byCredential(w.forged())},
		"an owner":         {byOwner(functest.Jane), noSuchOwner},
	} {
		t.Run(name, func(t *testing.T) {
			runner := w.elsewhere()
			got, like := w.ask(runner, test.question).Must(http.StatusOK), w.ask(runner, test.like).Must(http.StatusOK)
			if got.Body != like.Body {
				t.Errorf("answered %s, and of nobody's %s", got.Body, like.Body)
			}
			if own := w.asked("JOB_RUNNER_TOKEN", test.question); own.Key.ID == "" {
				t.Errorf("its own account's runner is answered %+v", own)
			}
			if all := w.asked(w.platform(), test.question); all.Key.ID == "" {
				t.Errorf("the platform's runner is answered %+v", all)
			}
		})
	}
}

func TestOnlyJobRunnersAsk(t *testing.T) {
	w := newWorld(t)
	for _, role := range []apikey.Role{apikey.RoleAdministrator, apikey.RoleAccountOwner, "jobrunner", "Viewer", ""} {
		got := w.ask(w.Token(functest.Jane, role), byCredential(functest.SecondCredential))
		got.Refused(http.StatusForbidden, apikey.CodeRoleRequired)
		if detail := got.Problem().Detail; !strings.Contains(detail, "JobRunner or PlatformJobRunner") {
			t.Errorf("%q does not name the roles that would do", detail)
		}
	}
	got := w.ask("", byCredential(functest.SecondCredential))
	got.Refused(http.StatusUnauthorized, apikey.CodeUnauthenticated)
	if got.Headers["WWW-Authenticate"] == "" {
		t.Error("nothing asks for a token")
	}
	w.WantCalls()
}

func TestDecisionIsLoggedWithoutTheCredential(t *testing.T) {
	w := newWorld(t)
	forged := w.forged()
	for _, credential := range []string{functest.FirstCredential, functest.SecondCredential, forged, functest.SecondCredential[:60]} {
		w.ask("JOB_RUNNER_TOKEN", byCredential(credential))
		// And where nobody would expect it, which is refused.
		w.ask("JOB_RUNNER_TOKEN", byCredential(credential).with("jobId", functest.SecondCredential)).
			Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		if _, err := w.invoke(byCredential(credential)); err != nil {
			t.Error(err)
		}
	}
	for _, credential := range []string{functest.FirstCredential, functest.SecondCredential, forged} {
		if _, secret, _ := strings.Cut(credential[len("cpdk_"):], "_"); strings.Contains(w.Logged(), secret) {
			t.Errorf("the log holds the secret of a credential: %s", w.Logged())
		}
	}
	var reasons []string
	for line := range strings.Lines(w.Logged()) {
		var entry struct{ Msg, Reason string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg == "decided" {
			reasons = append(reasons, entry.Reason)
		}
	}
	want := []string{
		"key_phased_out", "key_phased_out", "key_active", "key_active", "key_unknown", "key_unknown", "credential_malformed", "credential_malformed",
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("the reasons in the log: %s", diff)
	}
}
