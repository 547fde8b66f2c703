package dynamodblocal

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/pb33f/go-yaml"

	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
)

// engine is the way to DynamoDB Local.
var engine *wire

// endpoint is where it listens.
var endpoint string

func TestMain(m *testing.M) {
	endpoint = os.Getenv("DYNAMODB_LOCAL")
	if endpoint == "" {
		fmt.Println("tests on DynamoDB Local NOT run: DYNAMODB_LOCAL names no engine; make test starts one")
		return
	}
	where, err := url.Parse(endpoint)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests on DynamoDB Local cannot run:", err)
		os.Exit(1)
	}
	engine = &wire{address: where.Host}
	os.Exit(m.Run())
}

func client() *dynamodb.Client {
	return dynamodb.NewFromConfig(awsclient.ConfigOn(engine, getenv, "dynamodb"))
}

func getenv(name string) string {
	if name == "AWS_ENDPOINT_URL" {
		return endpoint
	}
	return awstest.Getenv(name)
}

// newTable makes a table for one test: in another's, walks through an index would
// meet thousands of strange rings. It is the one that template.yaml describes, but
// for its stream: nothing here reads that, and with it a write takes the longer
// the more there were.
func newTable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources struct {
			Table struct {
				Properties struct {
					BillingMode            any `yaml:"BillingMode"`
					AttributeDefinitions   any `yaml:"AttributeDefinitions"`
					KeySchema              any `yaml:"KeySchema"`
					GlobalSecondaryIndexes any `yaml:"GlobalSecondaryIndexes"`
				} `yaml:"Properties"`
			} `yaml:"Table"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	properties, err := json.Marshal(template.Resources.Table.Properties)
	if err != nil {
		t.Fatal(err)
	}
	// The template's names are the API's.
	input := dynamodb.CreateTableInput{TableName: new(storetest.Table + "-" + rand.Text())}
	if err := json.Unmarshal(properties, &input); err != nil {
		t.Fatal(err)
	}
	if _, err := client().CreateTable(t.Context(), &input); err != nil {
		t.Fatal(err)
	}
	return *input.TableName
}
