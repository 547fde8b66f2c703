package authorizer_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJpYW1faWQiOiJJQk1pZC0xIn0.c2lnbmF0dXJl"

// headers are a request's to a protected API.
type headers map[string][]string

// inRequest puts the headers into the questions of those gateways that send them:
// of several values a REST API sends the last, and all beside; an HTTP API joins
// them.
func (h headers) inRequest() map[string]question {
	last, joined := map[string]string{}, map[string]string{}
	for name, values := range h {
		last[name], joined[strings.ToLower(name)] = values[len(values)-1], strings.Join(values, ",")
	}
	rest := shown("rest-request").with("headers", last).with("multiValueHeaders", h)
	return map[string]question{
		"REST": rest, "REST, single headers only": rest.with("multiValueHeaders", nil), "REST, lower case": restLowered(rest, h),
		"HTTP, 1.0": shown("http-api-1.0").with("headers", joined), "HTTP, 2.0": shown("http-api").with("headers", joined),
	}
}

func restLowered(rest question, h headers) question {
	single, multi := map[string]string{}, headers{}
	for name, values := range h {
		name = strings.ToLower(name)
		single[name], multi[name] = values[len(values)-1], values
	}
	return rest.with("headers", single).with("multiValueHeaders", multi)
}

// Where a request may show its key, and how.
func TestKeyIsFoundWhereverTheRequestShowsIt(t *testing.T) {
	active := functest.SecondCredential
	for name, h := range map[string]headers{
		"bearer token":                   {"Authorization": {"Bearer " + active}},
		"bearer, in another case":        {"Authorization": {"bEARER " + active}},
		"bearer, in capitals":            {"AUTHORIZATION": {"BEARER " + active}},
		"bearer, blanks":                 {"Authorization": {"Bearer   " + active}},
		"no scheme":                      {"Authorization": {active}},
		"API key":                        {"X-API-Key": {active}},
		"API key, in another case":       {"x-Api-kEY": {active}},
		"both, the same":                 {"Authorization": {"Bearer " + active}, "X-API-Key": {active}},
		"a JWT beside the API key":       {"Authorization": {"Bearer " + jwt}, "X-API-Key": {active}},
		"Basic beside the API key":       {"Authorization": {"Basic eDp5"}, "X-API-Key": {active}},
		"a usage plan's key beside":      {"Authorization": {"Bearer " + active}, "X-API-Key": {"Zk3pS4Jb7tQ1"}},
		"an empty API key beside":        {"Authorization": {"Bearer " + active}, "X-API-Key": {""}},
		"an empty Authorization beside":  {"Authorization": {""}, "X-API-Key": {active}},
		"among others that are not ours": {"Accept": {"*/*"}, "Cookie": {"key=" + functest.FirstCredential}, "X-Api-Key-2": {"cpdk_x"}, "X-API-Key": {active}},
	} {
		for gateway, event := range h.inRequest() {
			t.Run(name+"/"+gateway, func(t *testing.T) {
				w := newWorld(t)
				if got := w.protected(event); !got.Allowed || got.Owner != functest.Jane {
					t.Errorf("answered %+v", got)
				}
			})
		}
	}
}

