// Package keys makes the parts of those functions that change keys. It stands
// apart from package function so that the others link no Secrets Manager client.
package keys

import (
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/function"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/vault"
)

// Service changes keys in the table that TABLE_NAME names, with their material
// in secrets whose names begin with SECRET_PREFIX.
func Service(env *function.Environment) *lifecycle.Service {
	client := secretsmanager.NewFromConfig(awsclient.Config(env.Getenv, "secretsmanager"))
	return &lifecycle.Service{
		Rings:  env.Store(),
		Vault:  vault.New(client, env.Required("SECRET_PREFIX"), env.Now),
		Now:    env.Now,
		Random: env.Random,
		Log:    env.Log,
	}
}
