package vault

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/userapikey/service/shared/apikey"
)

// maxPerPage is how many secrets Secrets Manager lists at a time.
const maxPerPage = 100

// Secret is a secret of the vault, as its name tells.
type Secret struct {
	ARN     string
	Locator apikey.Locator
	// KeyID is the key that it was opened for, and so tells when.
	KeyID apikey.KeyID
}

// List lists the vault's secrets, a page at a time; next is "" after the last.
// Secrets with the vault's prefix and another kind of name are somebody else's and
// left out. A token that Secrets Manager no longer knows leads to the beginning: a
// walk that was broken off may go on hours later. Errors: unavailable.
func (v *Vault) List(ctx context.Context, token string) (secrets []Secret, next string, err error) {
	return v.list(ctx, v.prefix+"/", token)
}

// list is List of the names that begin so.
func (v *Vault) list(ctx context.Context, beginning, token string) (secrets []Secret, next string, err error) {
	input := &secretsmanager.ListSecretsInput{
		MaxResults: aws.Int32(maxPerPage),
		Filters:    []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{beginning}}},
		SortOrder:  types.SortOrderTypeAsc,
	}
	if token != "" {
		input.NextToken = &token
	}
	out, err := v.client.ListSecrets(ctx, input)
	if _, over := errors.AsType[*types.InvalidNextTokenException](err); over && token != "" {
		input.NextToken = nil
		out, err = v.client.ListSecrets(ctx, input)
	}
	if err != nil {
		return nil, "", unavailable(err)
	}
	for _, listed := range out.SecretList {
		if secret, ok := v.secretOf(aws.ToString(listed.ARN), aws.ToString(listed.Name)); ok {
			secrets = append(secrets, secret)
		}
	}
	return secrets, aws.ToString(out.NextToken), nil
}

func (v *Vault) secretOf(arn, name string) (Secret, bool) {
	rest, ours := strings.CutPrefix(name, v.prefix+"/")
	locatorText, keyText, _ := strings.Cut(rest, "/")
	locator, locatorErr := apikey.ParseLocator(locatorText)
	id, keyErr := apikey.ParseUUID(keyText)
	return Secret{ARN: arn, Locator: locator, KeyID: id}, ours && locatorErr == nil && keyErr == nil
}
