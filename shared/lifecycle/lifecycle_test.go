package lifecycle_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
)

func TestCreateRotateDelete(t *testing.T) {
	w := newWorld(t)
	created := w.create()
	w.checkSecret()
	rotated := w.rotate()
	w.checkSecret()
	if rotated.PhasedOut.ID != created.Key.ID || rotated.PhasedOut.Status != apikey.StatusPhasedOut {
		t.Errorf("the rotation phased out %+v", rotated.PhasedOut)
	}
	arn := w.ring().SecretARN
	if value := w.secrets.Value(arn, w.ring().Active.VersionID); value != rotated.Credential.Reveal() {
		t.Error("Secrets Manager does not hold the credential that was answered")
	}
	deleted, err := w.DeleteOne(t.Context(), w.request(""), created.Key.ID)
	if err != nil || deleted.Revision != 3 || len(deleted.Keys) != 1 || deleted.Keys[0].ID != created.Key.ID {
		t.Errorf("deleting the Phased out key: %+v, %v", deleted, err)
	}
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": rotated.Key.VersionID}, w.secrets.Labels(arn)); diff != "" {
		t.Errorf("the deleted key's version still has a label: %s", diff)
	}
	deleted, err = w.DeleteAll(t.Context(), w.request(""))
	if err != nil || deleted.Revision != 4 || len(deleted.Keys) != 1 {
		t.Errorf("deleting all: %+v, %v", deleted, err)
	}
	deleted, err = w.DeleteAll(t.Context(), w.request(""))
	if err != nil || deleted.Revision != 4 || len(deleted.Keys) != 0 {
		t.Errorf("deleting all again: %+v, %v", deleted, err)
	}
	if names := w.secrets.Names(); len(names) != 0 {
		t.Errorf("secrets left after deleting all: %v", names)
	}
	// A new create opens a new secret and never waits for the old one.
	w.create()
	w.checkSecret()
}

func TestCallsOfEachOperation(t *testing.T) {
	w := newWorld(t)
	var key lifecycle.Issued
	for _, step := range []struct {
		name           string
		do             func()
		table, secrets []string
	}{
		{"create", func() { key = w.create() },
			[]string{"GetItem", "TransactWriteItems"}, []string{"CreateSecret"}},
		{"rotate with an idempotency key", func() { w.issued(w.Rotate(t.Context(), w.request("key-1"))) },
			[]string{"TransactGetItems", "TransactWriteItems"},
			[]string{"PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage"}},
		{"replay of the rotation", func() { w.issued(w.Rotate(t.Context(), w.request("key-1"))) },
			[]string{"TransactGetItems"}, []string{"GetSecretValue"}},
		{"refused create", func() { _, _ = w.Create(t.Context(), w.request("")) },
			[]string{"GetItem"}, nil},
		{"delete one", func() { _, _ = w.DeleteOne(t.Context(), w.request(""), key.Key.ID) },
			[]string{"GetItem", "Query", "TransactWriteItems", "GetItem", "GetItem", "GetItem", "GetItem"},
			[]string{"DescribeSecret", "UpdateSecretVersionStage", "DescribeSecret"}},
		{"delete all", func() { _, _ = w.DeleteAll(t.Context(), w.request("")) },
			[]string{"GetItem", "Query", "TransactWriteItems"}, []string{"DeleteSecret"}},
	} {
		w.noFaults()
		step.do()
		if diff := cmp.Diff(step.table, w.table.Transport.TakeCalls()); diff != "" {
			t.Errorf("%s: calls of DynamoDB: %s", step.name, diff)
		}
		if diff := cmp.Diff(step.secrets, w.secrets.Transport.TakeCalls()); diff != "" {
			t.Errorf("%s: calls of Secrets Manager: %s", step.name, diff)
		}
	}
}

func TestOneOfManyCreatesWinsAndTheOthersLeaveNoSecret(t *testing.T) {
	w := newWorld(t)
	counts := outcomes(50, func(int) error {
		_, err := w.Create(t.Context(), w.request(""))
		return err
	})
	if counts[""] != 1 || counts[""]+counts[apikey.CodeActiveKeyExists]+counts[apikey.CodeConflict] != 50 {
		t.Errorf("outcomes: %v", counts)
	}
	if names := w.secrets.Names(); len(names) != 1 {
		t.Errorf("secrets left: %v", names)
	}
	w.checkSecret()
}

