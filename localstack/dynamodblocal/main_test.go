package dynamodblocal

import (
	"context"
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

// table is the name of this run's own table.
var table = storetest.Table + "-" + rand.Text()

func TestMain(m *testing.M) {
	endpoint = os.Getenv("DYNAMODB_LOCAL")
	if endpoint == "" {
		fmt.Println("tests on DynamoDB Local NOT run: DYNAMODB_LOCAL names no engine; make test starts one")
		return
	}
	where, err := url.Parse(endpoint)
	if err == nil {
		engine = &wire{address: where.Host}
		err = createTable(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests on DynamoDB Local cannot run:", err)
		os.Exit(1)
	}
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

// createTable makes the table that template.yaml describes, without its stream:
// nothing here reads that, and with it a write takes the longer the more there
// were.
func createTable(ctx context.Context) error {
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		return err
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
		return err
	}
	properties, err := json.Marshal(template.Resources.Table.Properties)
	if err != nil {
		return err
	}
	// The template's names are the API's.
	input := dynamodb.CreateTableInput{TableName: &table}
	if err := json.Unmarshal(properties, &input); err != nil {
		return err
	}
	_, err = client().CreateTable(ctx, &input)
	return err
}
