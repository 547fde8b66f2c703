package storetest_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/store/storetest"
)

var table = aws.String(storetest.Table)

func textOf(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func numberOf(n int) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }

// item is the item a/sk with more attributes.
func item(sk string, more attributes) attributes {
	it := key("a", sk)
	maps.Copy(it, more)
	return it
}

func put(t *testing.T, client *dynamodb.Client, items ...attributes) {
	t.Helper()
	var writes []types.TransactWriteItem
	for _, it := range items {
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: table, Item: it}})
	}
	if _, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err != nil {
		t.Fatal(err)
	}
}

// read is the item a/sk as it is now.
func read(t *testing.T, client *dynamodb.Client, sk string) attributes {
	t.Helper()
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: key("a", sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

// show is an item's attributes but for its key, in order.
func show(it attributes) string {
	if it == nil {
		return "none"
	}
	var shown []string
	for _, name := range []string{"label", "lease", "more"} {
		switch v := it[name].(type) {
		case *types.AttributeValueMemberS:
			shown = append(shown, name+"="+v.Value)
		case *types.AttributeValueMemberN:
			shown = append(shown, name+"="+v.Value)
		}
	}
	return strings.Join(shown, " ")
}

func write(action types.TransactWriteItem) *dynamodb.TransactWriteItemsInput {
	return &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{action}}
}

func deletion(sk string) *types.Delete { return &types.Delete{TableName: table, Key: key("a", sk)} }

func TestADeletionInATransactionIsPartOfIt(t *testing.T) {
	client := storetest.NewEngine().Client()
	put(t, client, item("1", attributes{"lease": numberOf(5)}), item("2", nil), item("3", nil))
	replace := &types.Put{TableName: table, Item: item("2", attributes{"more": textOf("x")})}

	refused := deletion("1")
	refused.ConditionExpression = aws.String("lease = :n")
	refused.ExpressionAttributeValues = attributes{":n": numberOf(6)}
	_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: replace}, {Delete: deletion("3")}, {Delete: refused},
	}})
	if _, cancelled := asCancelled(err); !cancelled || show(read(t, client, "2")) != "" || read(t, client, "3") == nil {
		t.Errorf("a condition did not hold, and yet: %v, %s, %v", err, show(read(t, client, "2")), read(t, client, "3"))
	}

	refused.ExpressionAttributeValues[":n"] = numberOf(5)
	_, err = client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: replace}, {Delete: deletion("3")}, {Delete: refused}, {Delete: deletion("never was")},
	}})
	if err != nil || read(t, client, "1") != nil || read(t, client, "3") != nil || show(read(t, client, "2")) != "more=x" {
		t.Errorf("%v: %v, %v, %s", err, read(t, client, "1"), read(t, client, "3"), show(read(t, client, "2")))
	}
}

func check(sk, condition string) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: table, Key: key("a", sk), ConditionExpression: &condition}}
}

// A check writes nothing, and nothing is written unless it holds.
func TestTransactionWaitsForTheItemThatItChecks(t *testing.T) {
	client := storetest.NewEngine().Client()
	put(t, client, item("1", attributes{"more": textOf("x")}))
	for condition, holds := range map[string]bool{"attribute_exists(pk)": true, "attribute_not_exists(pk)": false} {
		_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: table, Item: item(condition, nil)}}, check("1", condition),
		}})
		if (err == nil) != holds || (read(t, client, condition) != nil) != holds || show(read(t, client, "1")) != "more=x" {
			t.Errorf("%s: %v, written %v, checked %s", condition, err, read(t, client, condition), show(read(t, client, "1")))
		}
	}
}

func TestATransactionThatTheProductDoesNotMakeIsRefused(t *testing.T) {
	engine := storetest.NewEngine()
	client := engine.Client()
	put(t, client, item("1", nil))
	many := func(n int) (writes []types.TransactWriteItem) {
		for i := range n {
			writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: table, Item: item(fmt.Sprint("many", i), nil)}})
		}
		return writes
	}
	big := func(n int) *types.Put {
		return &types.Put{TableName: table, Item: item(fmt.Sprint("big", n), attributes{"more": textOf(strings.Repeat("x", 390<<10))})}
	}
	var huge []types.TransactWriteItem
	for n := range 11 {
		huge = append(huge, types.TransactWriteItem{Put: big(n)})
	}
	tooBig := big(0)
	tooBig.Item["more"] = textOf(strings.Repeat("x", 400<<10))
	withItem := deletion("1")
	withItem.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	for name, input := range map[string]*dynamodb.TransactWriteItemsInput{
		"of nothing":     {TransactItems: []types.TransactWriteItem{}},
		"of 101 actions": {TransactItems: many(101)},
		"of one item twice": {TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: table, Item: item("1", nil)}}, {Delete: deletion("1")},
		}},
		"of two deletions of one item":          {TransactItems: []types.TransactWriteItem{{Delete: deletion("1")}, {Delete: deletion("1")}}},
		"of an update":                          write(types.TransactWriteItem{Update: &types.Update{TableName: table, Key: key("a", "1"), UpdateExpression: aws.String("REMOVE more")}}),
		"of a check of nothing":                 write(types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: table, Key: key("a", "1")}}),
		"of a check and a deletion of one item": {TransactItems: []types.TransactWriteItem{check("1", "attribute_exists(pk)"), {Delete: deletion("1")}}},
		"of a deletion and a check of one item": {TransactItems: []types.TransactWriteItem{{Delete: deletion("1")}, check("1", "attribute_exists(pk)")}},
		"of two actions in one":                 write(types.TransactWriteItem{Put: &types.Put{TableName: table, Item: item("1", nil)}, Delete: deletion("2")}),
		"that wants an item back":               write(types.TransactWriteItem{Delete: withItem}),
		"of another table":                      write(types.TransactWriteItem{Delete: &types.Delete{TableName: aws.String("other"), Key: key("a", "1")}}),
		"of an item over 400 KB":                write(types.TransactWriteItem{Put: tooBig}),
		"of items over 4 MB":                    {TransactItems: huge},
		"of a key over 1 KB":                    write(types.TransactWriteItem{Delete: deletion(strings.Repeat("x", 1025))}),
		"of a key that is a number":             write(types.TransactWriteItem{Delete: &types.Delete{TableName: table, Key: attributes{"pk": textOf("a"), "sk": numberOf(1)}}}),
		"that wants consumption's cost":         {TransactItems: many(1), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := client.TransactWriteItems(t.Context(), input); err == nil {
				t.Error("carried out")
			}
			if items := engine.Items(); len(items) != 1 {
				t.Errorf("refused, and there are %d items", len(items))
			}
		})
	}
	if _, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: many(100)}); err != nil {
		t.Errorf("100 actions: %v", err)
	}
}

