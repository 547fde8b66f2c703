package storetest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const refused = "ValidationException"

// onRecord are about what the product does, and what it must be stopped from.
var onRecord = []question{
	{name: "a read that asks for no consistency, after two writes", aws: "the older or the newer",
		differs: map[string]string{InMemory: "the older", DynamoDBLocal: "the newer", MiniStack: "the newer"}, ask: staleRead},
	{name: "an index, just after a write", aws: "with it or without it",
		differs: map[string]string{InMemory: "without it", DynamoDBLocal: "with it", MiniStack: "with it"}, ask: freshIndex},
	{name: "a batch with a key twice", aws: refused, ask: batchTwice},
	{name: "a transaction of 101 actions", aws: refused, ask: func(a *asker) string { return a.many(101) }},
	{name: "a transaction of 100 actions", aws: "written", ask: func(a *asker) string { return a.many(100) }},
	{name: "a transaction of items over 4 MB", aws: refused, ask: hugeTransaction},
	{name: "a transaction with an item twice", aws: refused, ask: func(a *asker) string {
		return a.write("", a.item("1", "", nil), a.item("1", "", nil))
	}},
	{name: "a transaction that is sent again with its token", aws: "written, and not again", ask: tokenAgain},
	{name: "a token that another transaction had", aws: "IdempotentParameterMismatchException", ask: func(a *asker) string {
		token := a.partition[len(a.partition)-32:]
		return strings.TrimPrefix(a.write(token, a.item("1", "", nil))+" "+a.write(token, a.item("2", "", nil)), "written ")
	}},
	{name: "a transaction with a condition that does not hold", aws: "cancelled: None ConditionalCheckFailed; nothing is written", ask: cancelledTransaction},
	{name: "a transaction that checks an item, which is as it should be", aws: "written; 3 attributes", ask: func(a *asker) string {
		return a.checked("attribute_exists(pk)", "2") + "; " + a.read("1", true)
	}},
	{name: "a transaction that checks an item, which is not", aws: "cancelled: ConditionalCheckFailed None; 0 attributes", ask: func(a *asker) string {
		return a.checked("attribute_not_exists(pk)", "2") + "; " + a.read("2", true)
	}},
	{name: "a transaction that checks the item that it puts", aws: refused, ask: func(a *asker) string {
		return a.checked("attribute_exists(pk)", "1")
	}},
	{name: "a condition that does not hold, the item wanted back", aws: "refused, and 3 attributes are there", ask: func(a *asker) string {
		a.put(a.item("1", "lease", decimal("5")))
		return a.putIf("lease < :n", sdkItem{":n": decimal("5")})
	}},
	{name: "a condition on an attribute of another type", aws: "refused, and 3 attributes are there", ask: func(a *asker) string {
		a.put(a.item("1", "lease", text("5")))
		return a.putIf("lease < :n", sdkItem{":n": decimal("9")})
	}},
	{name: "a value that no expression uses", aws: refused, ask: func(a *asker) string {
		return a.putIf("attribute_not_exists(pk)", sdkItem{":n": decimal("5")})
	}},
	{name: "a reserved word as the name of an attribute", aws: refused, ask: func(a *asker) string {
		return a.putIf("owner = :n", sdkItem{":n": decimal("5")})
	}},
	{name: "an item over 400 KB", aws: refused, ask: func(a *asker) string {
		return a.put(a.item("1", "more", text(strings.Repeat("x", 400<<10))))
	}},
	{name: "a sort key over 1 KB", aws: refused, ask: func(a *asker) string { return a.put(a.item(strings.Repeat("x", 1025), "", nil)) }},
	{name: "a sort key that is empty", aws: refused, ask: func(a *asker) string { return a.put(a.item("", "", nil)) }},
	{name: "an index's key of another type", aws: refused, ask: func(a *asker) string {
		return a.put(a.item("1", "dueAt", text("2026-11-24")))
	}},
	{name: "an index's key that is empty", aws: refused, ask: func(a *asker) string { return a.put(a.item("1", "iamId", text(""))) }},
	{name: "an index, asked for consistency", aws: refused, ask: func(a *asker) string {
		return a.query(func(q *dynamodb.QueryInput) { ofIndex(q); q.ConsistentRead = aws.Bool(true) })
	}},
	{name: "a query for nothing (a limit of 0)", aws: refused, ask: func(a *asker) string {
		return a.query(func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(0) })
	}},
	{name: "a page that ends with the last item", aws: "1 2 and more", ask: lastPage},
	{name: "a query from behind another partition's item", aws: refused, ask: func(a *asker) string {
		return a.query(func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = sdkItem{"pk": text("another"), "sk": text("1")} })
	}},
	{name: "a query from behind an item outside its bounds", aws: refused, ask: func(a *asker) string {
		return a.query(func(q *dynamodb.QueryInput) { q.ExclusiveStartKey = a.item("x", "", nil) })
	}},
	{name: "a query with its bounds in the wrong order", aws: refused, ask: func(a *asker) string {
		return a.query(func(q *dynamodb.QueryInput) { q.ExpressionAttributeValues[":a"] = text("a") })
	}},
	{name: "an index, from behind a key of the table", aws: refused, ask: func(a *asker) string {
		return a.query(func(q *dynamodb.QueryInput) { ofIndex(q); q.ExclusiveStartKey = a.item("1", "", nil) })
	}},
	{name: "a page of items of 390 KB", aws: "1 2 3 and more", differs: map[string]string{MiniStack: "1 2 and more"}, ask: func(a *asker) string {
		for _, sk := range []string{"1", "2", "3", "4"} {
			a.put(a.item(sk, "more", text(strings.Repeat("x", 390<<10))))
		}
		return a.query(func(*dynamodb.QueryInput) {})
	}},
	{name: "a filter, which the product uses in a scan only", aws: "no item",
		differs: map[string]string{InMemory: refused}, ask: func(a *asker) string {
			return a.query(func(q *dynamodb.QueryInput) { q.FilterExpression = aws.String("attribute_exists(lease)") })
		}},
}

