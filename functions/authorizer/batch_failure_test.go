package authorizer_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
)

func byTheirCredential(p person) question { return byCredential(p.credential) }
func byTheirOwner(p person) question      { return byOwner(p.owner) }
func byTheirSchedule(p person) question   { return bySchedule(p.schedule) }

// reasons counts decisions by their reason.
func reasons(decisions []decision) map[jobauth.Reason]int {
	count := map[jobauth.Reason]int{}
	for _, d := range decisions {
		count[d.Reason]++
		if d.Allowed != (d.Reason == jobauth.KeyActive) {
			count["allowed for no reason"]++
		}
	}
	return count
}

// counted counts calls by their operation.
func counted(calls []string) map[string]int {
	count := map[string]int{}
	for _, operation := range calls {
		count[operation]++
	}
	return count
}

// keysRead counts the keys of each BatchGetItem from now on.
func (w world) keysRead() *[]int {
	var read []int
	w.Table.Transport.SetFault(awstest.On("BatchGetItem", func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		read = append(read, bytes.Count(call.Body, []byte(`"sk"`)))
		return next()
	}))
	return &read
}

func TestCostOfABatch(t *testing.T) {
	w := newWorld(t)
	people := w.people(100)
	w.decided("JOB_RUNNER_TOKEN", asking(people, byTheirOwner)...) // the keys' first use is noted
	if got, want := counted(w.Table.Transport.TakeCalls()), (map[string]int{"BatchGetItem": 1, "UpdateItem": 100}); !cmp.Equal(got, want) {
		t.Errorf("with the first use of each key: %v, want %v", got, want)
	}
	one := slices.Repeat(people[:1], 100)
	withRuns := func(ask func(person) question) []any {
		n := 0
		return asking(people, func(p person) question { n++; return ask(p).run(fmt.Sprint(n)) })
	}
	for name, test := range map[string]struct {
		requests []any
		read     []int // keys of each BatchGetItem
		writes   int
	}{
		"100 by credential":               {asking(people, byTheirCredential), []int{100}, 0},
		"100 by owner":                    {asking(people, byTheirOwner), []int{100}, 0},
		"100 by schedule":                 {asking(people, byTheirSchedule), []int{100, 100}, 0},
		"100 by credential of one owner":  {asking(one, byTheirCredential), []int{1}, 0},
		"100 by a schedule of one owner":  {asking(one, byTheirSchedule), []int{2}, 0},
		"50 by owner, 50 by schedule":     {append(asking(people[:50], byTheirOwner), asking(people[:50], byTheirSchedule)...), []int{100}, 0},
		"1 by credential":                 {asking(people[:1], byTheirCredential), []int{1}, 0},
		"100 by credential, with runs":    {withRuns(byTheirCredential), []int{100}, 100},
		"100 by schedule, with runs":      {withRuns(byTheirSchedule), []int{100, 100}, 100},
		"100 malformed credentials":       {slices.Repeat([]any{byCredential("cpdk_")}, 100), nil, 0},
		"100 malformed":                   {slices.Repeat([]any{nil}, 100), nil, 0},
		"100 of another account's owners": {nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w.Calm()
			token := "JOB_RUNNER_TOKEN"
			if test.requests == nil {
				test.requests, token = asking(people, byTheirOwner), w.elsewhere()
			}
			read := w.keysRead()
			w.decided(token, test.requests...)
			if diff := cmp.Diff(test.read, *read); diff != "" {
				t.Errorf("keys read: %s", diff)
			}
			want := map[string]int{}
			if len(test.read) > 0 {
				want["BatchGetItem"] = len(test.read)
			}
			if test.writes > 0 {
				want["UpdateItem"] = test.writes
			}
			if diff := cmp.Diff(want, counted(w.Table.Transport.TakeCalls())); diff != "" {
				t.Errorf("calls of the table: %s", diff)
			}
			w.WantSecretsCalls()
		})
	}
}

// What DynamoDB leaves unprocessed is asked for again.
func TestUnprocessedKeysAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		people := w.people(100)
		w.Table.SetBatchSize(30)
		got := w.decided("JOB_RUNNER_TOKEN", asking(people, byTheirOwner)...)
		if diff := cmp.Diff(map[jobauth.Reason]int{jobauth.KeyActive: 100}, reasons(got)); diff != "" {
			t.Error(diff)
		}
		if calls := counted(w.Table.Transport.TakeCalls())["BatchGetItem"]; calls != 4 {
			t.Errorf("%d calls", calls)
		}
	})
}

// What cannot be read in the time that there is has no decision. All else has,
// and still goes on record.
func TestWhatIsNotReadInTimeIsUnavailableAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		people := w.people(100)
		w.Table.SetBatchSize(1)
		ctx := []byte(w.encode(question{"requests": asking(people, func(p person) question { return byTheirOwner(p).run("run-1") })}))
		answer, err := w.invokeWithin(10*time.Second, ctx)
		var got struct{ Decisions []decision }
		w.decode(&got)(answer, err)
		count := reasons(got.Decisions)
		allowed := count[jobauth.KeyActive]
		if len(got.Decisions) != 100 || allowed == 0 || count[jobauth.Unavailable] == 0 || allowed+count[jobauth.Unavailable] != 100 {
			t.Fatalf("answered %v", count)
		}
		for i, d := range got.Decisions {
			if d.Allowed && (d.Owner != people[i].owner || d.Run.Ref == "") || !d.Allowed && d != (decision{Reason: jobauth.Unavailable}) {
				t.Errorf("%d is answered %+v", i, d)
			}
		}
		if w.records() != allowed {
			t.Errorf("%d are allowed, %d on record", allowed, w.records())
		}
	})
}

