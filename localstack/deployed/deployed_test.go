package deployed

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEnvTakesTheLinesThatSaySomething(t *testing.T) {
	path := filepath.Join(t.TempDir(), "local.env")
	content := "API_URL=http://127.0.0.1:1/live?a=b\r\n\nno setting\n  TABLE_NAME=keys"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadEnv(path)
	want := map[string]string{"API_URL": "http://127.0.0.1:1/live?a=b", "TABLE_NAME": "keys"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestReadEnvSaysThatThereIsNoFile(t *testing.T) {
	if _, err := ReadEnv(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestTokenHasTheUsersClaims(t *testing.T) {
	var asked any
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method+" "+r.URL.Path != "POST /token" || json.NewDecoder(r.Body).Decode(&asked) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"header.payload.signature"}`))
	}))
	t.Cleanup(issuer.Close)
	got, err := Token(t.Context(), issuer.Client(), issuer.URL+"/", Claims("account-1", "IBMid-1", "ada", "Administrator"))
	if err != nil || got != "header.payload.signature" {
		t.Errorf("got %q, %v", got, err)
	}
	want := map[string]any{
		"iam_id": "IBMid-1", "account": map[string]any{"bss": "account-1"}, "preferred_username": "ada", "roles": []any{"Administrator"},
	}
	if diff := cmp.Diff(any(want), asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoTokenIsAnError(t *testing.T) {
	for name, answer := range map[string]string{"a refusal": `{"error":"invalid_request"}`, "no JSON": "<html>"} {
		t.Run(name, func(t *testing.T) {
			issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(answer))
			}))
			t.Cleanup(issuer.Close)
			got, err := Token(t.Context(), issuer.Client(), issuer.URL, nil)
			if got != "" || err == nil || !strings.Contains(err.Error(), "answered 400") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
