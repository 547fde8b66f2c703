package servicetest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/lifecycle"
)

// restoredUser is one whose keys changed after the instant to which the table is
// restored, and what was given out then.
type restoredUser struct {
	owner      apikey.Owner
	credential string
	runRef     string
}

func (r *relayed) decide(u *restoredUser, runID string) servicetest.Answer {
	r.t.Helper()
	question := map[string]any{"jobId": "job-1", "jobType": "model_training", "trigger": "ad_hoc", "credential": u.credential}
	if runID != "" {
		question["runId"] = runID
	}
	answer := r.process.Invoke(r.t.Context(), question)
	if answer.Status != 200 {
		r.t.Fatalf("no decision: %d %s", answer.Status, answer.Text)
	}
	return answer
}

// A backup has keys that are dead since. After the table was restored and compared
// with the secrets, no job of any of them starts, what ran under a deleted one ends,
// and each change was announced.
func TestNoKeyThatDiedSinceTheBackupAuthorizesAfterTheRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelayed(t)
		stream := r.table.NewStream()
		relay := &servicetest.Poller{Next: stream.Next}
		users := map[string]*restoredUser{}
		for _, name := range []string{"kept", "rotated", "rotated and deleted", "deleted", "deleted and created", "off-boarded"} {
			u := &restoredUser{owner: apikey.Owner{AccountID: "account-1", IAMID: "IBMid-" + fmt.Sprint(len(users)), Username: name}}
			u.credential = r.change(u.owner, "POST", "/v1/user-api-keys", 201).Credential
			u.runRef = r.decide(u, "run-"+name).Run.Ref
			users[name] = u
		}
		r.poll(relay)
		<-time.After(time.Minute)
		to := time.Now()
		restore := r.table.Backup()
		<-time.After(2 * time.Minute)

		r.liveOn(users)
		r.poll(relay)
		<-time.After(10 * time.Minute)

		restore()
		for name, u := range users {
			if answer := r.decide(u, ""); !answer.Allowed {
				t.Errorf("%s: the restored table alone should bring the key back; it is %s", name, answer.Reason)
			}
		}
		told := r.afterRestore(to, false)
		done := r.afterRestore(to, true)
		if want := (lifecycle.AllRestored{Rings: 6, PhasedOut: 2, Deleted: 4}); told != want || done != want {
			t.Errorf("it told %+v and did %+v, not %+v", told, done, want)
		}
		if again := r.afterRestore(to, true); again != (lifecycle.AllRestored{Rings: 6}) {
			t.Errorf("once more, it did %+v", again)
		}
		r.wantDead(users)
		r.wantAnnouncedByTheOperator(map[string]int{
			"User API Key Phased Out": 2, "User API Key Deleted": 1, "User API Key All Deleted": 3,
		})
	})
}

// liveOn is what the users do after the backup, as their names tell.
func (r *relayed) liveOn(users map[string]*restoredUser) {
	r.t.Helper()
	old := r.change(users["rotated and deleted"].owner, "POST", "/v1/user-api-keys/rotation", 201).Rotated
	r.change(users["rotated and deleted"].owner, "DELETE", "/v1/user-api-keys/"+old.ID, 200)
	r.change(users["rotated"].owner, "POST", "/v1/user-api-keys/rotation", 201)
	for _, name := range []string{"deleted", "deleted and created"} {
		r.change(users[name].owner, "DELETE", "/v1/user-api-keys", 200)
	}
	r.change(users["deleted and created"].owner, "POST", "/v1/user-api-keys", 201)
	administrator := apikey.Owner{AccountID: "account-1", IAMID: "IBMid-admin", Username: "admin"}
	r.change(administrator, "DELETE", "/v1/account/user-api-keys/"+users["off-boarded"].owner.IAMID, 200)
}

// wantDead wants no job to start but with the key that was kept, and no run to go
// on whose key was deleted.
func (r *relayed) wantDead(users map[string]*restoredUser) {
	r.t.Helper()
	for name, u := range users {
		if answer := r.decide(u, ""); answer.Allowed != (name == "kept") {
			r.t.Errorf("%s: allowed is %t, the reason %s", name, answer.Allowed, answer.Reason)
		}
		renewed := r.process.Invoke(r.t.Context(), map[string]any{"renewRun": u.runRef})
		if goesOn := name == "kept" || name == "rotated"; renewed.Allowed != goesOn {
			r.t.Errorf("%s: may its run go on? %+v", name, renewed)
		}
	}
}

func (r *relayed) wantAnnouncedByTheOperator(want map[string]int) {
	r.t.Helper()
	r.poll(&servicetest.Poller{Next: r.table.NewStream().Next})
	kinds := map[string]int{}
	for _, announced := range r.bus.Arrived() {
		if strings.Contains(announced.Detail, `"actor":{"kind":"operator","id":"restore"}`) {
			kinds[announced.DetailType]++
		}
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		r.t.Errorf("announced (-want +got): %s", diff)
	}
}

func (r *relayed) poll(relay *servicetest.Poller) {
	r.t.Helper()
	if err := relay.Poll(r.t.Context(), r.process); err != nil {
		r.t.Fatal(err)
	}
}

func (r *relayed) afterRestore(to time.Time, apply bool) lifecycle.AllRestored {
	r.t.Helper()
	operator := apikey.Actor{Kind: apikey.ActorOperator, ID: "restore"}
	done, err := r.process.Keys.AfterRestoreOfAll(r.t.Context(), operator, to, apply, func(lifecycle.AllRestored) {})
	if err != nil {
		r.t.Fatal(err)
	}
	return done
}
