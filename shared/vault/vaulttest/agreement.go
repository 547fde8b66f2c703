package vaulttest

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// CheckMaterial tells what is wrong with the material of a ring's Active key: its
// version must hold a credential that the ring's digest knows. Without an Active
// key there is nothing to check.
func CheckMaterial(ctx context.Context, client *secretsmanager.Client, ring apikey.Ring) error {
	if ring.Active == nil {
		return nil
	}
	value, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &ring.SecretARN, VersionId: &ring.Active.VersionID})
	if err != nil {
		return fmt.Errorf("the Active key's material is not in Secrets Manager: %w", err)
	}
	credential, err := apikey.ParseCredential(aws.ToString(value.SecretString))
	if err != nil || credential.KeyID() != ring.Active.ID || !credential.Digest().Equal(ring.Active.Digest) {
		return errors.New("the Active key's version holds something else")
	}
	return nil
}

// CheckRepaired tells what is wrong with the secret of a ring after a repair: as
// CheckMaterial does, and AWSCURRENT must be on the Active key's version and no
// label of any key be left.
func CheckRepaired(ctx context.Context, client *secretsmanager.Client, ring apikey.Ring) error {
	if err := CheckMaterial(ctx, client, ring); err != nil || ring.Active == nil {
		return err
	}
	secret, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &ring.SecretARN})
	if err != nil {
		return err
	}
	holder := ""
	for version, labels := range secret.VersionIdsToStages {
		for _, label := range labels {
			switch label {
			case current:
				holder = version
			case previous:
			default:
				return fmt.Errorf("the label %s was left behind", label)
			}
		}
	}
	if holder != ring.Active.VersionID {
		return fmt.Errorf("AWSCURRENT is on %q, the Active key's version is %q", holder, ring.Active.VersionID)
	}
	return nil
}

// CheckRepaired is CheckRepaired of this engine's secrets, past its faults and its
// count of calls.
func (e *Engine) CheckRepaired(ctx context.Context, ring apikey.Ring) error {
	return CheckRepaired(ctx, secretsmanager.NewFromConfig(awstest.NewTransport(e).Config()), ring)
}
