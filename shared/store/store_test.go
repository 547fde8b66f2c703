package store_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

func TestStoreOnAnEngineInMemory(t *testing.T) {
	storetest.Suite(t, func(_ *testing.T, now func() time.Time) *store.Store {
		return store.New(storetest.NewEngine().Client(), storetest.Table, now, rand.Reader)
	})
}

// A username is no part of an owner's identity, and changes: administrators, job
// runners and notices are told the last one that is known.
func TestUserIsCalledAsTheirLastTokenSays(t *testing.T) {
	rings := store.New(storetest.NewEngine().Client(), storetest.Table, time.Now, rand.Reader)
	owner := storetest.NewOwner(t)
	for i, step := range []struct{ said, want string }{{"ada@example.com", "ada@example.com"}, {"lovelace@example.com", "lovelace@example.com"}, {"", "lovelace@example.com"}} {
		owner.Username = step.said
		result, err := rings.Update(t.Context(), owner, store.Idempotency{}, func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			return ring.SetPolicy(apikey.Command{Now: time.Now()}, apikey.RotationPolicy{MaxAgeDays: 30 + i})
		})
		if err != nil {
			t.Fatal(err)
		}
		ring, err := rings.Ring(t.Context(), owner.Locator())
		if err != nil || ring.Owner.Username != step.want || result.Event.Owner != ring.Owner {
			t.Errorf("called %q, then known as %q, announced as %q: %v", step.said, ring.Owner.Username, result.Event.Owner.Username, err)
		}
	}
}

// cancelTransaction answers a transaction with a reason that no emulator gives.
func cancelTransaction(reason string) awstest.Fault {
	return func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		return awstest.Answer(http.StatusBadRequest, map[string]any{
			"__type":              "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
			"CancellationReasons": []map[string]string{{"Code": reason}, {"Code": "None"}, {"Code": "None"}},
		}), nil
	}
}

func TestUpdateUnderFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault awstest.Fault
		code  apikey.Code
		// revision is what the ring came to.
		revision int64
		// writes is how often a transaction was sent.
		writes int
	}{
		"answer lost once: sent again under the same token": {
			awstest.On("TransactWriteItems", awstest.Once(awstest.LoseAnswer)), "", 1, 2,
		},
		"answer lost always: the event tells that the change was made": {
			awstest.On("TransactWriteItems", awstest.LoseAnswer), "", 1, 3,
		},
		"never arrives: unavailable, and nothing was made": {
			awstest.On("TransactWriteItems", awstest.Reset), apikey.CodeUnavailable, 0, 3,
		},
		"server error once": {
			awstest.On("TransactWriteItems", awstest.Once(awstest.Refuse(500, "InternalServerError"))), "", 1, 2,
		},
		"conflict once: tried again on fresh state": {
			awstest.On("TransactWriteItems", awstest.Once(cancelTransaction("TransactionConflict"))), "", 1, 2,
		},
		"conflict always: bounded": {
			awstest.On("TransactWriteItems", cancelTransaction("TransactionConflict")), apikey.CodeConflict, 0, 8,
		},
		"read conflicts once": {
			awstest.On("TransactGetItems", awstest.Once(cancelTransaction("TransactionConflict"))), "", 1, 1,
		},
		"read conflicts always": {
			awstest.On("TransactGetItems", cancelTransaction("TransactionConflict")), apikey.CodeConflict, 0, 0,
		},
		"throttled by reason, always": {
			awstest.On("TransactWriteItems", cancelTransaction("ThrottlingError")), apikey.CodeUnavailable, 0, 8,
		},
		"throttled, always": {
			awstest.On("TransactWriteItems", awstest.Refuse(400, "ProvisionedThroughputExceededException")), apikey.CodeUnavailable, 0, 8,
		},
		"access denied: not tried again": {
			awstest.On("TransactWriteItems", awstest.Refuse(400, "AccessDeniedException")), apikey.CodeUnavailable, 0, 1,
		},
		"reads are down": {
			awstest.On("TransactGetItems", awstest.Reset), apikey.CodeUnavailable, 0, 0,
		},
		"a read fails once": {
			awstest.On("TransactGetItems", awstest.Once(awstest.Reset)), "", 1, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.engine.Transport.SetFault(test.fault)
				_, err := s.create(t.Context())
				if apikey.CodeOf(err) != test.code {
					t.Errorf("answered %v", err)
				}
				if writes := awstest.Count(s.engine.Transport.TakeCalls(), "TransactWriteItems"); writes != test.writes {
					t.Errorf("%d transactions were sent", writes)
				}
				if revision := s.revision(); revision != test.revision {
					t.Errorf("revision %d", revision)
				}
			})
		})
	}
}

