package vault_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/vault"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

var owner = apikey.Owner{AccountID: "account-1", IAMID: "IBMid-1"}

// scene is one owner's ring, changed by hand, and its secret.
type scene struct {
	t      *testing.T
	engine *vaulttest.Engine
	vault  *vault.Vault
	ring   apikey.Ring
	now    time.Time
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, engine: vaulttest.NewEngine(), ring: apikey.Ring{Owner: owner}, now: time.Now()}
	s.vault = vault.New(s.engine.Client(), "test", func() time.Time { return s.now })
	return s
}

func (s *scene) credential() apikey.Credential {
	s.t.Helper()
	id, err := apikey.NewUUID(s.now, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	credential, err := apikey.NewCredential(owner.Locator(), id, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return credential
}

func (s *scene) command() apikey.Command { return apikey.Command{Now: s.now} }

func (s *scene) create() {
	s.t.Helper()
	material, err := s.vault.Open(s.t.Context(), s.credential())
	if err != nil {
		s.t.Fatal(err)
	}
	s.ring, _, err = s.ring.Create(s.command(), material)
	if err != nil {
		s.t.Fatal(err)
	}
}

// rotate commits a rotation and does nothing after the commit.
func (s *scene) rotate() {
	s.t.Helper()
	material := s.stage()
	var err error
	if s.ring, _, err = s.ring.Rotate(s.command(), material); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) stage() apikey.Material {
	s.t.Helper()
	material, err := s.vault.Stage(s.t.Context(), s.ring.SecretARN, s.credential())
	if err != nil {
		s.t.Fatal(err)
	}
	return material
}

func (s *scene) label(label, versionID string) {
	s.t.Helper()
	_, err := s.engine.Client().UpdateSecretVersionStage(s.t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &s.ring.SecretARN, VersionStage: &label, MoveToVersionId: &versionID,
		RemoveFromVersionId: optional(s.engine.Labels(s.ring.SecretARN)[label]),
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return aws.String(text)
}

func (s *scene) readRing(context.Context) (apikey.Ring, error) { return s.ring, nil }

func (s *scene) repair() {
	s.t.Helper()
	if err := s.vault.Repair(s.t.Context(), s.readRing); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) checkLabels(want map[string]string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.engine.Labels(s.ring.SecretARN)); diff != "" {
		s.t.Errorf("labels wanted (-) and found (+): %s", diff)
	}
}

func TestNewSecretsAreEncryptedWithTheKeyThatIsGiven(t *testing.T) {
	for _, key := range []string{"", "arn:aws:kms:us-east-1:123456789012:key/1"} {
		s := newScene(t)
		s.vault.KMSKeyARN = key
		asked := struct{ KmsKeyId *string }{} //nolint:revive // AWS's name
		s.engine.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if err := json.Unmarshal(call.Body, &asked); err != nil {
				t.Error(err)
			}
			return next()
		})
		s.create()
		if got := aws.ToString(asked.KmsKeyId); got != key || (key == "") != (asked.KmsKeyId == nil) {
			t.Errorf("the key %q was asked for, not %q", got, key)
		}
	}
}

func TestRepairMovesCurrentToTheActiveKey(t *testing.T) {
	s := newScene(t)
	s.create()
	first := s.ring.Active.VersionID
	s.rotate()
	s.rotate() // two rotations died after their commit
	s.repair()
	s.checkLabels(map[string]string{"AWSCURRENT": s.ring.Active.VersionID, "AWSPREVIOUS": first})
}

func TestRepairTakesEveryLabelOffADeletedKeysVersion(t *testing.T) {
	s := newScene(t)
	s.create()
	first := *s.ring.Active
	s.rotate()
	s.repair()
	s.label(first.ID.String(), first.VersionID)
	s.ring, _, _ = s.ring.DeleteOne(s.command(), first.ID)
	s.repair()
	s.checkLabels(map[string]string{"AWSCURRENT": s.ring.Active.VersionID})
}

func TestRepairLeavesARotationUnderWayAlone(t *testing.T) {
	s := newScene(t)
	s.create()
	material := s.stage()
	s.now = s.now.Add(59 * time.Minute)
	s.repair()
	s.checkLabels(map[string]string{"AWSCURRENT": s.ring.Active.VersionID, material.KeyID.String(): material.VersionID})
	s.now = s.now.Add(2 * time.Minute)
	s.repair()
	s.checkLabels(map[string]string{"AWSCURRENT": s.ring.Active.VersionID})
}

func TestRepairLeavesLabelsOfOthersAlone(t *testing.T) {
	s := newScene(t)
	s.create()
	s.label("somebody-else", s.ring.Active.VersionID)
	s.repair()
	s.checkLabels(map[string]string{"AWSCURRENT": s.ring.Active.VersionID, "somebody-else": s.ring.Active.VersionID})
}

