package rotate_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var readPolicy = functest.Request{Method: http.MethodGet, Resource: "/v1/rotation-policy", Token: "ADMINISTRATOR_TOKEN"}

func setPolicy(body string) functest.Request {
	return functest.Request{Method: http.MethodPut, Resource: "/v1/rotation-policy", Token: "ADMINISTRATOR_TOKEN", Body: body}
}

const (
	everyQuarter = `{"maxAgeDays":90,"noticeDays":14,"deletePhasedOutAfterDays":30}`
	quarterShown = `{"maxAgeDays":90,"noticeDays":14,"deletePhasedOutAfterDays":30,"inherited":false}`
	offShown     = `{"maxAgeDays":null,"noticeDays":null,"deletePhasedOutAfterDays":null,"inherited":false}`
)

// wantPolicy checks which policy of her own Jane has, nil for none, and at which
// revision.
func (w world) wantPolicy(want *apikey.RotationPolicy, revision int64) {
	w.t.Helper()
	w.Calm()
	ring := w.Ring(functest.Jane)
	if diff := cmp.Diff(want, ring.Policy); diff != "" || ring.Revision != revision {
		w.t.Errorf("revision %d, want %d; the policy: %s", ring.Revision, revision, diff)
	}
}

// The policy is the one that the clock goes by: one's own, also when everything in
// it is off, and else the deployment's.
func TestPolicyIsShownThatTheClockGoesBy(t *testing.T) {
	deployment := apikey.RotationPolicy{MaxAgeDays: 180, NoticeDays: 7}
	for name, test := range map[string]struct {
		deployment apikey.RotationPolicy
		own        *apikey.RotationPolicy
		want, etag string
	}{
		"none at all": {want: `{"maxAgeDays":null,"noticeDays":null,"deletePhasedOutAfterDays":null,"inherited":true}`, etag: `"1"`},
		"the deployment's": {
			deployment: deployment, want: `{"maxAgeDays":180,"noticeDays":7,"deletePhasedOutAfterDays":null,"inherited":true}`, etag: `"1"`,
		},
		"one's own": {
			deployment: deployment, own: &apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30},
			want: quarterShown, etag: `"2"`,
		},
		"one's own, off": {deployment: deployment, own: &apikey.RotationPolicy{}, want: offShown, etag: `"2"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Deployment = test.deployment
			if test.own != nil {
				w.SetPolicy(functest.Jane, *test.own)
			}
			w.Calm()
			got := w.send(readPolicy)
			got.Is(http.StatusOK, test.want)
			if got.Headers["ETag"] != test.etag {
				t.Errorf("ETag is %s", got.Headers["ETag"])
			}
			w.WantCalls("GetItem")
		})
	}
}

// What the request leaves out is off, whatever was set before.
func TestPolicyIsReplacedAsAWhole(t *testing.T) {
	w := newWorld(t)
	w.Deployment = apikey.RotationPolicy{MaxAgeDays: 180}
	w.send(setPolicy(everyQuarter)).Is(http.StatusOK, quarterShown)
	for body, want := range map[string]string{
		`{"deletePhasedOutAfterDays":365}`:   `{"maxAgeDays":null,"noticeDays":null,"deletePhasedOutAfterDays":365,"inherited":false}`,
		`{"maxAgeDays":1,"noticeDays":null}`: `{"maxAgeDays":1,"noticeDays":null,"deletePhasedOutAfterDays":null,"inherited":false}`,
		`{"maxAgeDays":3650,"noticeDays":3649,"deletePhasedOutAfterDays":3650}`: `{"maxAgeDays":3650,"noticeDays":3649,` +
			`"deletePhasedOutAfterDays":3650,"inherited":false}`,
		`{}`: offShown,
		`{"maxAgeDays":null,"noticeDays":null,"deletePhasedOutAfterDays":null}`: offShown,
	} {
		w.send(setPolicy(everyQuarter)).Must(http.StatusOK)
		w.send(setPolicy(body)).Is(http.StatusOK, want)
		w.send(readPolicy).Is(http.StatusOK, want)
	}
}

// The change is one of the ring, announced with its actor and what was set; keys
// and material are left alone.
func TestPolicyIsSetInOneAnnouncedChange(t *testing.T) {
	w := newWorld(t)
	before := w.Ring(functest.Jane)
	w.Calm()
	got := w.send(setPolicy(everyQuarter))
	got.Is(http.StatusOK, quarterShown)
	w.WantCalls("TransactGetItems", "TransactWriteItems")
	if got.Headers["ETag"] != `"2"` {
		t.Errorf("ETag is %s", got.Headers["ETag"])
	}
	want := apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30}
	w.wantPolicy(&want, 2)
	change := w.LastChange(functest.Jane)
	if change.Type != apikey.EventPolicyChanged || change.Revision != 2 || change.Actor.ID != functest.Jane.IAMID ||
		change.Actor.Kind != apikey.ActorUser || change.Policy == nil || *change.Policy != want || len(change.Keys) != 0 {
		t.Errorf("announced %+v", change)
	}
	if ring := w.Ring(functest.Jane); ring.Active.ID != before.Active.ID || ring.Allowance != before.Allowance {
		t.Errorf("the key is %v and the allowance %v, before %v and %v", ring.Active, ring.Allowance, before.Active, before.Allowance)
	}
}

func TestPolicyThatIsTheSameChangesNothing(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.send(setPolicy(everyQuarter)).Is(http.StatusOK, quarterShown)
	}
	w.wantPolicy(&apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30}, 2)
}

// Who has no key yet can say by which policy it will be rotated.
func TestPolicyOfAUserWithoutKeysOutlivesTheirDeletion(t *testing.T) {
	w := world{functest.New(t), t}
	w.send(setPolicy(everyQuarter)).Is(http.StatusOK, quarterShown)
	w.Create(functest.Jane)
	w.DeleteAll(functest.Jane)
	w.Create(functest.Jane)
	w.send(readPolicy).Is(http.StatusOK, quarterShown)
}

func TestMalformedPolicyChangesNothing(t *testing.T) {
	w := newWorld(t)
	for body, field := range map[string]string{
		``: "body", `null`: "body", `[]`: "body", `"off"`: "body", `{`: "body", `{} {}`: "body", "{\"maxAgeDays\":1}\x00": "body",
		`{"maxAgeDays":0}`:                          "maxAgeDays",
		`{"maxAgeDays":-1}`:                         "maxAgeDays",
		`{"maxAgeDays":3651}`:                       "maxAgeDays",
		`{"maxAgeDays":9223372036854775808}`:        "maxAgeDays",
		`{"maxAgeDays":1e2}`:                        "maxAgeDays",
		`{"maxAgeDays":90.0}`:                       "maxAgeDays",
		`{"maxAgeDays":"90"}`:                       "maxAgeDays",
		`{"maxAgeDays":true}`:                       "maxAgeDays",
		`{"maxAgeDays":[90]}`:                       "maxAgeDays",
		`{"maxAgeDays":90,"maxAgeDays":30}`:         "maxAgeDays",
		`{"MaxAgeDays":90}`:                         "MaxAgeDays",
		`{"maxAgeDays":90,"inherited":false}`:       "inherited",
		`{"noticeDays":14}`:                         "noticeDays",
		`{"maxAgeDays":null,"noticeDays":14}`:       "noticeDays",
		`{"maxAgeDays":14,"noticeDays":14}`:         "noticeDays",
		`{"maxAgeDays":14,"noticeDays":15}`:         "noticeDays",
		`{"maxAgeDays":14,"noticeDays":0}`:          "noticeDays",
		`{"maxAgeDays":14,"noticeDays":-1}`:         "noticeDays",
		`{"maxAgeDays":1,"noticeDays":1}`:           "noticeDays",
		`{"deletePhasedOutAfterDays":0}`:            "deletePhasedOutAfterDays",
		`{"deletePhasedOutAfterDays":3651}`:         "deletePhasedOutAfterDays",
		`{"deletePhasedOutAfterDays":-2147483649}`:  "deletePhasedOutAfterDays",
		`{"deletePhasedOutAfterDays":{"$gt":null}}`: "deletePhasedOutAfterDays",
	} {
		got := w.send(setPolicy(body))
		got.Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		if got.Problem().Field != field {
			t.Errorf("%s: %s", body, got.Body)
		}
	}
	w.send(setPolicy(everyQuarter).With("If-Match", "1")).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	read := readPolicy
	read.Body = everyQuarter
	w.send(read).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
	w.wantPolicy(nil, 1)
}

func TestPolicyHonoursIfMatch(t *testing.T) {
	w := newWorld(t)
	for _, stale := range []string{`"0"`, `"2"`, `W/"1"`} {
		w.send(setPolicy(everyQuarter).With("If-Match", stale)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	}
	w.wantPolicy(nil, 1)
	w.send(setPolicy(everyQuarter).With("If-Match", w.send(readPolicy).Headers["ETag"])).Must(http.StatusOK)
	w.send(setPolicy(`{}`).With("If-Match", `"1"`)).Refused(http.StatusPreconditionFailed, apikey.CodeRevisionMismatch)
	w.send(setPolicy(`{}`).With("If-Match", `*`)).Is(http.StatusOK, offShown)
}

// The same event twice is one change, also when there was another one in between.
// An Idempotency-Key is for creates and rotations: it makes no two changes one.
func TestPolicyIsSetOnceByAnEventThatIsDeliveredTwice(t *testing.T) {
	w := newWorld(t)
	function := w.function()
	first := setPolicy(everyQuarter).With("Idempotency-Key", "key-1").Event()
	first.RequestContext.RequestID = "first"
	w.Deliver(function, first).Is(http.StatusOK, quarterShown)
	w.send(setPolicy(`{}`).With("Idempotency-Key", "key-1")).Is(http.StatusOK, offShown)
	w.Deliver(function, first).Is(http.StatusOK, offShown)
	w.wantPolicy(&apikey.RotationPolicy{}, 3)
}

func TestOnlyKeyManagersHavePolicies(t *testing.T) {
	w := newWorld(t)
	w.ForKeyManagersOnly(w.function(), readPolicy, setPolicy(everyQuarter))
}

func TestPolicyIsOfTheCallerAlone(t *testing.T) {
	w := newWorld(t)
	for _, other := range []apikey.Owner{functest.Sam, {AccountID: "another", IAMID: functest.Jane.IAMID}} {
		token := w.Token(other, apikey.RoleAdministrator)
		w.send(setPolicy(everyQuarter).As(token)).Is(http.StatusOK, quarterShown)
		w.send(readPolicy.As(token)).Is(http.StatusOK, quarterShown)
	}
	w.wantPolicy(nil, 1)
}

func TestPolicyIsUnavailableWhileTheStoreIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, request := range []functest.Request{readPolicy, setPolicy(everyQuarter)} {
			w.Table.Transport.SetFault(awstest.Reset)
			w.send(request).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
			w.wantPolicy(nil, 1)
		}
		w.Secrets.Transport.SetFault(awstest.Reset)
		w.send(setPolicy(everyQuarter)).Is(http.StatusOK, quarterShown) // needs no material
	})
}