// Without a key, or with one that cannot be, there is no I/O and a 401.
func TestRequestWithoutAKeyIsUnauthorized(t *testing.T) {
	active, phasedOut := functest.SecondCredential, functest.FirstCredential
	for name, h := range map[string]headers{
		"no headers":                    {},
		"others only":                   {"Accept": {"*/*"}, "Cookie": {"key=" + active}, "X-Auth": {active}, "Proxy-Authorization": {"Bearer " + active}},
		"empty":                         {"Authorization": {""}, "X-API-Key": {""}},
		"the scheme only":               {"Authorization": {"Bearer"}},
		"the scheme and a blank":        {"Authorization": {"Bearer "}},
		"a JWT only":                    {"Authorization": {"Bearer " + jwt}},
		"another scheme":                {"Authorization": {"Basic " + active}},
		"the scheme twice":              {"Authorization": {"Bearer Bearer " + active}},
		"mistyped":                      {"Authorization": {"Bearer " + active[:80] + "x" + active[81:]}},
		"capitals":                      {"X-API-Key": {strings.ToUpper(active)}},
		"cut off":                       {"X-API-Key": {active[:60]}},
		"a blank behind":                {"X-API-Key": {active + " "}},
		"both, different":               {"Authorization": {"Bearer " + active}, "X-API-Key": {phasedOut}},
		"both, different the other way": {"Authorization": {"Bearer " + phasedOut}, "X-API-Key": {active}},
		"both, one mistyped":            {"Authorization": {"Bearer " + active}, "X-API-Key": {active + "x"}},
		"two keys in one text":          {"X-API-Key": {active + "," + active}},
		"a quoted key":                  {"X-API-Key": {`"` + active + `"`}},
		"very long":                     {"X-API-Key": {"cpdk_" + strings.Repeat("x", 100_000)}},
	} {
		for gateway, event := range h.inRequest() {
			t.Run(name+"/"+gateway, func(t *testing.T) {
				w := newWorld(t)
				if got := w.protected(event); got != (decision{Reason: jobauth.CredentialMalformed}) {
					t.Errorf("answered %+v", got)
				}
				w.WantCalls()
			})
		}
	}
}

// Of a header that comes twice nobody knows which one others on the way went by.
func TestTwoKeysInOneHeaderAreUnauthorized(t *testing.T) {
	active, phasedOut := functest.SecondCredential, functest.FirstCredential
	w := newWorld(t)
	for _, name := range []string{"Authorization", "X-API-Key"} {
		for _, values := range [][]string{{active, phasedOut}, {phasedOut, active}, {active, active + "x"}} {
			for gateway, event := range (headers{name: values}).inRequest() {
				if gateway == "REST, single headers only" {
					continue // no gateway sends it so
				}
				if got := w.protected(event); got.Allowed {
					t.Errorf("%s %v, %s: answered %+v", name, values, gateway, got)
				}
			}
		}
		twice := restRequest(name, active)
		twice["headers"] = map[string]string{name: active, strings.ToUpper(name): phasedOut}
		twice["multiValueHeaders"] = headers{name: {active}, strings.ToLower(name): {phasedOut}}
		if got := w.protected(twice); got.Allowed {
			t.Errorf("%s in two cases: answered %+v", name, got)
		}
	}
	w.WantCalls()
}

func TestTokenMayBeBare(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{functest.SecondCredential, "Bearer " + functest.SecondCredential, "bearer  " + functest.SecondCredential} {
		if got := w.protected(restToken(token)); !got.Allowed {
			t.Errorf("%q is answered %+v", token, got)
		}
	}
	w.Calm()
	for _, token := range []string{"", "Bearer", "Bearer " + jwt, jwt, "Basic " + functest.SecondCredential, functest.SecondCredential + ",x"} {
		if got := w.protected(restToken(token)); got != (decision{Reason: jobauth.CredentialMalformed}) {
			t.Errorf("%q is answered %+v", token, got)
		}
	}
	w.WantCalls()
	// Only what the gateway took for the token counts.
	event := restToken("x").with("headers", map[string]string{"Authorization": "Bearer " + functest.SecondCredential})
	if got := w.protected(event); got.Allowed {
		t.Errorf("answered %+v", got)
	}
	// And what identifies the caller to an HTTP API is more than a token.
	both := httpAPI1("authorization", "Bearer "+functest.SecondCredential).with("authorizationToken", "Bearer "+functest.SecondCredential+","+functest.SecondCredential)
	if got := w.protected(both); !got.Allowed {
		t.Errorf("answered %+v", got)
	}
}

