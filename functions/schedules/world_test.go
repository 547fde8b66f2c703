package schedules_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/schedules"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
)

const (
	onePath     = "/v1/schedules/{scheduleId}"
	following   = `{"binding":"follow_active"}`
	unknownKey  = "019df20e-8148-7e03-9b61-000000000000"
	administers = "ADMINISTRATOR_TOKEN"
)

var list = functest.Request{Method: http.MethodGet, Resource: "/v1/schedules", Token: administers}

func read(id string) functest.Request {
	return functest.Request{Method: http.MethodGet, Resource: onePath, ScheduleID: id, Token: administers}
}

func bind(id, body string) functest.Request {
	return functest.Request{Method: http.MethodPut, Resource: onePath, ScheduleID: id, Token: administers, Body: body}
}

func unbind(id string) functest.Request {
	return functest.Request{Method: http.MethodDelete, Resource: onePath, ScheduleID: id, Token: administers}
}

func rebind(fromKeyID string) functest.Request {
	return functest.Request{
		Method: http.MethodPost, Resource: "/v1/schedule-rebindings", Token: administers, Body: `{"fromKeyId":"` + fromKeyID + `"}`,
	}
}

func pinned(keyID string) string { return `{"binding":"pinned","keyId":"` + keyID + `"}` }

func pinnedBy(credential string) string {
	return `{"binding":"pinned","credential":"` + credential + `"}`
}

// schedule is one as the API shows it.
type schedule struct {
	ID, ScheduleRef, Binding, KeyID      string
	JobID, JobType, Service, Description string
	BoundAt                              time.Time
	State                                apikey.ScheduleState
}

// world is a world with the function in it.
type world struct {
	*functest.World
	t *testing.T
}

// newWorld is one where Jane has an Active and a Phased out key, at revision 2.
func newWorld(t *testing.T) world {
	w := world{functest.New(t), t}
	w.JaneHasRotated()
	w.Calm()
	return w
}

func (w world) function() any {
	return schedules.New(w.World, w.Keys.Rings, w.Now, w.Log).Handle
}

func (w world) send(r functest.Request) functest.Answer {
	w.t.Helper()
	return w.Send(w.function(), r)
}

func (w world) shown(answer functest.Answer) (s schedule) {
	w.t.Helper()
	answer.Decode(&s)
	return s
}

// active and phasedOut are the ids of Jane's keys.
func (w world) active() apikey.KeyID {
	w.t.Helper()
	return w.Ring(functest.Jane).Active.ID
}

func (w world) phasedOut() apikey.KeyID {
	w.t.Helper()
	return w.Ring(functest.Jane).PhasedOut[0].ID
}

// colleague is another user of Jane's account.
var colleague = apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}

func (w world) asColleague(r functest.Request) functest.Request {
	return r.As(w.Token(colleague, apikey.RoleAdministrator))
}

// wantRevision checks that so many changes were made in all, and that nothing
// was half made.
func (w world) wantRevision(want int64) {
	w.t.Helper()
	w.Calm()
	if got := w.Ring(functest.Jane).Revision; got != want {
		w.t.Errorf("the ring is at revision %d, want %d", got, want)
	}
	w.wantWhole()
}

// wantWhole checks that the ring's counts are right, and that each change has its
// event, with the schedules as it left them.
func (w world) wantWhole() {
	w.t.Helper()
	ring, bound := w.Ring(functest.Jane), w.Schedules(functest.Jane)
	pinnedTo := map[apikey.KeyID]int{}
	for _, s := range bound {
		pinnedTo[s.KeyID]++
	}
	for _, key := range append(ring.PhasedOut, *ring.Active) {
		if key.PinnedCount != pinnedTo[key.ID] {
			w.t.Errorf("the key %s counts %d schedules, %d are pinned to it", key.ID, key.PinnedCount, pinnedTo[key.ID])
		}
	}
	if ring.ScheduleCount != len(bound) {
		w.t.Errorf("the ring counts %d schedules, there are %d", ring.ScheduleCount, len(bound))
	}
	changes, _, err := w.Keys.Rings.History(w.t.Context(), functest.Jane.Locator(), store.MaxRevision, int(ring.Revision))
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(changes)
	told := map[string]apikey.Schedule{}
	for i, change := range changes {
		if change.Revision != int64(i+1) {
			w.t.Fatalf("the event of revision %d is %+v", i+1, change)
		}
		for _, s := range change.Schedules {
			if delete(told, s.ID); change.Type == apikey.EventScheduleBound {
				told[s.ID] = s
			}
		}
	}
	if len(changes) != int(ring.Revision) {
		w.t.Errorf("%d changes are told of, at revision %d", len(changes), ring.Revision)
	}
	if diff := cmp.Diff(told, bound); diff != "" {
		w.t.Errorf("schedules by the history (-) and in the table (+): %s", diff)
	}
}

// during makes a change just before the n-th call of the operation is carried out.
func during(n int, operation string, change func()) awstest.Fault {
	return awstest.On(operation, awstest.Nth(n, awstest.Before(change)))
}

// bindMany pins so many schedules to Jane's Active key.
func (w world) bindMany(n int) {
	w.t.Helper()
	w.BindMany(functest.Jane, ids(n), w.active())
}

// ids are nightly-000 and so on.
func ids(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("nightly-%03d", i)
	}
	return ids
}

// replaced is the answer with one text in place of another.
func replaced(response *http.Response, old, by string) (*http.Response, error) {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), old, by)))
	return response, nil
}
