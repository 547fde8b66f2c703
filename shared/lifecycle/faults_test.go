package lifecycle_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

func TestSecretsManagerDownChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.secrets.Transport.SetFault(awstest.Reset)
		if _, err := w.Create(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("create: %v", err)
		}
		w.noFaults()
		w.create()
		before := w.ring()
		w.secrets.Transport.SetFault(awstest.Refuse(500, "InternalServiceError"))
		if _, err := w.Rotate(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("rotate: %v", err)
		}
		if diff := cmp.Diff(before, w.ring()); diff != "" {
			t.Errorf("the ring changed: %s", diff)
		}
	})
}

func TestSecretsManagerDownDoesNotStopDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		old := w.create()
		w.rotate()
		w.secrets.Transport.SetFault(awstest.Reset)
		if _, err := w.DeleteOne(t.Context(), w.request(""), old.Key.ID); err != nil {
			t.Errorf("delete one: %v", err)
		}
		arn := w.ring().SecretARN
		w.repair()
		if _, left := w.secrets.Labels(arn)["AWSPREVIOUS"]; left {
			t.Error("repair left a label on the deleted key's version")
		}
		w.secrets.Transport.SetFault(awstest.Reset)
		if _, err := w.DeleteAll(t.Context(), w.request("")); err != nil {
			t.Errorf("delete all: %v", err)
		}
		if w.ring().Active != nil {
			t.Error("the Active key is still there")
		}
	})
}

// What fails after the commit changes no answer, and repair makes it good.
func TestRotationIsAnsweredWhateverFailsAfterTheCommit(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"every move and drop fails": awstest.On("UpdateSecretVersionStage", awstest.Reset),
		"the move's answer is lost": awstest.On("UpdateSecretVersionStage", awstest.Once(awstest.LoseAnswer)),
		"the first is refused":      awstest.On("UpdateSecretVersionStage", awstest.Once(awstest.Refuse(400, "AccessDeniedException"))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.create()
				w.secrets.Transport.SetFault(fault)
				rotated := w.rotate()
				if w.ring().Active.ID != rotated.Key.ID {
					t.Error("the new key is not Active")
				}
				w.repair()
				w.checkSecret()
			})
		})
	}
}

func TestMaterialIsUndoneOnlyWhenNoCommitCanNameIt(t *testing.T) {
	for name, test := range map[string]struct {
		fault   awstest.Fault
		secrets int
	}{
		// The transaction may still land: its material must be there then.
		"the commit's answer is lost": {awstest.On("TransactWriteItems", awstest.Reset), 1},
		"the commit is refused":       {awstest.On("TransactWriteItems", awstest.Refuse(400, "AccessDeniedException")), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.table.Transport.SetFault(test.fault)
				if _, err := w.Create(t.Context(), w.request("key-1")); apikey.CodeOf(err) != apikey.CodeUnavailable {
					t.Errorf("answered %v", err)
				}
				if names := w.secrets.Names(); len(names) != test.secrets {
					t.Errorf("secrets: %v", names)
				}
				// A retry with the same key makes the key, or finds it.
				w.noFaults()
				w.issued(w.Create(t.Context(), w.request("key-1")))
				w.checkSecret()
			})
		})
	}
}

func TestLostAnswerOfACommitIsHarmlessWithAnIdempotencyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create()
		w.table.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			switch call.Operation {
			case "TransactWriteItems":
				return awstest.LoseAnswer(call, next)
			case "GetItem":
				return awstest.Reset(call, next)
			}
			return next()
		})
		if _, err := w.Rotate(t.Context(), w.request("key-1")); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Fatalf("answered %v", err)
		}
		w.noFaults()
		issued := w.issued(w.Rotate(t.Context(), w.request("key-1")))
		if !issued.Replayed || issued.Credential.KeyID() != w.ring().Active.ID {
			t.Error("the retry did not find the key that was made")
		}
		w.repair()
		w.checkSecret()
	})
}

// Some emulators forget client tokens, and a CreateSecret whose answer was lost
// then meets its own secret.
func TestCreateAdoptsItsOwnSecretAfterALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.secrets.LikeEmulators = true
		w.secrets.Transport.SetFault(awstest.On("CreateSecret", awstest.Once(awstest.LoseAnswer)))
		w.create()
		w.checkSecret()
		if names := w.secrets.Names(); len(names) != 1 {
			t.Errorf("secrets: %v", names)
		}
	})
}

// A rotation whose secret was deleted by a delete-all, with a create after it,
// puts its version into the secret that the ring names now.
func TestRotationFollowsTheRingToAnotherSecret(t *testing.T) {
	w := newWorld(t)
	w.create()
	w.meanwhile("TransactWriteItems", func() {
		w.deleteAll()
		w.create()
	})
	rotated := w.rotate()
	if ring := w.ring(); ring.Active.ID != rotated.Key.ID || ring.Revision != 4 {
		t.Errorf("revision %d, Active %s", ring.Revision, ring.Active.ID)
	}
	w.checkSecret()
	if names := w.secrets.Names(); len(names) != 1 {
		t.Errorf("secrets: %v", names)
	}
}

func TestRotationThatLosesToADeletionIsRefused(t *testing.T) {
	w := newWorld(t)
	w.create()
	w.meanwhile("PutSecretValue", w.deleteAll)
	if _, err := w.Rotate(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeNoActiveKey {
		t.Errorf("answered %v", err)
	}
	if names := w.secrets.Names(); len(names) != 0 {
		t.Errorf("secrets: %v", names)
	}
}

func TestRotationWithoutALabelToSpareIsAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create()
		w.secrets.Transport.SetFault(awstest.On("PutSecretValue", awstest.Refuse(400, "LimitExceededException")))
		if _, err := w.Rotate(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeConflict {
			t.Errorf("answered %v", err)
		}
		// The ring is read again once; the SDK takes the refusal for throttling and
		// sends each put three times.
		if puts := awstest.Count(w.secrets.Transport.TakeCalls(), "PutSecretValue"); puts != 6 {
			t.Errorf("the put was sent %d times", puts)
		}
	})
}

func TestRotationThatGivesUpDropsItsLabel(t *testing.T) {
	w := newWorld(t)
	w.create()
	// Another rotation wins and uses the allowance up.
	w.meanwhile("TransactWriteItems", func() {
		for range apikey.AllowanceSize - 1 {
			w.rotate()
		}
	})
	if _, err := w.Rotate(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeRotationRateExceeded {
		t.Errorf("answered %v", err)
	}
	w.checkSecret()
}