func TestManyRotationsAtOnceLeaveOneActiveKeyAndItsSecret(t *testing.T) {
	w := newWorld(t)
	w.create()
	counts := outcomes(20, func(int) error {
		_, err := w.Rotate(t.Context(), w.request(""))
		return err
	})
	done := counts[""]
	if done < 1 || done > apikey.AllowanceSize-1 || done+counts[apikey.CodeConflict]+counts[apikey.CodeRotationRateExceeded] != 20 {
		t.Errorf("outcomes: %v", counts)
	}
	ring := w.ring()
	if len(ring.PhasedOut) != done || ring.Revision != int64(1+done) {
		t.Errorf("%d rotations, %d Phased out keys, revision %d", done, len(ring.PhasedOut), ring.Revision)
	}
	// Every rotation that lost its move has repaired; no relay was needed.
	w.checkSecret()
}

func TestOneIdempotencyKeyIsOneKeyWhateverRunsAtOnce(t *testing.T) {
	w := newWorld(t)
	for _, operation := range []struct {
		name   string
		change func(context.Context, apikey.ChangeRequest) (lifecycle.Issued, error)
	}{{"create", w.Create}, {"rotate", w.Rotate}} {
		var mu sync.Mutex
		credentials := map[string]int{}
		counts := outcomes(20, func(int) error {
			issued, err := operation.change(t.Context(), w.request(operation.name))
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				credentials[issued.Credential.Reveal()]++
			}
			return err
		})
		if len(credentials) != 1 || counts[""]+counts[apikey.CodeConflict] != 20 {
			t.Errorf("%s: %d credentials, outcomes %v", operation.name, len(credentials), counts)
		}
		if names := w.secrets.Names(); len(names) != 1 {
			t.Errorf("%s: secrets left: %v", operation.name, names)
		}
		w.checkSecret()
	}
}

func TestReplayShowsTheCredentialOnlyWhileItsKeyIsActive(t *testing.T) {
	w := newWorld(t)
	create := func() lifecycle.Issued { return w.issued(w.Create(t.Context(), w.request("key-1"))) }
	first := create()
	again := create()
	if !again.Replayed || again.Key.ID != first.Key.ID || again.Credential.Reveal() != first.Credential.Reveal() {
		t.Error("the replay is not the first answer")
	}
	w.rotate()
	if again = create(); again.Key.ID != first.Key.ID || !again.Credential.IsZero() {
		t.Error("the replay shows the credential of a Phased out key, or another key")
	}
	if _, err := w.DeleteAll(t.Context(), w.request("")); err != nil {
		t.Fatal(err)
	}
	if again = create(); again.Key.ID != first.Key.ID || !again.Credential.IsZero() {
		t.Error("the replay shows the credential of a deleted key, or another key")
	}
}

func TestReplayIsUnavailableWhileSecretsManagerIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issued(w.Create(t.Context(), w.request("key-1")))
		w.secrets.Transport.SetFault(awstest.Reset)
		if _, err := w.Create(t.Context(), w.request("key-1")); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("answered %v", err)
		}
	})
}

func TestExpectedRevisionIsCheckedBeforeTheState(t *testing.T) {
	w := newWorld(t)
	w.create()
	request := w.request("")
	request.ExpectedRevisions = []int64{7}
	if _, err := w.Create(t.Context(), request); apikey.CodeOf(err) != apikey.CodeRevisionMismatch {
		t.Errorf("create: %v", err)
	}
	if _, err := w.Rotate(t.Context(), request); apikey.CodeOf(err) != apikey.CodeRevisionMismatch {
		t.Errorf("rotate: %v", err)
	}
	if _, err := w.DeleteOne(t.Context(), request, apikey.KeyID{}); apikey.CodeOf(err) != apikey.CodeRevisionMismatch {
		t.Errorf("delete one: %v", err)
	}
	if _, err := w.DeleteAll(t.Context(), request); apikey.CodeOf(err) != apikey.CodeRevisionMismatch {
		t.Errorf("delete all: %v", err)
	}
	request.ExpectedRevisions = []int64{1}
	w.issued(w.Rotate(t.Context(), request))
}

func TestRefusedChangePutsNoMaterial(t *testing.T) {
	w := newWorld(t)
	w.create()
	for range apikey.AllowanceSize - 1 {
		w.rotate()
	}
	w.noFaults()
	if _, err := w.Rotate(t.Context(), w.request("")); apikey.CodeOf(err) != apikey.CodeRotationRateExceeded {
		t.Errorf("answered %v", err)
	}
	if calls := w.secrets.Transport.TakeCalls(); len(calls) != 0 {
		t.Errorf("calls of Secrets Manager: %v", calls)
	}
}