func TestDeleteItemWaitsForItsCondition(t *testing.T) {
	for name, c := range map[string]struct {
		condition string
		sk        string
		deleted   bool
	}{
		"none":                          {"", "1", true},
		"none, and no item":             {"", "2", true}, // deleting what is not there is no error
		"holds":                         {"lease > :n", "1", true},
		"does not hold":                 {"lease = :n", "1", false},
		"no item":                       {"lease > :n", "2", false},
		"one of two":                    {"lease > :n AND attribute_exists(more)", "1", false},
		"one of two will do":            {"attribute_exists(more) OR lease > :n", "1", true},
		"of another type":               {"label > :n", "1", false},
		"of another type, to be equal":  {"label = :n", "1", false},
		"of a name that was never used": {"absent <= :n", "1", false},
	} {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", item wanted back: ", back), func(t *testing.T) {
				client := storetest.NewEngine().Client()
				put(t, client, item("1", attributes{"lease": numberOf(5), "label": textOf("x")}))
				input := &dynamodb.DeleteItemInput{TableName: table, Key: key("a", c.sk)}
				if c.condition != "" {
					input.ConditionExpression, input.ExpressionAttributeValues = &c.condition, attributes{":n": numberOf(4)}
				}
				if back {
					input.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
				}
				_, err := client.DeleteItem(t.Context(), input)
				failure, refused := asFailed(err)
				if refused == c.deleted || (err == nil) != c.deleted || (read(t, client, "1") == nil) != (c.deleted && c.sk == "1") {
					t.Fatalf("%v, and the item is %s", err, show(read(t, client, "1")))
				}
				if refused && (failure.Item != nil) != (back && c.sk == "1") {
					t.Errorf("refused with the item %s", show(failure.Item))
				}
			})
		}
	}
}

func TestADeletionThatTheProductDoesNotMakeIsRefused(t *testing.T) {
	for name, change := range map[string]func(*dynamodb.DeleteItemInput){
		"of another table":            func(d *dynamodb.DeleteItemInput) { d.TableName = aws.String("other") },
		"that wants the item back":    func(d *dynamodb.DeleteItemInput) { d.ReturnValues = types.ReturnValueAllOld },
		"of half a key":               func(d *dynamodb.DeleteItemInput) { delete(d.Key, "sk") },
		"on what is not defined":      func(d *dynamodb.DeleteItemInput) { d.ConditionExpression = aws.String("lease > :m") },
		"with a value for nothing":    func(d *dynamodb.DeleteItemInput) { d.ExpressionAttributeValues = attributes{":n": numberOf(1)} },
		"with a name for nothing":     func(d *dynamodb.DeleteItemInput) { d.ExpressionAttributeNames = map[string]string{"#n": "lease"} },
		"on an unknown comparison":    onCondition("lease <> :n"),
		"on a function":               onCondition("begins_with(label, :n)"),
		"on one of several":           onCondition("lease IN (:n)"),
		"on a denial":                 onCondition("NOT lease = :n"),
		"on a part of an attribute":   onCondition("label.lease = :n"),
		"on an attribute by itself":   onCondition("lease = lease AND lease = :n"),
		"on a reserved word":          onCondition("owner = :n"),
		"on a reserved word, capital": onCondition("STATUS = :n"),
	} {
		t.Run(name, func(t *testing.T) {
			client := storetest.NewEngine().Client()
			put(t, client, item("1", attributes{"lease": numberOf(5)}))
			input := &dynamodb.DeleteItemInput{TableName: table, Key: key("a", "1")}
			change(input)
			_, err := client.DeleteItem(t.Context(), input)
			if _, failed := asFailed(err); err == nil || failed || read(t, client, "1") == nil {
				t.Errorf("answered %v, and the item is %s", err, show(read(t, client, "1")))
			}
		})
	}
}

func onCondition(expression string) func(*dynamodb.DeleteItemInput) {
	return func(d *dynamodb.DeleteItemInput) {
		d.ConditionExpression, d.ExpressionAttributeValues = &expression, attributes{":n": numberOf(5)}
	}
}
