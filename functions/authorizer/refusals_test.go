package authorizer_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
)

// notice is the announcement of a refused use, as the table has it.
type notice struct {
	SK, Type, Reason, KeyID, JobID, JobType string
	Actor                                   apikey.Actor
}

// announced are the refused uses on their way, in no order.
func (w world) announced() (all []notice) {
	w.t.Helper()
	for _, text := range w.Table.Items() {
		var it struct {
			SK, Type, Reason struct{ S string }
			Actor, Job       struct {
				M struct{ Kind, ID, Type struct{ S string } }
			}
			Keys struct {
				L []struct {
					M struct{ ID struct{ S string } }
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &it); err != nil {
			w.t.Fatalf("%s: %v", text, err)
		}
		if !strings.HasPrefix(it.SK.S, "REFUSED#") {
			continue
		}
		if len(it.Keys.L) != 1 {
			w.t.Fatalf("announced with %d keys: %s", len(it.Keys.L), text)
		}
		all = append(all, notice{
			SK: it.SK.S, Type: it.Type.S, Reason: it.Reason.S, KeyID: it.Keys.L[0].M.ID.S,
			JobID: it.Job.M.ID.S, JobType: it.Job.M.Type.S,
			Actor: apikey.Actor{Kind: apikey.ActorKind(it.Actor.M.Kind.S), ID: it.Actor.M.ID.S},
		})
	}
	return all
}

// onNotice applies the fault to the writes of announcements only.
func onNotice(fault awstest.Fault) awstest.Fault {
	return awstest.On("PutItem", func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if !bytes.Contains(call.Body, []byte(`REFUSED#`)) {
			return next()
		}
		return fault(call, next)
	})
}

// Whoever presents a key that is Phased out or deleted is announced: how they are
// called, for which job, and why the key was refused.
func TestRefusedUseIsAnnouncedWithWhoAndWhy(t *testing.T) {
	asked := byCredential(functest.FirstCredential)
	runner := apikey.Actor{Kind: apikey.ActorJobRunner, ID: "iam-ServiceId-1"}
	direct := apikey.Actor{Kind: apikey.ActorJobRunner, ID: "direct invocation"}
	cases := map[string]struct {
		given func(world)
		ask   func(world)
		want  notice
	}{
		"over HTTP":           {ask: func(w world) { w.asked("JOB_RUNNER_TOKEN", asked) }, want: notice{Actor: runner, JobID: "job-1", JobType: "model_training"}},
		"in a batch":          {ask: func(w world) { w.decided("JOB_RUNNER_TOKEN", asked, asked) }, want: notice{Actor: runner, JobID: "job-1", JobType: "model_training"}},
		"invoked":             {ask: func(w world) { w.invoked(asked) }, want: notice{Actor: direct, JobID: "job-1", JobType: "model_training"}},
		"invoked, in a batch": {ask: func(w world) { w.invokedBatch(question{}, asked) }, want: notice{Actor: direct, JobID: "job-1", JobType: "model_training"}},
		"deleted alone": {
			given: deletedOne, ask: func(w world) { w.invoked(asked) },
			want: notice{Actor: direct, JobID: "job-1", JobType: "model_training", Reason: string(jobauth.KeyDeleted)},
		},
		"deleted with all": {
			given: suspended, ask: func(w world) { w.invoked(asked) },
			want: notice{Actor: direct, JobID: "job-1", JobType: "model_training", Reason: string(jobauth.KeyDeleted)},
		},
	}
	for shape, event := range questionsOfGateways(bearer(asked)) {
		c := cases["invoked"]
		c.ask, c.want = func(w world) { w.protected(event) }, notice{Actor: apikey.Actor{Kind: apikey.ActorGateway}}
		cases[shape] = c
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			key := w.Ring(functest.Jane).PhasedOut[0].ID.String()
			if test.given != nil {
				test.given(w)
			}
			test.ask(w)
			want := test.want
			want.Type, want.KeyID, want.SK = string(apikey.EventUseRefused), key, "REFUSED#"+key+"#2026-11-16T09"
			want.Reason = cmp.Or(want.Reason, string(jobauth.KeyPhasedOut))
			w.wantAnnounced(want)
		})
	}
}

