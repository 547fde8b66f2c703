// Package function is what the functions' mains have in common: it makes their
// parts from environment variables.
package function

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/config"
	"github.com/userapikey/service/shared/identity"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/telemetry"
)

// Environment is where a function runs.
type Environment struct {
	*config.Reader
	Getenv func(string) string
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// New makes the environment of a main. Logs go to output.
func New(getenv func(string) string, output io.Writer, now func() time.Time, random io.Reader) *Environment {
	reader := config.NewReader(getenv)
	return &Environment{
		Reader: reader,
		Getenv: getenv,
		Now:    now,
		Random: random,
		Log:    telemetry.NewLogger(output, reader.LogLevel("LOG_LEVEL"), reader.Optional("METRICS_NAMESPACE", "")),
	}
}

// Store is the table that TABLE_NAME names. The connection to it is open then,
// if it can be.
func (e *Environment) Store() *store.Store {
	cfg := awsclient.Config(e.Getenv, "dynamodb")
	parameters := dynamodb.EndpointParameters{Region: &cfg.Region, Endpoint: cfg.BaseEndpoint}.WithDefaults()
	if endpoint, err := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), parameters); err == nil {
		awsclient.Connect(cfg, endpoint.URI.String())
	}
	rings := store.New(dynamodb.NewFromConfig(cfg), e.Required("TABLE_NAME"), e.Now, e.Random)
	rings.Log = e.Log
	return rings
}

// RotationPolicy is the deployment's rotation policy, of owners who have none of
// their own: ROTATION_MAX_AGE_DAYS, ROTATION_NOTICE_DAYS and
// DELETE_PHASED_OUT_AFTER_DAYS; 0 is off.
func (e *Environment) RotationPolicy() apikey.RotationPolicy {
	policy := apikey.RotationPolicy{
		MaxAgeDays:               e.Number("ROTATION_MAX_AGE_DAYS", 0),
		NoticeDays:               e.Number("ROTATION_NOTICE_DAYS", 0),
		DeletePhasedOutAfterDays: e.Number("DELETE_PHASED_OUT_AFTER_DAYS", 0),
	}
	e.Check(policy.Validate())
	return policy
}

// Verifier accepts the tokens of the issuer that ISSUER_URL names, made for
// AUDIENCE. What is wrong with these variables is in Err.
func (e *Environment) Verifier() *identity.Verifier {
	verifier, err := identity.New(identity.Config{
		Issuer:   e.Required("ISSUER_URL"),
		JWKSURL:  e.Optional("JWKS_URL", ""),
		Audience: e.Required("AUDIENCE"),
		Claims: identity.ClaimNames{
			IAMID:     e.Optional("CLAIM_IAM_ID", ""),
			AccountID: e.Optional("CLAIM_ACCOUNT_ID", ""),
			Username:  e.Optional("CLAIM_USERNAME", ""),
			Roles:     e.Optional("CLAIM_ROLES", ""),
		},
		OnFetchFailure: func(err error) { e.Log.Warn("the issuer's keys cannot be fetched", "error", err) },
	}, &http.Client{}, e.Now)
	e.Check(err)
	return verifier
}
