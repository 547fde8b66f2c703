package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// callProtected calls the sample API that infra/protected-api.yaml protects with
// the authorizer. Headers come in pairs.
func callProtected(t *testing.T, headers ...string) (status int, body string) {
	t.Helper()
	url := stack["PROTECTED_API_URL"]
	if url == "" {
		t.Fatal("the stack has no protected API; start it with stack.py up --protected-api, as make test does")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/caller", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// wantProtected checks the status that the protected API answers with.
func wantProtected(t *testing.T, what string, want int, headers ...string) {
	t.Helper()
	if status, body := callProtected(t, headers...); status != want {
		t.Errorf("%s: %d %s, want %d", what, status, body, want)
	}
}

// An API of somebody else's lets through whoever shows an Active key, from the
// moment that it is Active, and not a moment longer.
func TestProtectedAPIFollowsTheKeyAtOnce(t *testing.T) {
	ada := newUser(t, "Administrator")
	first := ada.create().want(t, 201)
	wantProtected(t, "with the Active key", 200, "Authorization", "Bearer "+first.Credential)
	wantProtected(t, "and again", 200, "Authorization", "Bearer "+first.Credential)

	second := ada.rotate().want(t, 201)
	wantProtected(t, "right after the rotation, with the old key", 403, "Authorization", "Bearer "+first.Credential)
	wantProtected(t, "with the new key", 200, "X-API-Key", second.Credential)

	ada.call("DELETE", "/v1/user-api-keys/"+first.Key.ID, "").want(t, 200)
	wantProtected(t, "with a deleted key", 403, "X-API-Key", first.Credential)
	ada.deleteAll().want(t, 200)
	wantProtected(t, "right after the deletion of all", 403, "X-API-Key", second.Credential)
	wantProtected(t, "in the other header", 403, "Authorization", "bearer "+second.Credential)
}

func TestProtectedAPIWantsAKey(t *testing.T) {
	ada, bob := newUser(t, "Administrator"), newUser(t, "Administrator")
	active := ada.create().want(t, 201).Credential
	another := bob.create().want(t, 201).Credential
	for what, headers := range map[string][]string{
		"nothing":                   {},
		"a token":                   {"Authorization", "Bearer " + ada.token},
		"a mistyped key":            {"Authorization", "Bearer " + active[:90] + strings.Map(next, active[90:91]) + active[91:]},
		"a key cut off":             {"X-API-Key", active[:60]},
		"two keys":                  {"Authorization", "Bearer " + active, "X-API-Key", another},
		"a key where it is not one": {"X-Key", active, "Cookie", "key=" + active},
	} {
		wantProtected(t, what, 401, headers...)
	}
	wantProtected(t, "a key beside a token", 200, "Authorization", "Bearer "+ada.token, "X-API-Key", active)
}

// next is another digit.
func next(r rune) rune {
	if r == '0' {
		return '1'
	}
	return '0'
}

// The protected API learns who calls from the gateway alone.
func TestProtectedAPILearnsWhoCalls(t *testing.T) {
	ada := newUser(t, "Administrator")
	created := ada.create().want(t, 201)
	status, body := callProtected(t, "X-API-Key", created.Credential, "iamId", "IBMid-0", "X-IAM-ID", "IBMid-0", "principalId", "IBMid-0")
	var got struct{ Caller map[string]any }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	want := map[string]any{
		"principalId": ada.owner.IAMID, "iamId": ada.owner.IAMID, "accountId": ada.owner.AccountID, "username": ada.owner.Username,
		"keyId": created.Key.ID, "keyName": created.Key.Name,
	}
	if diff := cmp.Diff(want, got.Caller); diff != "" {
		t.Errorf("the caller (-) and as the API was told (+): %s", diff)
	}
}