func staleRead(a *asker) string {
	for _, lease := range []string{"1", "2"} {
		if answer := a.put(a.item("1", "lease", decimal(lease))); answer != "written" {
			return answer
		}
	}
	return map[string]string{"1": "the older", "2": "the newer"}[a.read("1", false)]
}

func freshIndex(a *asker) string {
	a.put(a.ring("1", "a"))
	return map[string]string{"no item": "without it", "1": "with it"}[a.query(ofIndex)]
}

func batchTwice(a *asker) string {
	key := a.item("1", "", nil)
	_, err := a.client.BatchGetItem(a.ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{*a.table: {Keys: []sdkItem{key, key}}},
	})
	return answered("read", err)
}

func (a *asker) many(n int) string {
	items := make([]sdkItem, n)
	for i := range items {
		items[i] = a.item(fmt.Sprint(i), "", nil)
	}
	return a.write("", items...)
}

func hugeTransaction(a *asker) string {
	items := make([]sdkItem, 11)
	for i := range items {
		items[i] = a.item(fmt.Sprint(i), "more", text(strings.Repeat("x", 390<<10)))
	}
	return a.write("", items...)
}

func tokenAgain(a *asker) string {
	token := a.partition[len(a.partition)-32:]
	first := a.write(token, a.item("1", "lease", decimal("1")))
	a.put(a.item("1", "lease", decimal("2")))
	if again := a.write(token, a.item("1", "lease", decimal("1"))); again != first {
		return again
	}
	return first + map[string]string{"1": ", and again", "2": ", and not again"}[a.read("1", true)]
}

func cancelledTransaction(a *asker) string {
	missing := types.Put{TableName: a.table, Item: a.item("2", "", nil), ConditionExpression: aws.String("attribute_exists(pk)")}
	_, err := a.client.TransactWriteItems(a.ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: a.table, Item: a.item("1", "", nil)}}, {Put: &missing},
	}})
	left := map[string]string{"0 attributes": "nothing is written"}[a.read("1", true)]
	return answered("written", err) + "; " + left
}

// checked puts an item in a transaction that checks the item 1, which is there.
func (a *asker) checked(condition, sk string) string {
	a.put(a.item("1", "more", text("x")))
	check := types.ConditionCheck{TableName: a.table, Key: a.item("1", "", nil), ConditionExpression: &condition}
	_, err := a.client.TransactWriteItems(a.ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{ConditionCheck: &check}, {Put: &types.Put{TableName: a.table, Item: a.item(sk, "", nil)}},
	}})
	return answered("written", err)
}

func lastPage(a *asker) string {
	a.write("", a.item("1", "", nil), a.item("2", "", nil))
	return a.query(func(q *dynamodb.QueryInput) { q.Limit = aws.Int32(2) })
}
