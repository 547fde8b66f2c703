package storetest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/store/storetest"
)

func batch(sks ...string) map[string]types.KeysAndAttributes {
	asked := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, sk := range sks {
		asked.Keys = append(asked.Keys, key("a", sk))
	}
	return map[string]types.KeysAndAttributes{storetest.Table: asked}
}

func sortKeysOf(items []attributes) string {
	var sks []string
	for _, it := range items {
		sks = append(sks, it["sk"].(*types.AttributeValueMemberS).Value)
	}
	slices.Sort(sks)
	return strings.Join(sks, " ")
}

func TestBatchGetItemAnswersWhatDynamoDBDoes(t *testing.T) {
	engine := storetest.NewEngine()
	client := engine.Client()
	put(t, client, item("1", nil), item("2", nil), item("3", nil))
	for name, c := range map[string]struct {
		size        int
		asked       []string
		want        string
		unprocessed string
	}{
		"what is there":                    {0, []string{"1", "3"}, "1 3", ""},
		"what is not there is left out":    {0, []string{"4", "2", "5"}, "2", ""},
		"nothing is there":                 {0, []string{"4"}, "", ""},
		"as many as it processes":          {3, []string{"1", "2", "3"}, "1 2 3", ""},
		"more than it processes":           {2, []string{"1", "2", "3"}, "1 2", "3"},
		"what is not there counts as well": {1, []string{"4", "1", "2"}, "", "1 2"},
	} {
		t.Run(name, func(t *testing.T) {
			engine.SetBatchSize(c.size)
			out, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: batch(c.asked...)})
			if err != nil {
				t.Fatal(err)
			}
			left := out.UnprocessedKeys[storetest.Table]
			if got := sortKeysOf(out.Responses[storetest.Table]); got != c.want || sortKeysOf(left.Keys) != c.unprocessed {
				t.Errorf("%s, unprocessed: %s", got, sortKeysOf(left.Keys))
			}
			if (len(out.UnprocessedKeys) > 0) != (c.unprocessed != "") || c.unprocessed != "" && !aws.ToBool(left.ConsistentRead) {
				t.Errorf("unprocessed: %+v", out.UnprocessedKeys)
			}
		})
	}
}

// DynamoDB promises no order; what relies on the one that was asked in is wrong.
func TestABatchIsNotAnsweredInTheOrderOfItsKeys(t *testing.T) {
	client := storetest.NewEngine().Client()
	put(t, client, item("1", nil), item("2", nil))
	out, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: batch("1", "2")})
	if err != nil {
		t.Fatal(err)
	}
	if first := sortKeysOf(out.Responses[storetest.Table][:1]); first != "2" {
		t.Errorf("first comes %s", first)
	}
}

func TestAnInconsistentBatchIsStale(t *testing.T) {
	client := storetest.NewEngine().Client()
	put(t, client, item("1", nil))
	asked := batch("1")
	asked[storetest.Table] = types.KeysAndAttributes{Keys: asked[storetest.Table].Keys}
	out, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: asked})
	if err != nil || len(out.Responses[storetest.Table]) != 0 {
		t.Errorf("%v, %s", err, sortKeysOf(out.Responses[storetest.Table]))
	}
}

func TestABatchThatTheProductDoesNotAskIsRefused(t *testing.T) {
	client := storetest.NewEngine().Client()
	hundred := make([]string, 100)
	for i := range hundred {
		hundred[i] = fmt.Sprint(i)
	}
	with := func(change func(*types.KeysAndAttributes)) map[string]types.KeysAndAttributes {
		asked := batch("1")[storetest.Table]
		change(&asked)
		return map[string]types.KeysAndAttributes{storetest.Table: asked}
	}
	for name, asked := range map[string]map[string]types.KeysAndAttributes{
		"of nothing":         batch(),
		"of 101 keys":        batch(append(hundred, "100")...),
		"of one key twice":   batch("1", "2", "1"),
		"of another table":   {"other": batch("1")[storetest.Table]},
		"of two tables":      {"other": batch("1")[storetest.Table], storetest.Table: batch("1")[storetest.Table]},
		"of half a key":      with(func(k *types.KeysAndAttributes) { delete(k.Keys[0], "sk") }),
		"of some attributes": with(func(k *types.KeysAndAttributes) { k.ProjectionExpression = aws.String("pk") }),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: asked}); err == nil {
				t.Error("answered")
			}
		})
	}
	if _, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: batch(hundred...)}); err != nil {
		t.Errorf("100 keys: %v", err)
	}
}
