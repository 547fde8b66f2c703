// Package keys makes the parts of those functions that change keys. It stands
// apart from package function so that the others link no Secrets Manager client.
package keys

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/function"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/vault"
)

// Service changes keys in the table that TABLE_NAME names, with their material
// in secrets whose names begin with SECRET_PREFIX, encrypted with the key of
// SECRET_KMS_KEY_ARN if that is given. The connections to both are open then, if
// they can be.
func Service(env *function.Environment) *lifecycle.Service {
	cfg := awsclient.Config(env.Getenv, "secretsmanager")
	parameters := secretsmanager.EndpointParameters{Region: &cfg.Region, Endpoint: cfg.BaseEndpoint}.WithDefaults()
	if endpoint, err := secretsmanager.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), parameters); err == nil {
		awsclient.Connect(cfg, endpoint.URI.String())
	}
	material := vault.New(secretsmanager.NewFromConfig(cfg), env.Required("SECRET_PREFIX"), env.Now)
	material.KMSKeyARN = env.Optional("SECRET_KMS_KEY_ARN", "")
	return &lifecycle.Service{
		Rings:  env.Store(),
		Vault:  material,
		Now:    env.Now,
		Random: env.Random,
		Log:    env.Log,
	}
}