// A transaction whose answer is lost may land after the caller has given up.
// The idempotency key is how the caller finds out.
func TestRetryAfterALostAnswerFindsTheChangeThatLanded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.engine.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if call.Operation == "TransactWriteItems" {
				return awstest.LoseAnswer(call, next)
			}
			if call.Operation == "GetItem" { // who committed? cannot be asked either
				return nil, http.ErrHandlerTimeout
			}
			return next()
		})
		if _, err := s.create(t.Context()); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Fatalf("answered %v", err)
		}
		s.engine.Transport.SetFault(nil)
		result, err := s.create(t.Context())
		if err != nil || !result.Replayed {
			t.Errorf("the retry: replayed %v, %v", result.Replayed, err)
		}
		if revision := s.revision(); revision != 1 {
			t.Errorf("revision %d", revision)
		}
	})
}

// When a transaction's answer is lost and another change took its revision, the
// change starts over on fresh state and is refused or made like any other.
func TestLostAnswerThenAnotherChangeIsALostRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		other := newScene(t)
		other.engine, other.owner = s.engine, s.owner
		other.store = store.New(s.engine.Client(), storetest.Table, time.Now, rand.Reader)
		lost := false
		s.engine.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if call.Operation != "TransactWriteItems" || lost {
				return next()
			}
			lost = true
			material := storetest.Material(t, s.owner)
			_, err := other.store.Update(t.Context(), s.owner, store.Idempotency{},
				func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
					next, event, err := ring.Create(apikey.Command{Now: time.Now()}, material)
					return next, &event, err
				})
			if err != nil {
				t.Error(err)
			}
			return awstest.Reset(call, next)
		})
		if _, err := s.create(t.Context()); apikey.CodeOf(err) != apikey.CodeActiveKeyExists {
			t.Errorf("answered %v", err)
		}
		if revision := s.revision(); revision != 1 {
			t.Errorf("revision %d", revision)
		}
	})
}

func TestRetriesOfOneTransactionCarryOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var tokens []string
		s.engine.Transport.SetFault(awstest.On("TransactWriteItems", func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			var request struct{ ClientRequestToken string }
			if err := json.Unmarshal(call.Body, &request); err != nil {
				t.Error(err)
			}
			tokens = append(tokens, request.ClientRequestToken)
			return awstest.LoseAnswer(call, next)
		}))
		if _, err := s.create(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(tokens) < 2 || tokens[0] == "" || len(slices.Compact(tokens)) != 1 {
			t.Errorf("the tokens of one transaction: %q", tokens)
		}
	})
}

func TestCancelledUpdateStops(t *testing.T) {
	s := newScene(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.engine.Transport.SetFault(awstest.On("TransactWriteItems", func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		cancel()
		return nil, ctx.Err()
	}))
	if _, err := s.create(ctx); apikey.CodeOf(err) != apikey.CodeUnavailable {
		t.Errorf("answered %v", err)
	}
	if diff := cmp.Diff([]string{"TransactGetItems", "TransactWriteItems"}, s.engine.Transport.TakeCalls()); diff != "" {
		t.Errorf("calls: %s", diff)
	}
}

// A change that finds the world at odds with its ring has the ring read again,
// once; if that shows nothing new, the conflict is the answer.
func TestConflictOfAChangeIsAnsweredOnceTheRingIsReadAgain(t *testing.T) {
	s := newScene(t)
	asked := 0
	_, err := s.store.Update(t.Context(), s.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			asked++
			return ring, nil, &apikey.Error{Code: apikey.CodeConflict}
		})
	if apikey.CodeOf(err) != apikey.CodeConflict || asked != 2 {
		t.Errorf("asked %d times, answered %v", asked, err)
	}
}

func TestOneDynamoDBCallPerReadAndTwoPerChange(t *testing.T) {
	s := newScene(t)
	if _, err := s.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"TransactGetItems", "TransactWriteItems"}, s.engine.Transport.TakeCalls()); diff != "" {
		t.Error(diff)
	}
	s.revision()
	if diff := cmp.Diff([]string{"GetItem"}, s.engine.Transport.TakeCalls()); diff != "" {
		t.Error(diff)
	}
}

// A ring that cannot be read is a defect of ours, not an outage to wait for.
func TestARingThatCannotBeReadIsNotUnavailable(t *testing.T) {
	s := newScene(t)
	s.engine.Transport.SetFault(awstest.On("TransactGetItems", func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		return awstest.Answer(http.StatusOK, map[string]any{"Responses": []any{
			map[string]any{"Item": map[string]any{"pk": map[string]string{"S": "OWNER#x"}, "sk": map[string]string{"S": "RING"}}},
			map[string]any{},
		}}), nil
	}))
	if _, err := s.create(t.Context()); apikey.CodeOf(err) != apikey.CodeInternal {
		t.Errorf("answered %v", err)
	}
}
