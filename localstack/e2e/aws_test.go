package e2e

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/awsclient"
)

// callAWS sends a signed request to the emulator.
func callAWS(t *testing.T, service, method, path, contentType, body string) (http.Header, []byte) {
	t.Helper()
	header := http.Header{"Content-Type": {contentType}}
	answered, content, err := cloud().Send(t.Context(), service, method, path, header, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return answered, content
}

const functionsPath = "/2015-03-31/functions/"

// configuration is what the emulator says of a deployed function.
type configuration struct {
	CodeSize int
	Role     string
}

func configurationOf(t *testing.T, function string) configuration {
	t.Helper()
	_, content := callAWS(t, "lambda", http.MethodGet, functionsPath+function, "application/json", "")
	var answer struct{ Configuration configuration }
	if err := json.Unmarshal(content, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Configuration
}

// Every other test shows that each function's role suffices. This one shows
// that the emulator would have refused more.
func TestRolesAreEnforced(t *testing.T) {
	form := url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"},
		"RoleArn": {configurationOf(t, stack["VIEW_FUNCTION"]).Role}, "RoleSessionName": {"end-to-end"},
	}
	_, content := callAWS(t, "sts", http.MethodPost, "/", "application/x-www-form-urlencoded", form.Encode())
	var assumed struct {
		AccessKeyID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		SecretAccessKey string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		SessionToken    string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	if err := xml.Unmarshal(content, &assumed); err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(awsclient.Config(func(name string) string {
		switch name {
		case "AWS_ACCESS_KEY_ID":
			return assumed.AccessKeyID
		case "AWS_SECRET_ACCESS_KEY":
			return assumed.SecretAccessKey
		case "AWS_SESSION_TOKEN":
			return assumed.SessionToken
		}
		return cloud().Getenv(name)
	}, "dynamodb"))
	key := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "OWNER#nobody"}, "sk": &types.AttributeValueMemberS{Value: "RING"},
	}
	table := stack["TABLE_NAME"]
	if _, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{table: {Keys: []map[string]types.AttributeValue{key}}},
	}); err != nil {
		t.Errorf("view may not read: %v", err)
	}
	_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: &table, Item: key}},
	}})
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("view may write: %v", err)
	}
}
