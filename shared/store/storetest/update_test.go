package storetest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/store/storetest"
)

// update is an update of a/sk; values are :n, 7, and :t, "new", if it uses them.
func update(sk, expression, condition string) *dynamodb.UpdateItemInput {
	input := &dynamodb.UpdateItemInput{
		TableName: table, Key: key("a", sk), UpdateExpression: &expression, ReturnValues: types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if condition != "" {
		input.ConditionExpression = &condition
	}
	for name, value := range (attributes{":n": numberOf(7), ":t": textOf("new")}) {
		if strings.Contains(expression+condition, name) {
			if input.ExpressionAttributeValues == nil {
				input.ExpressionAttributeValues = attributes{}
			}
			input.ExpressionAttributeValues[name] = value
		}
	}
	if strings.Contains(expression+condition, "#f") {
		input.ExpressionAttributeNames = map[string]string{"#f": "first"}
	}
	return input
}

func TestUpdateItemAnswersWhatDynamoDBDoes(t *testing.T) {
	for name, c := range map[string]struct {
		sk, expression, condition string
		refused                   bool
		want                      string
	}{
		"an item":                      {"1", "SET lease = :n", "", false, "first=old lease=7"},
		"an item that is not there":    {"2", "SET lease = :n", "", false, "lease=7"},
		"several attributes":           {"1", "SET lease = :n, more = :t", "", false, "first=old lease=7 more=new"},
		"through a placeholder":        {"1", "SET #f = :t", "", false, "first=new lease=5"},
		"what is not there":            {"1", "SET more = if_not_exists(more, :t)", "", false, "first=old lease=5 more=new"},
		"what is there already":        {"1", "SET first = if_not_exists(first, :t)", "", false, "first=old lease=5"},
		"what another attribute is":    {"1", "SET more = if_not_exists(first, :t)", "", false, "first=old lease=5 more=old"},
		"what another was before":      {"1", "SET first = :t, more = if_not_exists(#f, :n)", "", false, "first=new lease=5 more=old"},
		"removing":                     {"1", "SET lease = :n REMOVE first", "", false, "lease=7"},
		"removing several":             {"1", "SET more = :t REMOVE first, lease", "", false, "more=new"},
		"removing what is not there":   {"1", "SET lease = :n REMOVE more", "", false, "first=old lease=7"},
		"condition holds":              {"1", "SET lease = :n", "lease <= :n", false, "first=old lease=7"},
		"condition does not hold":      {"1", "SET lease = :n", "lease > :n", true, "first=old lease=5"},
		"condition, item not there":    {"2", "SET lease = :n", "lease <= :n", true, "none"},
		"condition that it is not":     {"2", "SET lease = :n", "attribute_not_exists(pk)", false, "lease=7"},
		"condition that it is not, is": {"1", "SET lease = :n", "attribute_not_exists(pk)", true, "first=old lease=5"},
		"AND binds tighter than OR":    {"1", "SET lease = :n", "attribute_exists(pk) OR lease > :n AND lease > :n", false, "first=old lease=7"},
		"an OR of what does not hold":  {"1", "SET lease = :n", "attribute_not_exists(pk) OR attribute_exists(pk) AND lease > :n", true, "first=old lease=5"},
		"an AND of what does not hold": {"1", "SET lease = :n", "lease > :n AND attribute_exists(pk)", true, "first=old lease=5"},
		"at most as much":              {"7", "SET more = :t", "lease <= :n", false, "lease=7 more=new"},
		"more than as much":            {"7", "SET more = :t", "lease > :n", true, "lease=7"},
		"as much":                      {"7", "SET more = :t", "lease = :n", false, "lease=7 more=new"},
		"a comparison of two types":    {"1", "SET lease = :n", "first <= :n", true, "first=old lease=5"},
		"a text that is another":       {"1", "SET lease = :n", "#f = :t", true, "first=old lease=5"},
	} {
		t.Run(name, func(t *testing.T) {
			client := storetest.NewEngine().Client()
			before := item("1", attributes{"first": textOf("old"), "lease": numberOf(5)})
			put(t, client, before, item("7", attributes{"lease": numberOf(7)}))
			out, err := client.UpdateItem(t.Context(), update(c.sk, c.expression, c.condition))
			if got := show(read(t, client, c.sk)); got != c.want {
				t.Errorf("the item is %s, want %s", got, c.want)
			}
			failure, refused := asFailed(err)
			switch {
			case refused != c.refused || err != nil && !refused:
				t.Fatalf("answered %v", err)
			case refused && show(failure.Item) != c.want:
				t.Errorf("refused with the item %s", show(failure.Item))
			case !refused && (show(out.Attributes) != c.want || out.Attributes["pk"] == nil || out.Attributes["sk"] == nil):
				t.Errorf("answered with %s, its key is %v", show(out.Attributes), out.Attributes["pk"])
			}
		})
	}
}

// Neither the new item nor the one that a condition did not hold for is shown to
// whoever did not ask.
func TestAnUpdateReturnsItemsOnlyWhenAsked(t *testing.T) {
	client := storetest.NewEngine().Client()
	put(t, client, item("1", attributes{"lease": numberOf(5)}))
	input := update("1", "SET lease = :n", "")
	input.ReturnValues = ""
	if out, err := client.UpdateItem(t.Context(), input); err != nil || out.Attributes != nil {
		t.Errorf("answered with %s, %v", show(out.Attributes), err)
	}
	input = update("1", "SET lease = :n", "lease > :n")
	input.ReturnValuesOnConditionCheckFailure = ""
	_, err := client.UpdateItem(t.Context(), input)
	if failure, refused := asFailed(err); !refused || failure.Item != nil {
		t.Errorf("answered %v, with the item %v", err, failure)
	}
}

func TestAnUpdateThatTheProductDoesNotMakeIsRefused(t *testing.T) {
	for name, input := range map[string]*dynamodb.UpdateItemInput{
		"of a whole item":              {TableName: table, Key: key("a", "1")},
		"removing only":                update("1", "REMOVE first", ""),
		"adding":                       update("1", "ADD lease :n", ""),
		"of a sum":                     update("1", "SET lease = lease + :n", ""),
		"of a list":                    update("1", "SET more = list_append(more, :n)", ""),
		"of a part of an attribute":    update("1", "SET more.lease = :n", ""),
		"of a key":                     update("1", "SET sk = :t", ""),
		"removing a key":               update("1", "SET lease = :n REMOVE pk", ""),
		"of one attribute twice":       update("1", "SET lease = :n, lease = :t", ""),
		"setting and removing one":     update("1", "SET first = :t REMOVE #f", ""),
		"of a reserved word":           update("1", "SET owner = :t", ""),
		"of a name that is no word":    update("1", "SET my-lease = :n", ""),
		"to what is not defined":       update("1", "SET lease = :m", ""),
		"of what is not defined":       update("1", "SET #m = :n", ""),
		"on what is not defined":       update("1", "SET lease = :n", "lease > :m"),
		"on what it does not know":     update("1", "SET lease = :n", "size(first) > :n"),
		"to another attribute":         update("1", "SET lease = first, more = :n", ""),
		"of a table that is not there": change(func(u *dynamodb.UpdateItemInput) { u.TableName = aws.String("other") }),
		"with a value for nothing":     change(func(u *dynamodb.UpdateItemInput) { u.ExpressionAttributeValues[":m"] = numberOf(1) }),
		"with a name for nothing":      change(func(u *dynamodb.UpdateItemInput) { u.ExpressionAttributeNames = map[string]string{"#m": "more"} }),
		"with no names":                change(func(u *dynamodb.UpdateItemInput) { u.ExpressionAttributeNames = map[string]string{} }),
		"that wants what was":          change(func(u *dynamodb.UpdateItemInput) { u.ReturnValues = types.ReturnValueAllOld }),
		"that wants what changed":      change(func(u *dynamodb.UpdateItemInput) { u.ReturnValues = types.ReturnValueUpdatedNew }),
		"that wants its cost":          change(func(u *dynamodb.UpdateItemInput) { u.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal }),
		"of half a key":                change(func(u *dynamodb.UpdateItemInput) { delete(u.Key, "pk") }),
		"to over 400 KB": change(func(u *dynamodb.UpdateItemInput) {
			u.ExpressionAttributeValues[":n"] = textOf(strings.Repeat("x", 400<<10))
		}),
		// A wrong expression is wrong whatever the item is.
		"of a key, when the condition does not hold": update("1", "SET sk = :t", "attribute_not_exists(pk)"),
	} {
		t.Run(name, func(t *testing.T) {
			client := storetest.NewEngine().Client()
			put(t, client, item("1", attributes{"first": textOf("old"), "lease": numberOf(5)}))
			_, err := client.UpdateItem(t.Context(), input)
			if _, failed := asFailed(err); err == nil || failed {
				t.Errorf("answered %v", err)
			}
			if got := show(read(t, client, "1")); got != "first=old lease=5" {
				t.Errorf("refused, and the item is %s", got)
			}
		})
	}
}

func change(change func(*dynamodb.UpdateItemInput)) *dynamodb.UpdateItemInput {
	input := update("1", "SET lease = :n", "")
	change(input)
	return input
}

// A read that does not ask for consistency may be stale, also after an update or
// a deletion.
func TestAnInconsistentReadIsStaleAfterEveryWrite(t *testing.T) {
	client := storetest.NewEngine().Client()
	stale := func() string {
		t.Helper()
		out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: key("a", "1")})
		if err != nil {
			t.Fatal(err)
		}
		return show(out.Item)
	}
	put(t, client, item("1", attributes{"lease": numberOf(5)}))
	if got := stale(); got != "none" {
		t.Errorf("after a put: %s", got)
	}
	if _, err := client.UpdateItem(t.Context(), update("1", "SET lease = :n", "")); err != nil || stale() != "lease=5" {
		t.Errorf("after an update: %s, %v", stale(), err)
	}
	if _, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: table, Key: key("a", "1")}); err != nil || stale() != "lease=7" {
		t.Errorf("after a deletion: %s, %v", stale(), err)
	}
}

func asFailed(err error) (*types.ConditionalCheckFailedException, bool) {
	return errors.AsType[*types.ConditionalCheckFailedException](err)
}

func asCancelled(err error) (*types.TransactionCanceledException, bool) {
	return errors.AsType[*types.TransactionCanceledException](err)
}