func TestBatchHasNoDecisionsWhileTheKeyStoreIsOutOfReach(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"down": awstest.Reset, "failing": awstest.Refuse(http.StatusInternalServerError, "InternalServerError"), "hangs": awstest.Hang,
		"throttled": awstest.Refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException"), "answers lost": awstest.LoseAnswer,
		"access denied": awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"), "answers cut off": answering(`{"Responses":{`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				people := w.people(60)
				w.Table.Transport.SetFault(fault)
				requests := append(asking(people, byTheirSchedule), byCredential("cpdk_"), nil)
				answer, err := w.invokeWithin(15*time.Second, []byte(w.encode(question{"requests": requests})))
				var got struct{ Decisions []decision }
				w.decode(&got)(answer, err)
				want := map[jobauth.Reason]int{jobauth.Unavailable: 60, jobauth.CredentialMalformed: 1, jobauth.InvalidRequest: 1}
				if diff := cmp.Diff(want, reasons(got.Decisions)); diff != "" {
					t.Error(diff)
				}
				if strings.Contains(string(answer), "injected") {
					t.Errorf("the invoker is told the cause: %s", answer)
				}
			})
		})
	}
}

// Of two calls that read one may fail.
func TestHalfOfABatchMayBeUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		people := w.people(100)
		w.Table.Transport.SetFault(awstest.On("BatchGetItem", awstest.From(2, awstest.Reset)))
		got := w.decided("JOB_RUNNER_TOKEN", asking(people, byTheirSchedule)...)
		if diff := cmp.Diff(map[jobauth.Reason]int{jobauth.KeyActive: 50, jobauth.Unavailable: 50}, reasons(got)); diff != "" {
			t.Error(diff)
		}
		for i, d := range got {
			if d.Allowed != (i < 50) {
				t.Errorf("%d is answered %+v", i, d)
			}
		}
	})
}

func TestRunThatCannotBeRecordedMakesItsRequestUnavailableAlone(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"down": awstest.Reset, "hangs": awstest.Hang, "throttled": awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
		// It would end the process, and its value may hold anything.
		"a defect": func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
			panic(functest.SecondCredential)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				people := w.people(40)
				w.Table.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
					if bytes.Contains(call.Body, []byte(`RUN#`)) && bytes.Contains(call.Body, []byte(people[7].owner.Locator().String())) {
						return fault(call, next)
					}
					return next()
				})
				requests := asking(people, func(p person) question { return byTheirCredential(p).run("run-1") })
				answer, err := w.invokeWithin(15*time.Second, []byte(w.encode(question{"requests": requests})))
				var got struct{ Decisions []decision }
				w.decode(&got)(answer, err)
				want := map[jobauth.Reason]int{jobauth.KeyActive: 39, jobauth.Unavailable: 1}
				if diff := cmp.Diff(want, reasons(got.Decisions)); diff != "" || got.Decisions[7] != (decision{Reason: jobauth.Unavailable}) {
					t.Errorf("want (-) and answered (+): %s, and of that request %+v", diff, got.Decisions[7])
				}
				if w.records() != 39 {
					t.Errorf("%d on record", w.records())
				}
				if strings.Contains(w.Logged(), functest.SecondCredential) {
					t.Error("the log tells the value of a panic")
				}
			})
		})
	}
}

// A panic elsewhere is a defect like any other.
func TestPanicIsAnsweredAsADefect(t *testing.T) {
	w := newWorld(t)
	w.Table.Transport.SetFault(func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		panic(functest.SecondCredential)
	})
	asked := questionsOfGateways(bearer(byCredential(functest.SecondCredential)))
	asked["one"], asked["many"] = byOwner(functest.Jane), question{"requests": []any{byOwner(functest.Jane)}}
	asked["renewal"] = shown("direct-renewal")
	for name, q := range asked {
		answer, err := w.invoke(q)
		told := fmt.Sprintf("%s %v", answer, err)
		if !strings.Contains(told, "internal") || strings.Contains(told+w.Logged(), functest.SecondCredential) || len(answer) > 0 {
			t.Errorf("%s: answered %s", name, told)
		}
	}
}

// Two requests of a batch about the same run share it.
func TestSameRunTwiceInABatchIsOneRun(t *testing.T) {
	w := newWorld(t)
	q := byOwner(functest.Jane).run("run-1")
	var requests []any
	for i := range 20 {
		requests = append(requests, q.with("leaseSeconds", 60*(i+1)))
	}
	refs := map[string]bool{}
	for _, d := range w.decided("JOB_RUNNER_TOKEN", requests...) {
		refs[d.Run.Ref] = d.Allowed
	}
	runs := w.running()
	if len(refs) != 1 || w.records() != 1 {
		t.Fatalf("answered %v, on record %v", refs, runs)
	}
	for ref, run := range runs {
		if !refs[ref] || run.LeaseExpiresAt != w.Now().Add(20*time.Minute) {
			t.Errorf("answered %v, on record %+v", refs, run)
		}
	}
}
