package storetest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/store/storetest"
)

type attributes = map[string]types.AttributeValue

func key(pk, sk string) attributes {
	return attributes{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}}
}

// threeItems is a client of a table with EVENT#1 to EVENT#3 and their neighbours.
func threeItems(t *testing.T) *dynamodb.Client {
	t.Helper()
	client := storetest.NewEngine().Client()
	put(t, client,
		key("a", "EVENT#1"), key("a", "EVENT#3"), key("a", "EVENT#2"),
		key("a", "DUE#1"), key("a", "EVENT#4"), key("a", "RING"), key("A", "EVENT#2"), key("aa", "EVENT#2"), key("b", "EVENT#2"))
	return client
}

func query(change func(*dynamodb.QueryInput)) *dynamodb.QueryInput {
	input := &dynamodb.QueryInput{
		TableName:              aws.String(storetest.Table),
		KeyConditionExpression: aws.String("pk = :p AND sk BETWEEN :a AND :b"),
		ExpressionAttributeValues: attributes{
			":p": &types.AttributeValueMemberS{Value: "a"},
			":a": &types.AttributeValueMemberS{Value: "EVENT#0"},
			":b": &types.AttributeValueMemberS{Value: "EVENT#3"},
		},
		ScanIndexForward: aws.Bool(false), ConsistentRead: aws.Bool(true), Limit: aws.Int32(10),
	}
	change(input)
	return input
}

func forwards(q *dynamodb.QueryInput) { q.ScanIndexForward = aws.Bool(true) }

func setBounds(q *dynamodb.QueryInput, first, last string) {
	q.ExpressionAttributeValues[":a"] = &types.AttributeValueMemberS{Value: first}
	q.ExpressionAttributeValues[":b"] = &types.AttributeValueMemberS{Value: last}
}

func all(changes ...func(*dynamodb.QueryInput)) func(*dynamodb.QueryInput) {
	return func(q *dynamodb.QueryInput) {
		for _, change := range changes {
			change(q)
		}
	}
}

func TestQueryAnswersWhatDynamoDBDoes(t *testing.T) {
	client := threeItems(t)
	for name, test := range map[string]struct {
		change func(*dynamodb.QueryInput)
		want   string // the last characters of the sort keys
		more   bool
	}{
		"all":                       {func(*dynamodb.QueryInput) {}, "321", false},
		"fewer":                     {func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(2) }, "32", true},
		"as many as there are":      {func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(3) }, "321", true},
		"after one":                 {func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "EVENT#3") }, "21", false},
		"after one that is missing": {func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "EVENT#25") }, "21", false},
		"after the last":            {func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "EVENT#1") }, "", false},
		"forwards":                  {forwards, "123", false},
		"in no direction: forwards": {func(q *dynamodb.QueryInput) { q.ScanIndexForward = nil }, "123", false},
		"forwards, fewer":           {all(forwards, func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(2) }), "12", true},
		"forwards, as many as are":  {all(forwards, func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(3) }), "123", true},
		"forwards, after one":       {all(forwards, func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "EVENT#1") }), "23", false},
		"forwards, after one that is missing": {
			all(forwards, func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "EVENT#15") }), "23", false,
		},
		"forwards, after the last":                                   {all(forwards, func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "EVENT#3") }), "", false},
		"without a limit":                                            {func(q *dynamodb.QueryInput) { q.Limit = nil }, "321", false},
		"forwards, without a limit":                                  {all(forwards, func(q *dynamodb.QueryInput) { q.Limit = nil }), "123", false},
		"between what is not there":                                  {func(q *dynamodb.QueryInput) { setBounds(q, "F", "G") }, "", false},
		"between an item and itself":                                 {func(q *dynamodb.QueryInput) { setBounds(q, "EVENT#2", "EVENT#2") }, "2", false},
		"without consistency: what was there before the last change": {func(q *dynamodb.QueryInput) { q.ConsistentRead = nil }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := client.Query(t.Context(), query(test.change))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, item := range out.Items {
				sk := item["sk"].(*types.AttributeValueMemberS).Value
				got += sk[len(sk)-1:]
			}
			if got != test.want || (out.LastEvaluatedKey != nil) != test.more || int(out.Count) != len(test.want) {
				t.Errorf("%q, %d items, last key %v", got, out.Count, out.LastEvaluatedKey)
			}
		})
	}
}

func TestQueryThatTheProductDoesNotAskIsRefused(t *testing.T) {
	client := threeItems(t)
	for name, change := range map[string]func(*dynamodb.QueryInput){
		"of nothing":         func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(0) },
		"filtered":           func(q *dynamodb.QueryInput) { q.FilterExpression = aws.String("expiresAt > :a") },
		"on an index":        func(q *dynamodb.QueryInput) { q.IndexName = aws.String("byAccount") },
		"of some attributes": func(q *dynamodb.QueryInput) { q.ProjectionExpression = aws.String("pk") },
		"of another table":   func(q *dynamodb.QueryInput) { q.TableName = aws.String("other") },
		"counting only":      func(q *dynamodb.QueryInput) { q.Select = types.SelectCount },
		"of a whole partition": func(q *dynamodb.QueryInput) {
			q.KeyConditionExpression = aws.String("pk = :p")
			delete(q.ExpressionAttributeValues, ":a")
			delete(q.ExpressionAttributeValues, ":b")
		},
		"by a beginning":        func(q *dynamodb.QueryInput) { q.KeyConditionExpression = aws.String("pk = :p AND begins_with(sk, :a)") },
		"with a value too few":  func(q *dynamodb.QueryInput) { delete(q.ExpressionAttributeValues, ":b") },
		"with a value too many": func(q *dynamodb.QueryInput) { q.ExpressionAttributeValues[":c"] = q.ExpressionAttributeValues[":a"] },
		"bounds in wrong order": func(q *dynamodb.QueryInput) {
			q.ExpressionAttributeValues[":a"] = &types.AttributeValueMemberS{Value: "EVENT#4"}
		},
		"bound is a number": func(q *dynamodb.QueryInput) {
			q.ExpressionAttributeValues[":b"] = &types.AttributeValueMemberN{Value: "3"}
		},
		"after another's":                 func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("b", "EVENT#2") },
		"after what is outside":           func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "EVENT#4") },
		"forwards, after what is outside": all(forwards, func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "DUE#1") }),
		"after what is no key":            func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = key("a", "") },
		"after half of a key":             func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = attributes{"pk": key("a", "")["pk"]} },
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := client.Query(t.Context(), query(change)); err == nil {
				t.Errorf("answered with %d items", out.Count)
			}
		})
	}
}
