package storetest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/store/storetest"
)

func TestPutItemWaitsForItsCondition(t *testing.T) {
	for name, c := range map[string]struct {
		sk, condition string
		written       bool
	}{
		"none":                        {"1", "", true},
		"none, and no item":           {"2", "", true},
		"that there is none, is":      {"1", "attribute_not_exists(pk)", false},
		"that there is none":          {"2", "attribute_not_exists(pk)", true},
		"a greater number":            {"1", "lease < :n", true},
		"the same number":             {"1", "lease < :five", false},
		"a smaller number":            {"1", "lease < :four", false},
		"no number":                   {"1", "#label < :n", false},
		"a later text":                {"1", "#label < :t", true},
		"the same text":               {"1", "#label < :x", false},
		"an earlier text":             {"1", "#label < :a", false},
		"a longer text":               {"1", "#label < :xx", true},
		"no text":                     {"1", "lease < :t", false},
		"nothing there":               {"1", "more < :t", false},
		"the same day, and more":      {"1", "attribute_not_exists(pk) OR #label < :x OR #label = :x AND lease < :n", true},
		"the same day, and not more":  {"1", "attribute_not_exists(pk) OR #label < :x OR #label = :x AND lease < :five", false},
		"an earlier day, though more": {"1", "attribute_not_exists(pk) OR #label < :a OR #label = :a AND lease < :n", false},
	} {
		t.Run(name, func(t *testing.T) {
			client := storetest.NewEngine().Client()
			put(t, client, item("1", attributes{"lease": numberOf(5), "label": textOf("x")}))
			input := putOn(c.sk, c.condition)
			_, err := client.PutItem(t.Context(), input)
			_, refused := asFailed(err)
			if refused == c.written || err != nil && !refused {
				t.Errorf("answered %v", err)
			}
			want := "label=x lease=5"
			if c.written {
				want = "more=new" // and nothing of what was there
			}
			if c.sk == "1" && show(read(t, client, "1")) != want || c.sk == "2" && (read(t, client, "2") != nil) != c.written {
				t.Errorf("the item is %s", show(read(t, client, c.sk)))
			}
		})
	}
}

// putOn is a put of a/sk on a condition, with the values that it uses.
func putOn(sk, condition string) *dynamodb.PutItemInput {
	input := &dynamodb.PutItemInput{TableName: table, Item: item(sk, attributes{"more": textOf("new")})}
	if condition == "" {
		return input
	}
	input.ConditionExpression = &condition
	words := strings.FieldsFunc(condition, func(r rune) bool { return strings.ContainsRune(" ()", r) })
	for placeholder, value := range (attributes{
		":n": numberOf(7), ":five": numberOf(5), ":four": numberOf(4), ":t": textOf("y"), ":x": textOf("x"), ":a": textOf("a"), ":xx": textOf("xx"),
	}) {
		if !slices.Contains(words, placeholder) {
			continue
		}
		if input.ExpressionAttributeValues == nil {
			input.ExpressionAttributeValues = attributes{}
		}
		input.ExpressionAttributeValues[placeholder] = value
	}
	if slices.Contains(words, "#label") {
		input.ExpressionAttributeNames = map[string]string{"#label": "label"}
	}
	return input
}

func TestAPutThatTheProductDoesNotMakeIsRefused(t *testing.T) {
	for name, change := range map[string]func(*dynamodb.PutItemInput){
		"into another table":       func(p *dynamodb.PutItemInput) { p.TableName = aws.String("other") },
		"that wants the item back": func(p *dynamodb.PutItemInput) { p.ReturnValues = types.ReturnValueAllOld },
		"of half a key":            func(p *dynamodb.PutItemInput) { delete(p.Item, "sk") },
		"of a key that is empty":   func(p *dynamodb.PutItemInput) { p.Item["sk"] = textOf("") },
		"of more than 400 KB":      func(p *dynamodb.PutItemInput) { p.Item["more"] = textOf(strings.Repeat("x", 400<<10)) },
		"on what is not defined":   func(p *dynamodb.PutItemInput) { p.ConditionExpression = aws.String("lease < :m") },
		"with a value for nothing": func(p *dynamodb.PutItemInput) { p.ExpressionAttributeValues = attributes{":n": numberOf(1)} },
		"on a reserved word": func(p *dynamodb.PutItemInput) {
			p.ConditionExpression, p.ExpressionAttributeValues = aws.String("day < :n"), attributes{":n": numberOf(1)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine := storetest.NewEngine()
			input := &dynamodb.PutItemInput{TableName: table, Item: item("1", attributes{"lease": numberOf(5)})}
			change(input)
			_, err := engine.Client().PutItem(t.Context(), input)
			if _, failed := asFailed(err); err == nil || failed || len(engine.Items()) != 0 {
				t.Errorf("answered %v, and there is %s", err, engine.Items())
			}
		})
	}
}
