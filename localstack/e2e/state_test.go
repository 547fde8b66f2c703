package e2e

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// What the store promises holds on the deployed table too.
func TestStoreOnTheDeployedTable(t *testing.T) {
	client := dynamodb.NewFromConfig(awsclient.Config(cloud().Getenv, "dynamodb"))
	storetest.Suite(t, func(_ *testing.T, now func() time.Time) *store.Store {
		return store.New(client, stack["TABLE_NAME"], now, rand.Reader)
	})
}

func secrets() *secretsmanager.Client {
	return secretsmanager.NewFromConfig(awsclient.Config(cloud().Getenv, "secretsmanager"))
}

// checkSecret checks that AWSCURRENT of the owner's secret is the credential
// that authorizes jobs.
func checkSecret(t *testing.T, owner, runner *user) string {
	t.Helper()
	decision := runner.call("POST", "/v1/job-authorizations", jobRequest(map[string]any{
		"owner": map[string]string{"accountId": owner.owner.AccountID, "iamId": owner.owner.IAMID},
	})).want(t, 200)
	value, err := secrets().GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &decision.Secret.ARN})
	if err != nil {
		t.Fatal(err)
	}
	if *value.VersionId != decision.Secret.VersionID || !runner.authorize(*value.SecretString).Allowed {
		t.Error("AWSCURRENT is not the Active key's credential")
	}
	return decision.Secret.ARN
}

func TestConsumersOfTheSecretGetTheActiveKey(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	ada.create().want(t, 201)
	arn := checkSecret(t, ada, runner)
	ada.rotate().want(t, 201)
	if again := checkSecret(t, ada, runner); again != arn {
		t.Errorf("the rotation moved the secret from %s to %s", arn, again)
	}
	ada.deleteAll().want(t, 200)
	if exists(t, arn) {
		t.Error("the secret of the deleted keys is there")
	}
}

// exists tells whether there is a secret.
func exists(t *testing.T, arn string) bool {
	t.Helper()
	_, err := secrets().GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	_, gone := errors.AsType[*types.ResourceNotFoundException](err)
	if err != nil && !gone {
		t.Fatal(err)
	}
	return !gone
}

// Cold starts and deployments pay for size: every function's zip is at most
// 5 MiB.
func TestFunctionsAreSmall(t *testing.T) {
	const most = 5 << 20
	for name, function := range stack {
		if !strings.HasSuffix(name, "_FUNCTION") {
			continue
		}
		size := configurationOf(t, function).CodeSize
		t.Logf("%s: %d KiB", function, size>>10)
		if size == 0 || size > most {
			t.Errorf("the zip of %s has %d bytes", function, size)
		}
	}
}

func TestQuestionsOnTheEmulator(t *testing.T) {
	client := dynamodb.NewFromConfig(awsclient.Config(cloud().Getenv, "dynamodb"))
	storetest.Questions(t, storetest.MiniStack, client, stack["TABLE_NAME"])
}

// The emulator never answers with a conflict of transactions, however many meet.
func TestTransactionsNeverConflictOnTheEmulator(t *testing.T) {
	client := dynamodb.NewFromConfig(awsclient.Config(cloud().Getenv, "dynamodb"))
	if answers := storetest.Meeting(t, client, stack["TABLE_NAME"]); !slices.Equal(answers, []string{"written"}) {
		t.Errorf("transactions that met were answered with %q", answers)
	}
}
