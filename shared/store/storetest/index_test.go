package storetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/store/storetest"
)

// ring is an item that both indexes have.
func ring(sk, account, iamID, class string, dueAt int) attributes {
	return item(sk, attributes{
		"accountOfRing": textOf(account), "iamId": textOf(iamID), "due": textOf(class), "dueAt": numberOf(dueAt), "more": textOf("x"),
	})
}

// fiveRings is a table whose indexes have caught up.
func fiveRings(t *testing.T) (*storetest.Engine, *dynamodb.Client) {
	t.Helper()
	engine := storetest.NewEngine()
	client := engine.Client()
	put(t, client,
		ring("1", "A", "ab", "OWN", 30), ring("2", "A", "a", "OWN", -5), ring("3", "A", "b", "DEFAULT", 1), ring("4", "B", "a", "OWN", 200),
		ring("5", "A", "c", "OWN", 30),
		item("6", attributes{"accountOfRing": textOf("A")}), item("7", attributes{"dueAt": numberOf(3)}), item("8", nil))
	engine.CatchUp()
	return engine, client
}

func byDue(until int) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: table, IndexName: aws.String("ByDue"), KeyConditionExpression: aws.String("due = :c AND dueAt <= :u"),
		ExpressionAttributeValues: attributes{":c": textOf("OWN"), ":u": numberOf(until)},
	}
}

func byAccount(after string) *dynamodb.QueryInput {
	q := &dynamodb.QueryInput{
		TableName: table, IndexName: aws.String("ByAccount"), KeyConditionExpression: aws.String("accountOfRing = :a"),
		ExpressionAttributeValues: attributes{":a": textOf("A")},
	}
	if after != "" {
		q.KeyConditionExpression = aws.String("accountOfRing = :a AND iamId > :i")
		q.ExpressionAttributeValues[":i"] = textOf(after)
	}
	return q
}

func behind(q *dynamodb.QueryInput, start attributes) *dynamodb.QueryInput {
	q.ExclusiveStartKey = start
	return q
}

func atMost(q *dynamodb.QueryInput, n int32) *dynamodb.QueryInput {
	q.Limit = &n
	return q
}

// placed is a place in the index of due rings.
func placed(sk, class string, dueAt int) attributes {
	return item(sk, attributes{"due": textOf(class), "dueAt": numberOf(dueAt)})
}

func inOrder(items []attributes) string {
	var sks []string
	for _, it := range items {
		sks = append(sks, it["sk"].(*types.AttributeValueMemberS).Value)
	}
	return strings.Join(sks, "")
}

func TestQueryOfAnIndexAnswersWhatDynamoDBDoes(t *testing.T) {
	_, client := fiveRings(t)
	for name, c := range map[string]struct {
		query *dynamodb.QueryInput
		want  string
		more  bool
	}{
		"what is due, the earliest first":     {byDue(200), "2154", false},
		"what is due at that instant":         {byDue(30), "215", false},
		"what is not due yet":                 {byDue(29), "2", false},
		"nothing":                             {byDue(-6), "", false},
		"fewer":                               {atMost(byDue(200), 2), "21", true},
		"as many as there are":                {atMost(byDue(200), 4), "2154", true},
		"behind one":                          {behind(byDue(200), placed("2", "OWN", -5)), "154", false},
		"behind one of several at an instant": {behind(byDue(200), placed("1", "OWN", 30)), "54", false},
		"behind one that is gone":             {behind(byDue(200), placed("0", "OWN", 7)), "154", false},
		"behind the last":                     {behind(byDue(200), placed("4", "OWN", 200)), "", false},
		"an account":                          {byAccount(""), "2135", false},
		"an account, behind an id":            {byAccount("a"), "135", false},
		"an account, behind a longer id":      {byAccount("ab"), "35", false},
		"an account, behind what is not":      {byAccount("aaa"), "135", false},
		"an account, behind the last":         {byAccount("c"), "", false},
		"an account, fewer behind an id":      {atMost(byAccount("a"), 2), "13", true},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := client.Query(t.Context(), c.query)
			if err != nil {
				t.Fatal(err)
			}
			if got := inOrder(out.Items); got != c.want || (out.LastEvaluatedKey != nil) != c.more || int(out.Count) != len(c.want) {
				t.Errorf("%q, %d items, last key %v", got, out.Count, out.LastEvaluatedKey)
			}
		})
	}
}

// An index has the keys of the table and its own, and so has a place in it.
func TestAnIndexHasKeysOnly(t *testing.T) {
	_, client := fiveRings(t)
	out, err := client.Query(t.Context(), atMost(byDue(200), 1))
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]attributes{"an item": out.Items[0], "a place": out.LastEvaluatedKey} {
		var names []string
		for _, name := range []string{"pk", "sk", "due", "dueAt"} {
			if got[name] != nil {
				names = append(names, name)
			}
		}
		if len(names) != 4 || len(got) != 4 {
			t.Errorf("%s is %v", what, got)
		}
	}
	next, err := client.Query(t.Context(), behind(byDue(200), out.LastEvaluatedKey))
	if err != nil || inOrder(next.Items) != "154" {
		t.Errorf("behind it: %s, %v", inOrder(next.Items), err)
	}
}

// The first question after a change is answered as if there had been none.
func TestAnIndexLagsByOneQuestion(t *testing.T) {
	_, client := fiveRings(t)
	due := func() string {
		out, err := client.Query(t.Context(), byDue(1000))
		if err != nil {
			t.Fatal(err)
		}
		return inOrder(out.Items)
	}
	put(t, client, ring("1", "A", "ab", "DEFAULT", 30), ring("2", "A", "a", "OWN", 31), item("4", nil), ring("9", "A", "z", "OWN", 1))
	if _, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: table, Key: key("a", "5")}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2154", "92", "92"}, []string{due(), due(), due()}); diff != "" {
		t.Error(diff)
	}
	// The indexes lag each by itself.
	out, err := client.Query(t.Context(), byAccount(""))
	if err != nil || inOrder(out.Items) != "2135" {
		t.Errorf("the account's: %s, %v", inOrder(out.Items), err)
	}
}

