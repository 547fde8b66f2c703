package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// changing is a scene whose handler asks for a change of the caller's own keys,
// and what it was asked with.
func changing(t testing.TB) (*scene, *apikey.ChangeRequest) {
	s, got := newScene(t), new(apikey.ChangeRequest)
	s.handle = func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		change, err := r.OwnIssue()
		*got = change
		return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, err
	}
	return s, got
}

func TestChangeIsOfTheCallersOwnKeysByTheCaller(t *testing.T) {
	s, got := changing(t)
	s.send(post("")).wantOK()
	want := apikey.ChangeRequest{
		Owner:         ada,
		Actor:         apikey.Actor{Kind: apikey.ActorUser, ID: ada.IAMID},
		CorrelationID: requestID,
		// In place of the key that the client did not send: the gateway's id of the
		// request, with a blank, which no client's key can have.
		IdempotencyKey: "request " + requestID,
		DeliveryKey:    "request " + requestID,
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
}

// The gateway takes a request's id from its client, and the id of a change is kept,
// announced and shown.
func TestNoChangeIsTracedByACredential(t *testing.T) {
	s, got := changing(t)
	event := post("")
	event.RequestContext.RequestID = newCredential(t).Reveal()
	s.send(event).wantOK()
	if strings.Contains(got.CorrelationID, apikey.CredentialPrefix) || got.CorrelationID == "" {
		t.Errorf("the change is traced by %q", got.CorrelationID)
	}
}

// The gateway takes a request's id from its client, if that sends one; by the other
// id, two requests of one such client stay two.
func TestDeliveryKeyIsTheSameForOneRequestOnly(t *testing.T) {
	s, got := changing(t)
	keyOf := func(id, ownID string) string {
		event := post("")
		event.RequestContext.RequestID, event.RequestContext.ExtendedRequestID = id, ownID
		s.send(event).wantOK()
		return got.DeliveryKey
	}
	first := keyOf(requestID, "QkD01HCPIAMEfzg=")
	if again := keyOf(requestID, "QkD01HCPIAMEfzg="); again != first || got.IdempotencyKey != first {
		t.Errorf("one request delivered twice has the keys %q and %q", first, again)
	}
	if other := keyOf(requestID, "QkD02HCPIAMEfzg="); other == first {
		t.Errorf("two requests under one id have the same key %q", other)
	}
	if other := keyOf("request-2", "QkD01HCPIAMEfzg="); other == first {
		t.Errorf("two requests have the same key %q", other)
	}
	if none := keyOf("", ""); none != "" {
		t.Errorf("a request without an id has the key %q", none)
	}
}

func TestIdempotencyKeyIsOneTo64VisibleASCIICharacters(t *testing.T) {
	for name, test := range map[string]struct {
		key      string
		accepted bool
	}{
		"1 character":         {"a", true},
		"64 characters":       {strings.Repeat("a", 64), true},
		"a UUID":              {"5b1f0d3c-8c1e-4a7b-9f60-2d4e6a8b0c1d", true},
		"the lowest":          {"!", true},
		"the highest":         {"~", true},
		"quotes":              {`"key"`, true},
		"empty":               {"", false},
		"65 characters":       {strings.Repeat("a", 65), false},
		"a space":             {"a b", false},
		"a space alone":       {" ", false},
		"a space in front":    {" a", false},
		"a space at the end":  {"a ", false},
		"a tab":               {"a\tb", false},
		"a line break":        {"a\n", false},
		"NUL":                 {"a\x00", false},
		"delete":              {"a\x7f", false},
		"beyond ASCII":        {"ä", false},
		"a byte beyond ASCII": {"a\xff", false},
		"64 runes, 65 bytes":  {strings.Repeat("a", 63) + "ä", false},
		"a no-break space":    {"a\u00a0", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, change := changing(t)
			got := s.send(with(map[string]string{"Idempotency-Key": test.key}))
			if !test.accepted {
				got.wantInvalid("Idempotency-Key")
				return
			}
			got.wantOK()
			if change.IdempotencyKey != test.key || change.DeliveryKey != "request "+requestID {
				t.Errorf("read as %q, delivered as %q", change.IdempotencyKey, change.DeliveryKey)
			}
		})
	}
}

func TestIfMatchNamesTheRevisionsAtWhichAChangeIsWanted(t *testing.T) {
	none := []int64{} // well formed, and no revision matches it
	for value, want := range map[string][]int64{
		`*`:                      nil,
		`"3"`:                    {3},
		`"0"`:                    {0},
		`"9223372036854775807"`:  {9223372036854775807},
		`"3", "4"`:               {3, 4},
		`"3","4"`:                {3, 4},
		"\"3\"\t,  \"4\"":        {3, 4},
		`"3", W/"4", "x"`:        {3},
		`W/"3"`:                  none,
		`"03"`:                   none,
		`"+3"`:                   none,
		`"3.0"`:                  none,
		`"0x3"`:                  none,
		`" 3"`:                   none,
		`"3 "`:                   none,
		`"٣"`:                    none,
		`""`:                     none,
		`"*"`:                    none,
		`"abc"`:                  none,
		`"-0"`:                   none,
		`"9223372036854775808"`:  none,
		`"99999999999999999999"`: none,
	} {
		t.Run(value, func(t *testing.T) {
			s, change := changing(t)
			s.send(with(map[string]string{"If-Match": value})).wantOK()
			if diff := cmp.Diff(want, change.ExpectedRevisions); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// To drop what cannot be read would make the change unconditional.
func TestIfMatchThatCannotBeReadIsRefused(t *testing.T) {
	for _, value := range []string{
		"", " ", "3", "'3'", `"3`, `3"`, `"`, `"3""4"`, `"3" "4"`, `"3",`, `,"3"`, `"3",,"4"`, `"3", 4`, `"3", *`, `*, "3"`, `**`,
		`w/"3"`, `W/`, `W/3`, `W /"3"`, `W/W/"3"`, "null", `"3"; x`,
	} {
		t.Run(value, func(t *testing.T) {
			s, _ := changing(t)
			s.send(with(map[string]string{"If-Match": value})).wantInvalid("If-Match")
		})
	}
}

func TestETagOfAnAnswerIsWhatIfMatchUnderstands(t *testing.T) {
	for _, revision := range []int64{0, 1, 42, 9223372036854775807} {
		s, change := changing(t)
		s.send(with(map[string]string{"If-Match": httpapi.ETag(revision)})).wantOK()
		if diff := cmp.Diff([]int64{revision}, change.ExpectedRevisions); diff != "" {
			t.Error(diff)
		}
	}
}
