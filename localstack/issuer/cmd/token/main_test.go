package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeIssuer answers every request with one token and keeps the last request.
func fakeIssuer(t *testing.T, last *request) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(last); err != nil || r.URL.Path != "/token" {
			t.Errorf("unexpected request to %s: %v", r.URL, err)
		}
		_, _ = w.Write([]byte(`{"access_token":"a.b.c"}`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestPrintsNothingButTheToken(t *testing.T) {
	var last request
	var out strings.Builder
	if err := run(nil, &out, fakeIssuer(t, &last), "no such file"); err != nil {
		t.Fatal(err)
	}
	if out.String() != "a.b.c\n" {
		t.Errorf("printed %q", out.String())
	}
	if !slices.Equal(last.Roles, roleList{"Administrator"}) || last.IAMID == "" || last.Account.ID == "" ||
		last.Audience != "user-api-key" || last.ExpiresIn != 3600 {
		t.Errorf("defaults are wrong: %+v", last)
	}
}

func TestPassesRolesAndClaimsOnAsTheyAre(t *testing.T) {
	var last request
	arguments := []string{"-role", "A,b c", "-role", "Ä", "-iam-id", "i", "-account", "a", "-username", "u", "-expires-in", "-5m"}
	if err := run(arguments, &strings.Builder{}, fakeIssuer(t, &last), ""); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(last.Roles, roleList{"A", "b c", "Ä"}) || last.IAMID != "i" || last.Account.ID != "a" ||
		last.Username != "u" || last.ExpiresIn != -300 {
		t.Errorf("not passed on: %+v", last)
	}
}

func TestFindsIssuerOfRunningStack(t *testing.T) {
	var last request
	envFile := filepath.Join(t.TempDir(), "local.env")
	content := "API_URL=http://127.0.0.1:1\nISSUER_URL=" + fakeIssuer(t, &last) + "\n"
	if err := os.WriteFile(envFile, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(nil, &strings.Builder{}, "", envFile); err != nil {
		t.Fatal(err)
	}
}

func TestSaysWhenStackDoesNotRun(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, issuer := range map[string]string{"no env file": "", "nobody listens": closed.URL} {
		t.Run(name, func(t *testing.T) {
			err := run(nil, &strings.Builder{}, issuer, filepath.Join(t.TempDir(), "local.env"))
			if !errors.Is(err, errNotRunning) || strings.Contains(err.Error(), "\n") {
				t.Errorf("unclear: %v", err)
			}
		})
	}
}
