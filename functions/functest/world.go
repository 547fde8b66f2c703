// Package functest is what the functions' tests share: the service on engines
// in memory, with a clock and randomness that are the same in every run; requests
// as API Gateway sends them; and recorded answers to the events in events/.
package functest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/telemetry"
	"github.com/userapikey/service/shared/vault"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

// World is the service on engines in memory.
type World struct {
	// Keys is what the functions change keys with, and tests prepare a state with.
	Keys    *lifecycle.Service
	Table   *storetest.Engine
	Secrets *vaulttest.Engine
	// Log is the functions' logger; what it wrote is in Logged.
	Log *slog.Logger
	// Deployment is the policy of owners who have none of their own.
	Deployment apikey.RotationPolicy

	t       testing.TB
	sent    int
	callers map[string]apikey.Principal // by token

	mu     sync.Mutex
	now    time.Time
	random *rand.ChaCha8
	minted int
	logged bytes.Buffer
}

// New makes a world without keys, at the moment when events/ were recorded.
func New(t testing.TB) *World {
	w := &World{
		t: t, now: InvokedAt, random: rand.NewChaCha8([32]byte{}),
		Table: storetest.NewEngine(), Secrets: vaulttest.NewEngine(),
		callers: map[string]apikey.Principal{
			"ADMINISTRATOR_TOKEN": {Owner: Jane, Roles: []apikey.Role{apikey.RoleAdministrator}},
			"JOB_RUNNER_TOKEN":    {Owner: apikey.Owner{AccountID: Jane.AccountID, IAMID: "iam-ServiceId-1"}, Roles: []apikey.Role{apikey.RoleJobRunner}},
		},
	}
	w.Log = telemetry.NewLogger(logWriter{w}, slog.LevelDebug, "test")
	w.Keys = &lifecycle.Service{
		Rings:  store.New(w.Table.Client(), storetest.Table, w.Now, w),
		Vault:  vault.New(w.Secrets.Client(), "user-api-key/test", w.Now),
		Now:    w.Now,
		Random: w,
		Log:    w.Log,
	}
	return w
}

// Now is the world's clock. It stands still unless Pass is called.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Pass lets time go by.
func (w *World) Pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Read is the world's randomness. 32 bytes are the secret of a credential, and
// become one that says in its text that it is a sample.
func (w *World) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(p) != 32 {
		return w.random.Read(p)
	}
	w.minted++
	text := fmt.Sprintf("000SAMPLE00NOT0A0REAL0CREDENTIAL%09d00", w.minted)
	// Package big has the two cases of digits the other way round.
	number, _ := new(big.Int).SetString(strings.Map(swapCase, text), 62)
	number.FillBytes(p)
	return len(p), nil
}

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

// logWriter writes to the world's log.
type logWriter struct{ w *World }

func (l logWriter) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.logged.Write(p)
}

// Logged is what the functions have logged.
func (w *World) Logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logged.String()
}

// Principal authenticates callers by the tokens that the world knows.
func (w *World) Principal(_ context.Context, authorization string) (apikey.Principal, error) {
	token, _ := strings.CutPrefix(authorization, "Bearer ")
	if principal, known := w.callers[token]; known {
		return principal, nil
	}
	return apikey.Principal{}, &apikey.Error{Code: apikey.CodeUnauthenticated, Detail: "The token is not one of this test's."}
}

var _ httpapi.Authenticator = (*World)(nil)

// Token is a token of the owner with the roles.
func (w *World) Token(owner apikey.Owner, roles ...apikey.Role) string {
	token := fmt.Sprintf("TOKEN_%d", len(w.callers))
	w.callers[token] = apikey.Principal{Owner: owner, Roles: roles}
	return token
}

// Invoke invokes a function the way Lambda does: with the JSON of an event.
func (w *World) Invoke(function any, event []byte) ([]byte, error) {
	return w.InvokeIn(w.t.Context(), function, event)
}

// InvokeIn is Invoke with a context, such as one that ends.
func (w *World) InvokeIn(ctx context.Context, function any, event []byte) ([]byte, error) {
	answer, err := lambda.NewHandler(function).Invoke(ctx, event)
	// Lambda's library uses the answer's memory again.
	return bytes.Clone(answer), err
}

// Ring is the owner's ring.
func (w *World) Ring(owner apikey.Owner) apikey.Ring {
	w.t.Helper()
	ring, err := w.Keys.Rings.Ring(w.t.Context(), owner.Locator())
	if err != nil {
		w.t.Fatal(err)
	}
	return ring
}

// Calm ends all faults and forgets the calls that were made.
func (w *World) Calm() {
	for _, transport := range []*awstest.Transport{w.Table.Transport, w.Secrets.Transport} {
		transport.SetFault(nil)
		transport.TakeCalls()
	}
}

// WantCalls checks which calls of the table were made since Calm, or since it
// checked last, and that Secrets Manager was left alone.
func (w *World) WantCalls(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.Table.Transport.TakeCalls()); diff != "" {
		w.t.Errorf("calls of the table: %s", diff)
	}
	w.WantSecretsCalls()
}

// WantSecretsCalls checks which calls of Secrets Manager were made, whatever was
// asked of the table.
func (w *World) WantSecretsCalls(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.Secrets.Transport.TakeCalls()); diff != "" {
		w.t.Errorf("calls of Secrets Manager: %s", diff)
	}
}

// ForKeyManagersOnly checks that whoever is none is refused the requests, without a
// call, and told which roles would do.
func (w *World) ForKeyManagersOnly(function any, requests ...Request) {
	w.t.Helper()
	w.Calm()
	for _, request := range requests {
		for _, role := range []apikey.Role{apikey.RoleJobRunner, apikey.RolePlatformJobRunner, "Viewer", ""} {
			got := w.Send(function, request.As(w.Token(Jane, role)))
			got.Refused(http.StatusForbidden, apikey.CodeRoleRequired)
			if detail := got.Problem().Detail; !strings.Contains(detail, "Administrator or AccountOwner") {
				w.t.Errorf("%q does not name the roles that would do", detail)
			}
		}
		w.Send(function, request.As("")).Refused(http.StatusUnauthorized, apikey.CodeUnauthenticated)
	}
	w.WantCalls()
}
