// Package clock makes the parts of what nobody waits for: the sweep, the relay and
// the command restore. It stands apart from package function so that the others link
// no clients that only these need.
package clock

import (
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/function"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/vault"
)

// Vault is the material, with writes held back to SECRET_WRITES_PER_SECOND.
func Vault(env *function.Environment) *vault.Vault {
	const fallback = 20 // of the 50 that a region has
	cfg := awsclient.Paced(awsclient.Config(env.Getenv, "secretsmanager"), max(1, env.Number("SECRET_WRITES_PER_SECOND", fallback)))
	return vault.New(secretsmanager.NewFromConfig(cfg), env.Required("SECRET_PREFIX"), env.Now)
}

// Keys changes keys at the clock's pace.
func Keys(env *function.Environment) *lifecycle.Service {
	return &lifecycle.Service{Rings: env.Store(), Vault: Vault(env), Now: env.Now, Random: env.Random, Log: env.Log}
}

// Publisher announces on the bus that BUS_NAME names.
func Publisher(env *function.Environment) *notices.Publisher {
	return notices.New(eventbridge.NewFromConfig(awsclient.Config(env.Getenv, "eventbridge")), env.Required("BUS_NAME"))
}

// DeadLetters is the queue that DEAD_LETTER_QUEUE_URL names.
func DeadLetters(env *function.Environment) *notices.DeadLetters {
	return notices.NewDeadLetters(sqs.NewFromConfig(awsclient.Config(env.Getenv, "sqs")), env.Required("DEAD_LETTER_QUEUE_URL"))
}
