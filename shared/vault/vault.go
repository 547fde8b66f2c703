package vault

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/userapikey/service/shared/apikey"
)

// stageCurrent is the staging label that consumers read.
const stageCurrent = "AWSCURRENT"

// Vault is the material of all owners.
type Vault struct {
	client *secretsmanager.Client
	prefix string
	now    func() time.Time
}

// New makes a vault whose secrets are named prefix/locator/keyId.
func New(client *secretsmanager.Client, prefix string, now func() time.Time) *Vault {
	return &Vault{client: client, prefix: prefix, now: now}
}

// Open puts a first key's credential into a new secret, named after the key.
// The name is never used again, so a create that crashed leaves an orphan that
// nobody can adopt. It returns where the material is. Errors: unavailable.
func (v *Vault) Open(ctx context.Context, credential apikey.Credential) (apikey.Material, error) {
	id := credential.KeyID().String()
	name := strings.Join([]string{v.prefix, credential.Locator().String(), id}, "/")
	out, err := v.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name:               &name,
		ClientRequestToken: &id,
		SecretString:       aws.String(credential.Reveal()),
	})
	if _, exists := errors.AsType[*types.ResourceExistsException](err); exists {
		// Ours, by an attempt whose answer was lost: nobody else has the name.
		return v.opened(ctx, name, credential)
	}
	if err != nil {
		return apikey.Material{}, unavailable(err)
	}
	return material(credential, out.ARN, out.VersionId), nil
}

func (v *Vault) opened(ctx context.Context, name string, credential apikey.Credential) (apikey.Material, error) {
	out, err := v.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err == nil && aws.ToString(out.SecretString) != credential.Reveal() {
		err = errors.New("the new secret's name is taken")
	}
	if err != nil {
		return apikey.Material{}, unavailable(err)
	}
	return material(credential, out.ARN, out.VersionId), nil
}

// Stage puts a further key's credential into the owner's secret, as a version
// under a staging label of its own, the key id: AWSPENDING would be taken away
// by a competing rotation. Errors: conflict when the secret is gone or has no
// label left (the ring that named it is out of date); unavailable.
func (v *Vault) Stage(ctx context.Context, arn string, credential apikey.Credential) (apikey.Material, error) {
	id := credential.KeyID().String()
	out, err := v.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:           &arn,
		ClientRequestToken: &id,
		SecretString:       aws.String(credential.Reveal()),
		VersionStages:      []string{id},
	})
	if _, full := errors.AsType[*types.LimitExceededException](err); full || isGone(err) {
		return apikey.Material{}, &apikey.Error{
			Code:       apikey.CodeConflict,
			Detail:     "Another change of these keys is under way. Try again.",
			RetryAfter: time.Second,
			Cause:      err,
		}
	}
	if err != nil {
		return apikey.Material{}, unavailable(err)
	}
	return material(credential, &arn, out.VersionId), nil
}

func material(credential apikey.Credential, arn, versionID *string) apikey.Material {
	return apikey.Material{
		KeyID:     credential.KeyID(),
		Digest:    credential.Digest(),
		SecretARN: aws.ToString(arn),
		VersionID: aws.ToString(versionID),
	}
}

// Promote moves AWSCURRENT from the phased out key's version to the new one,
// and drops the label that the new version was put under. It is the fast path
// of Repair for a rotation that nothing came between; any error means: repair.
func (v *Vault) Promote(ctx context.Context, m apikey.Material, fromVersionID string) error {
	if err := v.moveCurrent(ctx, m.SecretARN, fromVersionID, m.VersionID); err != nil {
		return err
	}
	return v.Unstage(ctx, m)
}

// Unstage drops the label of material that was staged. What no key names then
// has no label left, and Secrets Manager removes it in time. A secret that is
// gone is fine.
func (v *Vault) Unstage(ctx context.Context, m apikey.Material) error {
	err := v.dropLabel(ctx, m.SecretARN, m.VersionID, m.KeyID.String())
	if isGone(err) {
		return nil
	}
	return err
}

// IsOwners tells whether a secret is, or was, one of the owner's: its name, which
// is in its ARN, holds the locator.
func IsOwners(arn string, owner apikey.Locator) bool {
	return strings.Contains(arn, "/"+owner.String()+"/")
}

// Delete deletes a secret, without recovery. One that is gone already is fine.
// Errors: unavailable.
func (v *Vault) Delete(ctx context.Context, arn string) error {
	_, err := v.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{
		SecretId:                   &arn,
		ForceDeleteWithoutRecovery: aws.Bool(true),
	})
	if err != nil && !isGone(err) {
		return unavailable(err)
	}
	return nil
}

// Credential reads a key's credential again and checks it against the ring's
// digest. Errors: unavailable.
func (v *Vault) Credential(ctx context.Context, arn string, key apikey.Key) (apikey.Credential, error) {
	out, err := v.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn, VersionId: &key.VersionID})
	if err != nil {
		return apikey.Credential{}, unavailable(err)
	}
	credential, err := apikey.ParseCredential(aws.ToString(out.SecretString))
	if err != nil || credential.KeyID() != key.ID || !credential.Digest().Equal(key.Digest) {
		return apikey.Credential{}, unavailable(errors.New("the secret's version is not the key's credential"))
	}
	return credential, nil
}

// moveCurrent moves AWSCURRENT between versions; from "" puts it where no version
// has it.
func (v *Vault) moveCurrent(ctx context.Context, arn, from, to string) error {
	move := &secretsmanager.UpdateSecretVersionStageInput{
		SecretId:        &arn,
		VersionStage:    aws.String(stageCurrent),
		MoveToVersionId: &to,
	}
	if from != "" {
		move.RemoveFromVersionId = &from
	}
	_, err := v.client.UpdateSecretVersionStage(ctx, move)
	return err
}

func (v *Vault) dropLabel(ctx context.Context, arn, versionID, label string) error {
	_, err := v.client.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId:            &arn,
		VersionStage:        &label,
		RemoveFromVersionId: &versionID,
	})
	return err
}

// isGone tells whether the secret does not exist any more, or is being deleted.
func isGone(err error) bool {
	_, missing := errors.AsType[*types.ResourceNotFoundException](err)
	_, deleting := errors.AsType[*types.InvalidRequestException](err)
	return missing || deleting
}

func unavailable(cause error) error { return apikey.Unavailable("The key material", cause) }