// wantAnnounced checks that the refused use is announced, and nothing else, and
// that its credential is kept nowhere. A gateway is called by its stage.
func (w world) wantAnnounced(want notice) {
	w.t.Helper()
	got := w.announced()
	if len(got) == 1 && want.Actor.ID == "" {
		if stage := got[0].Actor.ID; !strings.HasPrefix(stage, "arn:aws:execute-api:") || strings.Count(stage, "/") != 1 {
			w.t.Errorf("the gateway is called %s", stage)
		}
		got[0].Actor.ID = ""
	}
	if diff := gocmp.Diff([]notice{want}, got); diff != "" {
		w.t.Errorf("to be announced (-) and announced (+): %s", diff)
	}
	for _, text := range append(w.Table.Items(), w.Logged()) {
		if strings.Contains(text, functest.FirstCredential) {
			w.t.Errorf("the credential is in %.500s", text)
		}
	}
}

// What proves nothing is no use of a key: a forgery must not announce anything,
// nor may who asks about another account learn or announce anything of it. Where
// nobody presented a key, none was refused.
func TestNothingElseIsAnnounced(t *testing.T) {
	w := newWorld(t)
	pinned(w)
	run := w.Run(functest.Jane, w.Ring(functest.Jane).Active.ID, "run-1", time.Hour)
	w.Rotate(functest.Jane) // its schedule and its run hold a Phased out key
	old := w.Ring(functest.Jane).PhasedOut[0].ID
	elsewhere := w.Token(apikey.Owner{AccountID: "another", IAMID: "iam-ServiceId-2"}, apikey.RoleJobRunner)
	for name, ask := range map[string]func(){
		"a forgery of a Phased out key": func() { w.invoked(byCredential(w.credentialOf(functest.Jane.Locator(), old))) },
		"another account's runner":      func() { w.asked(elsewhere, byCredential(functest.FirstCredential)) },
		"narrowed to another account":   func() { w.invoked(byCredential(functest.FirstCredential).with("callerAccountId", "another")) },
		"mistyped":                      func() { w.invoked(byCredential(functest.FirstCredential + "x")) },
		"malformed":                     func() { _, _ = w.invoke(byCredential(functest.FirstCredential).with("jobType", "cron")) },
		"a pinned schedule":             func() { w.invoked(ofJane("nightly")(w)) },
		"an owner":                      func() { w.invoked(byOwner(functest.Jane)) },
		"a run that goes on":            func() { w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", run.Ref().String(), "") },
	} {
		if ask(); len(w.announced()) > 0 {
			t.Fatalf("%s: announced %+v", name, w.announced())
		}
	}
	w.DeleteAll(functest.Jane)
	w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", run.Ref().String(), "")
	w.invoked(ofJane("nightly")(w))
	if got := w.announced(); len(got) > 0 {
		t.Errorf("without keys: announced %+v", got)
	}
}

// However many instances are asked, in whatever shape and at whatever times, each
// key is announced once in each hour in which it was refused.
func TestRefusedUseIsAnnouncedOncePerKeyAndHour(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	w := newWorld(t)
	w.Rotate(functest.Jane) // two Phased out keys
	asks := []func(world){
		func(w world) { w.invoked(byCredential(functest.FirstCredential)) },
		func(w world) { w.invoked(byCredential(functest.SecondCredential)) },
		func(w world) { w.asked("JOB_RUNNER_TOKEN", byCredential(functest.SecondCredential)) },
		func(w world) { w.protected(restToken(bearer(byCredential(functest.FirstCredential)))) },
		func(w world) {
			w.decided("JOB_RUNNER_TOKEN", byCredential(functest.SecondCredential), byCredential(functest.FirstCredential))
		},
	}
	keysOf := [][]int{{0}, {1}, {1}, {0}, {1, 0}}
	ring := w.Ring(functest.Jane)
	instances := w.instances(3)
	want := map[string]bool{}
	for range 300 {
		w.Pass(time.Duration(random.Int64N(int64(20 * time.Minute))))
		which := random.IntN(len(asks))
		asks[which](instances[random.IntN(3)])
		for _, key := range keysOf[which] {
			want["REFUSED#"+ring.PhasedOut[key].ID.String()+"#"+w.Now().UTC().Format("2006-01-02T15")] = true
		}
	}
	for _, got := range w.announced() {
		if !want[got.SK] {
			t.Errorf("announced for nothing: %s", got.SK)
		}
		delete(want, got.SK)
	}
	if len(want) > 0 {
		t.Errorf("not announced: %v", want)
	}
}

func TestManyInstancesAnnounceOneRefusal(t *testing.T) {
	w := newWorld(t)
	var written atomic.Int32
	w.Table.Transport.SetFault(onNotice(func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		response, err := next()
		if err == nil && response.StatusCode == http.StatusOK {
			written.Add(1)
		}
		return response, err
	}))
	instances := w.instances(8)
	for hour := range int32(3) {
		var group sync.WaitGroup
		for _, instance := range instances {
			for range 4 {
				group.Go(func() {
					if answer, err := instance.invoke(byCredential(functest.FirstCredential)); err != nil {
						t.Errorf("answered %s, %v", answer, err)
					}
				})
			}
		}
		group.Wait()
		if written.Load() != hour+1 || len(w.announced()) != int(hour+1) {
			t.Errorf("written %d times, %d announcements in %d hours", written.Load(), len(w.announced()), hour+1)
		}
		w.Pass(time.Hour)
	}
}