func TestAnIndexCatchesUpWhenItIsTold(t *testing.T) {
	engine, client := fiveRings(t)
	put(t, client, ring("9", "A", "z", "OWN", 1))
	engine.CatchUp()
	out, err := client.Query(t.Context(), byDue(30))
	if err != nil || inOrder(out.Items) != "2915" {
		t.Errorf("%s, %v", inOrder(out.Items), err)
	}
}

func TestQueryOfAnIndexThatDynamoDBRefuses(t *testing.T) {
	_, client := fiveRings(t)
	with := func(change func(*dynamodb.QueryInput)) *dynamodb.QueryInput {
		q := byDue(200)
		change(q)
		return q
	}
	for name, q := range map[string]*dynamodb.QueryInput{
		"consistent":       with(func(q *dynamodb.QueryInput) { q.ConsistentRead = aws.Bool(true) }),
		"of no such index": with(func(q *dynamodb.QueryInput) { q.IndexName = aws.String("ByUser") }),
		"of another table": with(func(q *dynamodb.QueryInput) { q.TableName = aws.String("other") }),
		"backwards":        with(func(q *dynamodb.QueryInput) { q.ScanIndexForward = aws.Bool(false) }),
		"of nothing":       with(func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(0) }),
		"filtered":         with(func(q *dynamodb.QueryInput) { q.FilterExpression = aws.String("dueAt > :u") }),
		"by another index's key": with(func(q *dynamodb.QueryInput) {
			q.KeyConditionExpression = aws.String("accountOfRing = :c AND dueAt <= :u")
		}),
		"by another's second key":   with(func(q *dynamodb.QueryInput) { q.KeyConditionExpression = aws.String("due = :c AND iamId <= :u") }),
		"by another comparison":     with(func(q *dynamodb.QueryInput) { q.KeyConditionExpression = aws.String("due = :c AND dueAt < :u") }),
		"with a value too many":     with(func(q *dynamodb.QueryInput) { q.ExpressionAttributeValues[":x"] = textOf("x") }),
		"with a value too few":      with(func(q *dynamodb.QueryInput) { delete(q.ExpressionAttributeValues, ":u") }),
		"until a text":              with(func(q *dynamodb.QueryInput) { q.ExpressionAttributeValues[":u"] = textOf("200") }),
		"of a class that is none":   with(func(q *dynamodb.QueryInput) { q.ExpressionAttributeValues[":c"] = numberOf(1) }),
		"behind a key of the table": behind(byDue(200), key("a", "2")),
		"behind another class":      behind(byDue(200), placed("3", "DEFAULT", 1)),
		"behind a place of a text":  behind(byDue(200), item("2", attributes{"due": textOf("OWN"), "dueAt": textOf("5")})),
		"behind more than a place":  behind(byDue(200), ring("2", "A", "a", "OWN", -5)),
		"behind half a place":       behind(byDue(200), attributes{"pk": textOf("a"), "due": textOf("OWN"), "dueAt": numberOf(5)}),
		"behind a place outside":    behind(byDue(29), placed("1", "OWN", 30)),
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := client.Query(t.Context(), q); err == nil {
				t.Errorf("answered with %s", inOrder(out.Items))
			}
		})
	}
}

// What an index could not have is not written, in whatever way.
func TestAWriteOfWhatNoIndexCouldHaveIsRefused(t *testing.T) {
	for name, more := range map[string]attributes{
		"an instant that is a text":   {"due": textOf("OWN"), "dueAt": textOf("2026-11-03T12:00:00Z")},
		"an instant by itself, text":  {"dueAt": textOf("2026-11-03T12:00:00Z")},
		"a class that is a number":    {"due": numberOf(1), "dueAt": numberOf(1)},
		"a class that is empty":       {"due": textOf(""), "dueAt": numberOf(1)},
		"an account that is a number": {"accountOfRing": numberOf(1), "iamId": textOf("a")},
		"an account that is empty":    {"accountOfRing": textOf(""), "iamId": textOf("a")},
		"an id that is a number":      {"accountOfRing": textOf("A"), "iamId": numberOf(1)},
		"an id over 1 KB":             {"iamId": textOf(strings.Repeat("x", 1025))},
	} {
		t.Run(name, func(t *testing.T) {
			engine := storetest.NewEngine()
			client := engine.Client()
			_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: item("1", more)})
			if err == nil {
				t.Error("put")
			}
			_, err = client.TransactWriteItems(t.Context(), write(types.TransactWriteItem{Put: &types.Put{TableName: table, Item: item("1", more)}}))
			if err == nil {
				t.Error("put in a transaction")
			}
			update := &dynamodb.UpdateItemInput{TableName: table, Key: key("a", "1"), ExpressionAttributeValues: attributes{}}
			var sets []string
			for attribute, value := range more {
				placeholder := fmt.Sprint(":v", len(sets))
				sets = append(sets, attribute+" = "+placeholder)
				update.ExpressionAttributeValues[placeholder] = value
			}
			update.UpdateExpression = aws.String("SET " + strings.Join(sets, ", "))
			if _, err := client.UpdateItem(t.Context(), update); err == nil {
				t.Error("updated")
			}
			if len(engine.Items()) != 0 {
				t.Errorf("there is %s", engine.Items())
			}
		})
	}
}