func TestRepairOfARingWithoutSecretDoesNothing(t *testing.T) {
	s := newScene(t)
	s.repair()
	if calls := s.engine.Transport.TakeCalls(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestRepairOfARepairedSecretWritesNothing(t *testing.T) {
	s := newScene(t)
	s.create()
	s.repair()
	s.engine.Transport.TakeCalls()
	s.repair()
	if diff := cmp.Diff([]string{"DescribeSecret"}, s.engine.Transport.TakeCalls()); diff != "" {
		t.Error(diff)
	}
}

func TestMissingSecretThatTheRingNoLongerNamesIsRepaired(t *testing.T) {
	s := newScene(t)
	s.create()
	reads := 0
	err := s.vault.Repair(t.Context(), func(ctx context.Context) (apikey.Ring, error) {
		if reads++; reads == 2 { // a delete-all came between the two reads
			if err := s.vault.Delete(ctx, s.ring.SecretARN); err != nil {
				return apikey.Ring{}, err
			}
			s.ring, _ = s.ring.DeleteAll(s.command())
		}
		return s.ring, nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMissingSecretThatTheRingNamesIsAnError(t *testing.T) {
	s := newScene(t)
	s.create()
	if err := s.vault.Delete(t.Context(), s.ring.SecretARN); err != nil {
		t.Fatal(err)
	}
	if err := s.vault.Repair(t.Context(), s.readRing); err == nil {
		t.Error("nobody was told that the material is lost")
	}
}

func TestRepairGoesByTheRingAsItIsAfterTheStagesWereRead(t *testing.T) {
	s := newScene(t)
	s.create()
	reads := 0
	err := s.vault.Repair(t.Context(), func(context.Context) (apikey.Ring, error) {
		if reads++; reads == 2 {
			s.rotate()
		}
		return s.ring, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if current := s.engine.Labels(s.ring.SecretARN)["AWSCURRENT"]; current != s.ring.Active.VersionID {
		t.Errorf("AWSCURRENT is on %s, the Active key's version is %s", current, s.ring.Active.VersionID)
	}
}

func TestRepairPassesErrorsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.create()
		failure := errors.New("the ring cannot be read")
		err := s.vault.Repair(t.Context(), func(context.Context) (apikey.Ring, error) { return apikey.Ring{}, failure })
		if !errors.Is(err, failure) {
			t.Errorf("the ring cannot be read: %v", err)
		}
		s.rotate()
		for _, operation := range []string{"DescribeSecret", "UpdateSecretVersionStage"} {
			s.engine.Transport.SetFault(awstest.On(operation, awstest.Reset))
			if err := s.vault.Repair(t.Context(), s.readRing); err == nil {
				t.Errorf("%s fails and nobody is told", operation)
			}
		}
	})
}

func TestPromoteAfterALaterRepairDoesNotTakeCurrentBack(t *testing.T) {
	s := newScene(t)
	s.create()
	first := s.ring.Active.VersionID
	s.rotate()
	late := apikey.Material{KeyID: s.ring.Active.ID, SecretARN: s.ring.SecretARN, VersionID: s.ring.Active.VersionID}
	s.rotate()
	s.repair()
	if err := s.vault.Promote(t.Context(), late, first); err == nil {
		t.Error("the late move was not refused")
	}
	if current := s.engine.Labels(s.ring.SecretARN)["AWSCURRENT"]; current != s.ring.Active.VersionID {
		t.Error("AWSCURRENT went back to a Phased out key")
	}
}

func TestCredentialIsCheckedAgainstTheRing(t *testing.T) {
	s := newScene(t)
	s.create()
	credential, err := s.vault.Credential(t.Context(), s.ring.SecretARN, *s.ring.Active)
	if err != nil || !credential.Digest().Equal(s.ring.Active.Digest) {
		t.Errorf("the Active key's credential: %v", err)
	}
	forged := *s.ring.Active
	forged.Digest[0]++
	if _, err := s.vault.Credential(t.Context(), s.ring.SecretARN, forged); apikey.CodeOf(err) != apikey.CodeUnavailable {
		t.Errorf("a version that is not the key's credential: %v", err)
	}
}

func TestDeleteOfADeletedSecretIsFine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.create()
		for range 2 {
			if err := s.vault.Delete(t.Context(), s.ring.SecretARN); err != nil {
				t.Error(err)
			}
		}
		s.engine.Transport.SetFault(awstest.Reset)
		if err := s.vault.Delete(t.Context(), s.ring.SecretARN); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("Secrets Manager is down: %v", err)
		}
	})
}

func TestStageIntoADeletedSecretIsAConflict(t *testing.T) {
	s := newScene(t)
	s.create()
	if err := s.vault.Delete(t.Context(), s.ring.SecretARN); err != nil {
		t.Fatal(err)
	}
	if _, err := s.vault.Stage(t.Context(), s.ring.SecretARN, s.credential()); apikey.CodeOf(err) != apikey.CodeConflict {
		t.Errorf("answered %v", err)
	}
}