// A refusal costs one write more, once an hour and instance.
func TestFirstRefusalOfAKeyIsOneWriteInAnHour(t *testing.T) {
	w := newWorld(t)
	w.Pass(w.Now().Truncate(time.Hour).Add(time.Hour).Sub(w.Now()))
	asked := byCredential(functest.FirstCredential)
	for range 3 {
		w.asked("JOB_RUNNER_TOKEN", asked)
		w.WantCalls("GetItem", "PutItem")
		w.Pass(time.Hour - time.Millisecond)
		w.invoked(asked)
		w.WantCalls("GetItem")
		w.Pass(time.Millisecond)
	}
	another := w.instances(1)[0]
	w.invoked(asked)
	another.invoked(asked) // knows of no other, and finds it announced
	another.invoked(asked)
	w.WantCalls("GetItem", "PutItem", "GetItem", "PutItem", "GetItem")
	if got := len(w.announced()); got != 4 {
		t.Errorf("%d announcements in 4 hours", got)
	}
}

// A refusal that cannot be announced is the same refusal, and takes no more than
// half a second longer, however many there are in a batch.
func TestRefusalThatCannotBeAnnouncedIsTheSame(t *testing.T) {
	underEachFault(t, functest.FirstCredential, "a refused use of a key is not announced", func(t *testing.T, w world, fault awstest.Fault) {
		asked := w.refusedQuestions()
		before := map[string]string{}
		for shape, q := range asked {
			before[shape] = w.instances(1)[0].refusal(q)
		}
		w.Pass(time.Hour)
		w.Table.Transport.SetFault(onNotice(fault))
		for shape, q := range asked {
			began := time.Now()
			if answer := w.refusal(q); answer != before[shape] {
				t.Errorf("%s: answered %s; before %s", shape, answer, before[shape])
			}
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("%s: took %v", shape, took)
			}
			w.Pass(time.Hour)
		}
	})
}

// refusedQuestions present a Phased out key, in every shape; a batch presents
// fifty of them.
func (w world) refusedQuestions() map[string]question {
	w.t.Helper()
	people := w.people(50)
	for _, p := range people {
		w.Rotate(p.owner)
	}
	asked := questionsOfGateways(bearer(byCredential(functest.FirstCredential)))
	asked["by credential"] = byCredential(functest.FirstCredential)
	asked["a batch"] = question{"requests": asking(people, func(p person) question { return byCredential(p.credential) })}
	return asked
}

// refusal is the answer to a question, within a function's time.
func (w world) refusal(q question) string {
	w.t.Helper()
	answer, err := w.invokeWithin(15*time.Second, []byte(w.encode(q)))
	if err != nil || isAllowed(answer, 50) {
		w.t.Errorf("answered %s, %v", answer, err)
	}
	return string(answer)
}

// What failed is not tried again with every refusal, only in the next hour.
func TestRefusalThatCannotBeAnnouncedIsTriedOnceInAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Table.Transport.SetFault(onNotice(awstest.Refuse(http.StatusBadRequest, "AccessDeniedException")))
		for range 3 {
			w.invoked(byCredential(functest.FirstCredential))
			w.WantCalls("GetItem", "PutItem")
			for range 5 {
				w.invoked(byCredential(functest.FirstCredential))
				w.WantCalls("GetItem")
			}
			w.Pass(time.Hour)
		}
		w.Table.Transport.SetFault(nil)
		w.invoked(byCredential(functest.FirstCredential))
		if got := w.announced(); len(got) != 1 {
			t.Errorf("announced %+v", got)
		}
	})
}
