package vaulttest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/vault/vaulttest"
)

func list(change func(*secretsmanager.ListSecretsInput)) *secretsmanager.ListSecretsInput {
	input := &secretsmanager.ListSecretsInput{
		MaxResults: aws.Int32(100), SortOrder: types.SortOrderTypeAsc,
		Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{"keys/"}}},
	}
	change(input)
	return input
}

// secrets makes secrets of those names.
func secrets(t *testing.T, engine *vaulttest.Engine, names ...string) *secretsmanager.Client {
	t.Helper()
	client := engine.Client()
	for _, name := range names {
		input := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x"), ClientRequestToken: aws.String("token of " + name + ", long enough to be one")}
		if _, err := client.CreateSecret(t.Context(), input); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

func forget(t *testing.T, client *secretsmanager.Client, name string) {
	t.Helper()
	_, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
}

func TestListIsOfTheBeginningOfAName(t *testing.T) {
	client := secrets(t, vaulttest.NewEngine(), "keys/b", "other/keys/x", "keys/a", "keys", "Keys/c", "keys/gone", "keysmith/a")
	forget(t, client, "keys/gone")
	out, err := client.ListSecrets(t.Context(), list(func(*secretsmanager.ListSecretsInput) {}))
	if err != nil || out.NextToken != nil {
		t.Fatal(err, out.NextToken)
	}
	var names []string
	for _, s := range out.SecretList {
		names = append(names, *s.Name)
		if described, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: s.ARN}); err != nil || *described.Name != *s.Name {
			t.Errorf("%s is listed with the ARN %s: %v", *s.Name, *s.ARN, err)
		}
	}
	if diff := cmp.Diff([]string{"keys/b", "keys/a"}, names); diff != "" {
		t.Error(diff)
	}
}

// A page has as many as are asked for, or fewer, or none, while there are more.
func TestPagesOfTheListMissAndRepeatNothingWhileSecretsComeAndGo(t *testing.T) {
	for _, size := range []int{1, 2, 3, 100} {
		t.Run(fmt.Sprint(size, " at a time"), func(t *testing.T) {
			engine := vaulttest.NewEngine()
			engine.SetPageSize(size)
			client := secrets(t, engine, "keys/1", "other/1", "other/2", "keys/2", "keys/3", "other/3", "keys/4")
			var names []string
			var token *string
			for page := 0; page == 0 || token != nil; page++ {
				out, err := client.ListSecrets(t.Context(), list(func(l *secretsmanager.ListSecretsInput) { l.NextToken = token; l.MaxResults = aws.Int32(3) }))
				if err != nil {
					t.Fatal(err)
				}
				if len(out.SecretList) > size {
					t.Errorf("%d in a page", len(out.SecretList))
				}
				for _, s := range out.SecretList {
					names = append(names, *s.Name)
				}
				if token = out.NextToken; page == 0 {
					forget(t, client, "keys/1")
					secrets(t, engine, "keys/5")
				}
			}
			if !slices.Equal(names, []string{"keys/1", "keys/2", "keys/3", "keys/4", "keys/5"}) {
				t.Errorf("listed %v", names)
			}
		})
	}
}

func TestAListThatTheProductDoesNotAskIsRefused(t *testing.T) {
	client := secrets(t, vaulttest.NewEngine(), "keys/1")
	for name, change := range map[string]func(*secretsmanager.ListSecretsInput){
		"of everything": func(l *secretsmanager.ListSecretsInput) { l.Filters = nil },
		"by a tag":      func(l *secretsmanager.ListSecretsInput) { l.Filters[0].Key = types.FilterNameStringTypeTagKey },
		"by several names": func(l *secretsmanager.ListSecretsInput) {
			l.Filters[0].Values = append(l.Filters[0].Values, "other/")
		},
		"the newest first":  func(l *secretsmanager.ListSecretsInput) { l.SortOrder = types.SortOrderTypeDesc },
		"101 at a time":     func(l *secretsmanager.ListSecretsInput) { l.MaxResults = aws.Int32(101) },
		"from a wrong page": func(l *secretsmanager.ListSecretsInput) { l.NextToken = aws.String("page 2") },
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := client.ListSecrets(t.Context(), list(change)); err == nil {
				t.Errorf("answered with %d", len(out.SecretList))
			}
		})
	}
}
