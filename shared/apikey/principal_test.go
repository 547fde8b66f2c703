package apikey_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

func TestRolesPermitWhatTheTableSaysAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		name                                  string
		roles                                 []apikey.Role
		managesKeys, runsJobs, ofEveryAccount bool
	}{
		{"administrator", []apikey.Role{"Administrator"}, true, false, false},
		{"account owner", []apikey.Role{"AccountOwner"}, true, false, false},
		{"job runner", []apikey.Role{"JobRunner"}, false, true, false},
		{"platform job runner", []apikey.Role{"PlatformJobRunner"}, false, true, true},
		{"several", []apikey.Role{"Viewer", "JobRunner", "Administrator"}, true, true, false},
		{"none", nil, false, false, false},
		{"an unknown one", []apikey.Role{"Viewer"}, false, false, false},
		{"empty", []apikey.Role{""}, false, false, false},
		{"other case", []apikey.Role{"administrator", "ACCOUNTOWNER", "jobrunner", "platformJobRunner"}, false, false, false},
		{"with blanks", []apikey.Role{" Administrator", "JobRunner ", "PlatformJobRunner,"}, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := apikey.Principal{Owner: ada, Roles: c.roles}
			wantPermitted(t, p.RequireKeyManager(), c.managesKeys, "Administrator", "AccountOwner")
			wantPermitted(t, p.RequireJobRunner(), c.runsJobs, "JobRunner", "PlatformJobRunner")
			if got := p.MayAuthorizeEveryAccount(); got != c.ofEveryAccount {
				t.Errorf("of every account: %t", got)
			}
		})
	}
}

// wantPermitted wants a refusal to name the roles that would do.
func wantPermitted(t *testing.T, err error, permitted bool, roles ...string) {
	t.Helper()
	if permitted {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	refusal, ok := errors.AsType[*apikey.Error](err)
	if !ok || refusal.Code != apikey.CodeRoleRequired {
		t.Fatalf("got %v, want role_required", err)
	}
	for _, role := range roles {
		if !strings.Contains(refusal.Detail, role) {
			t.Errorf("%q does not name %s", refusal.Detail, role)
		}
	}
}
