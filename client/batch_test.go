package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/userapikey/service/client"
)

// manyJobs are so many requests, each of which gets a decision of its own.
func (w *world) manyJobs(count int) (requests []client.Request, owners []string) {
	for i := range count {
		owner := fmt.Sprintf("IBMid-many-%d", i)
		request := job()
		request.Owner = w.service.AddOwner("acme", owner).Ref()
		request.RunID = owner
		requests, owners = append(requests, request), append(owners, owner)
	}
	return requests, owners
}

func (w *world) batchSizes() []int {
	var sizes []int
	for _, request := range w.service.Requests() {
		if strings.HasSuffix(request.Path, batches) {
			sizes = append(sizes, strings.Count(request.Body, `"jobId"`))
		}
	}
	return sizes
}

func TestALongBatchIsSplitAndKeepsItsOrder(t *testing.T) {
	for count, want := range map[int]string{0: "[]", 1: "[1]", 100: "[100]", 101: "[100 1]", 250: "[100 100 50]"} {
		inBubble(t, func(t *testing.T, w *world) {
			requests, owners := w.manyJobs(count)
			decisions, err := w.client.AuthorizeBatch(t.Context(), requests)
			if err != nil || len(decisions) != count {
				t.Fatalf("%d decisions, %v", len(decisions), err)
			}
			for i, decision := range decisions {
				if !decision.Allowed || decision.Owner.IAMID != owners[i] || decision.Run == nil {
					t.Errorf("decision %d is %+v", i, decision)
				}
			}
			if got := fmt.Sprint(w.batchSizes()); got != want {
				t.Errorf("%d requests were sent as %s, want %s", count, got, want)
			}
		})
	}
}

func TestABatchStaysBelowTheServicesBoundOfBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		requests, _ := w.manyJobs(100)
		for i := range requests {
			requests[i].JobID = strings.Repeat("€", 3000)
			requests[i].Owner, requests[i].ScheduleRef = nil, "nothing"
		}
		decisions, err := w.client.AuthorizeBatch(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		for i, decision := range decisions {
			if decision.Reason != client.InvalidRequest {
				t.Errorf("decision %d is %+v", i, decision)
			}
		}
		if sizes := w.batchSizes(); len(sizes) != 4 {
			t.Errorf("sent as %v", sizes)
		}
	})
}

func TestABadRequestOfABatchSpoilsNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		long := job()
		long.Credential = client.NewCredential(strings.Repeat("x", 20_000))
		decisions, err := w.client.AuthorizeBatch(t.Context(), []client.Request{w.adasJob(), {}, long, byCredential(""), w.adasJob()})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []client.Reason{client.KeyActive, client.InvalidRequest, client.InvalidRequest, client.CredentialMalformed, client.KeyActive} {
			if decisions[i].Reason != want || decisions[i].Allowed != (want == client.KeyActive) || (decisions[i].Detail == "") != (want != client.InvalidRequest) {
				t.Errorf("decision %d is %+v, want %s", i, decisions[i], want)
			}
		}
	})
}

func TestABatchThatFailsLeavesTheRestUndecided(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		requests, _ := w.manyJobs(250)
		sent := 0
		w.service.Intercept(func(response http.ResponseWriter, r *http.Request) bool {
			if sent++; sent == 1 {
				return false
			}
			says(403, asProblem, problem("role_required"))(response, r)
			return true
		})
		decisions, err := w.client.AuthorizeBatch(t.Context(), requests)
		if got := failure(t, err); got.Code != client.CodeRoleRequired || len(decisions) != 250 || sent != 2 {
			t.Fatalf("%v, %d decisions after %d batches", err, len(decisions), sent)
		}
		for i, decision := range decisions {
			if decision.Allowed != (i < 100) || !decision.Allowed && decision.Reason != client.Unavailable {
				t.Errorf("decision %d is %+v", i, decision)
			}
		}
	})
}

func TestWhatTheServiceCouldNotDecideIsNoError(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on(batches, says(200, asJSON, `{"decisions":[{"allowed":false,"reason":"unavailable"},{"allowed":false,"reason":"a_reason_of_later"}]}`))
		decisions, err := w.client.AuthorizeBatch(t.Context(), []client.Request{w.adasJob(), w.adasJob()})
		if err != nil || decisions[0].Reason != client.Unavailable || decisions[1].Reason != "a_reason_of_later" {
			t.Errorf("got %+v, %v", decisions, err)
		}
	})
}

func TestABatchThatMayPassIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", func(http.ResponseWriter, *http.Request) {
			w.service.Intercept(nil)
			panic(http.ErrAbortHandler)
		})
		decisions, err := w.client.AuthorizeBatch(t.Context(), []client.Request{w.adasJob()})
		if err != nil || !decisions[0].Allowed {
			t.Errorf("got %+v, %v", decisions, err)
		}
	})
}