// A gateway takes a decision for as good as any other: it must follow every change
// at once.
func TestGatewayIsToldOfEveryChangeAtOnce(t *testing.T) {
	w := newWorld(t)
	token := "Bearer " + functest.SecondCredential
	for name := range questionsOfGateways(token) {
		ask := func() decision { return w.protected(questionsOfGateways(token)[name]) }
		if got := ask(); !got.Allowed {
			t.Errorf("%s: answered %+v", name, got)
		}
		issued := w.Rotate(functest.Jane)
		if got := ask(); got.Allowed || got.Reason != jobauth.KeyPhasedOut {
			t.Errorf("%s, after a rotation: answered %+v", name, got)
		}
		token = "Bearer " + issued.Credential.Reveal()
		if got := ask(); !got.Allowed || got.Key.ID != issued.Key.ID.String() {
			t.Errorf("%s, with the new key: answered %+v", name, got)
		}
	}
	w.DeleteAll(functest.Jane)
	for name, event := range questionsOfGateways(token) {
		if got := w.protected(event); got.Allowed || got.Reason != jobauth.KeyDeleted {
			t.Errorf("%s, after the deletion: answered %+v", name, got)
		}
	}
}

// What the protected API is told are texts, and of a refusal nothing of the owner.
func TestContextForTheProtectedAPIIsOfTexts(t *testing.T) {
	w := newWorld(t)
	for name, event := range questionsOfGateways("Bearer " + functest.SecondCredential) {
		var got struct{ Context map[string]any }
		w.decode(&got)(w.invoke(event))
		ring := w.Ring(functest.Jane)
		want := map[string]any{
			"accountId": functest.Jane.AccountID, "iamId": functest.Jane.IAMID, "username": functest.Jane.Username,
			"keyId": ring.Active.ID.String(), "keyName": ring.Active.Name,
		}
		if diff := cmp.Diff(want, got.Context); diff != "" {
			t.Errorf("%s: want (-) and answered (+): %s", name, diff)
		}
	}
	for name, event := range questionsOfGateways("Bearer " + functest.FirstCredential) {
		var got struct{ Context map[string]any }
		w.decode(&got)(w.invoke(event))
		if diff := cmp.Diff(map[string]any{"reason": "key_phased_out"}, got.Context); diff != "" {
			t.Errorf("%s: want (-) and answered (+): %s", name, diff)
		}
	}
}

func TestGatewaysQuestionsAreLoggedWithoutTheCredential(t *testing.T) {
	w := newWorld(t)
	for _, credential := range []string{functest.SecondCredential, functest.FirstCredential, w.forged(), functest.SecondCredential[:70]} {
		for _, event := range questionsOfGateways("Bearer " + credential) {
			w.protected(event)
		}
		if _, secret, _ := strings.Cut(credential[len("cpdk_"):], "_"); strings.Contains(w.Logged(), secret) {
			t.Errorf("the log holds the secret of a credential: %s", w.Logged())
		}
	}
	for _, told := range []string{`"reason":"key_active"`, `"reason":"key_phased_out"`, `"reason":"key_unknown"`, `"code":"unauthenticated"`, "p1q2r3s4t5/live", "h1i2j3k4l5/$default"} {
		if !strings.Contains(w.Logged(), told) {
			t.Errorf("the log does not tell %s", told)
		}
	}
}

// A gateway of another API authorizes nothing here: who calls this API needs a
// token.
func TestContextOfAnAuthorizerIsNoIdentityHere(t *testing.T) {
	w := newWorld(t)
	request := authorize.As("")
	request.Body = w.encode(byOwner(functest.Jane))
	event := request.With("Authorization", "Bearer "+functest.SecondCredential).With("X-API-Key", functest.SecondCredential).Event()
	event.RequestContext.Authorizer = map[string]any{"iamId": functest.Jane.IAMID, "accountId": functest.Jane.AccountID, "principalId": functest.Jane.IAMID}
	w.Deliver(w.function, event).Refused(http.StatusUnauthorized, apikey.CodeUnauthenticated)
	w.WantCalls()
}
