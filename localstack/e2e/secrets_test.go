package e2e

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/shared/store/storetest"
)

// How the emulator's Secrets Manager is not AWS's; docs/divergences.md tells what
// follows. A new version that does as AWS does is a reason to change both.
func TestSecretsOnTheEmulatorDifferAsDocumented(t *testing.T) {
	client, ctx := secrets(), t.Context()
	name := "user-api-key/divergences/" + storetest.NewOwner(t).Locator().String()
	tokens := []string{
		"11111111-1111-7111-8111-111111111111", "22222222-2222-7222-8222-222222222222",
		"33333333-3333-7333-8333-333333333333", "44444444-4444-7444-8444-444444444444",
	}
	created, err := client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, ClientRequestToken: &tokens[0], SecretString: new("first")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, _ = client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: new(true)})
	}()
	put := func(token, value string) string {
		t.Helper()
		out, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
			SecretId: &name, ClientRequestToken: &token, SecretString: &value, VersionStages: []string{token},
		})
		if err != nil {
			t.Fatal(err)
		}
		return *out.VersionId
	}
	if *created.VersionId == tokens[0] {
		t.Error("a secret's first version has the id that was sent as its token, as on AWS")
	}
	for _, token := range tokens[1:] {
		if id := put(token, "next"); id != token {
			t.Errorf("a later version has the id %s, and not its token's", id)
		}
	}
	// AWS refuses another value for a token that was used.
	put(tokens[1], "another")
	read, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionId: &tokens[1]})
	if err != nil || *read.SecretString != "another" {
		t.Errorf("a version whose token is used again: %v", err)
	}
}
