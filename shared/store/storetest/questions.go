package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// What stands in for DynamoDB in tests.
const (
	InMemory      = "engine in memory"
	DynamoDBLocal = "DynamoDB Local"
	MiniStack     = "MiniStack"
)

// question is something that the product's safety or its tests lean on, and what
// each engine answers to it.
type question struct {
	name string
	// aws is the answer that AWS documents.
	aws string
	// differs are the answers of engines that answer otherwise.
	differs map[string]string
	ask     func(*asker) string
}

// Questions asks an engine every question and wants the answer that is on record:
// AWS's, or the one by which the engine is known to differ (docs/divergences.md).
func Questions(t *testing.T, engine string, client *dynamodb.Client, table string) {
	for _, q := range onRecord {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			want, differs := q.differs[engine]
			if !differs {
				want = q.aws
			}
			a := &asker{ctx: t.Context(), client: client, table: &table, partition: "QUESTION#" + NewOwner(t).Locator().String()}
			if got := q.ask(a); got != want {
				t.Errorf("%s answers %q, and %q is on record", engine, got, want)
			}
		})
	}
}

// asker asks about a partition of its own.
type asker struct {
	ctx       context.Context
	client    *dynamodb.Client
	table     *string
	partition string
}

type sdkItem = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func decimal(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

// item has the sort key and one more attribute, unless that is "".
func (a *asker) item(sk, name string, v types.AttributeValue) sdkItem {
	it := sdkItem{"pk": text(a.partition), "sk": text(sk)}
	if name != "" {
		it[name] = v
	}
	return it
}

func (a *asker) put(it sdkItem) string {
	_, err := a.client.PutItem(a.ctx, &dynamodb.PutItemInput{TableName: a.table, Item: it})
	return answered("written", err)
}

func (a *asker) putIf(condition string, values sdkItem) string {
	_, err := a.client.PutItem(a.ctx, &dynamodb.PutItemInput{
		TableName: a.table, Item: a.item("1", "", nil), ConditionExpression: &condition, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return fmt.Sprintf("refused, and %d attributes are there", len(failed.Item))
	}
	return answered("written", err)
}

// write puts the items in one transaction.
func (a *asker) write(token string, items ...sdkItem) string {
	input := &dynamodb.TransactWriteItemsInput{}
	if token != "" {
		input.ClientRequestToken = &token
	}
	for _, it := range items {
		input.TransactItems = append(input.TransactItems, types.TransactWriteItem{Put: &types.Put{TableName: a.table, Item: it}})
	}
	_, err := a.client.TransactWriteItems(a.ctx, input)
	return answered("written", err)
}

func (a *asker) read(sk string, consistent bool) string {
	out, err := a.client.GetItem(a.ctx, &dynamodb.GetItemInput{TableName: a.table, Key: a.item(sk, "", nil), ConsistentRead: &consistent})
	if err != nil {
		return answered("", err)
	}
	if n, ok := out.Item["lease"].(*types.AttributeValueMemberN); ok {
		return n.Value
	}
	return fmt.Sprintf("%d attributes", len(out.Item))
}

// query reads the partition's items, or the index's of the account that has the
// partition's name, and answers their sort keys.
func (a *asker) query(change func(*dynamodb.QueryInput)) string {
	input := &dynamodb.QueryInput{
		TableName: a.table, KeyConditionExpression: aws.String("pk = :p AND sk BETWEEN :a AND :z"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: sdkItem{":p": text(a.partition), ":a": text("0"), ":z": text("9")},
	}
	change(input)
	out, err := a.client.Query(a.ctx, input)
	if err != nil {
		return answered("", err)
	}
	sks := []string{}
	for _, it := range out.Items {
		sks = append(sks, it["sk"].(*types.AttributeValueMemberS).Value)
	}
	if out.LastEvaluatedKey != nil {
		sks = append(sks, "and more")
	}
	if len(sks) == 0 {
		return "no item"
	}
	return strings.Join(sks, " ")
}

func ofIndex(input *dynamodb.QueryInput) {
	input.IndexName, input.KeyConditionExpression = aws.String("ByAccount"), aws.String("accountOfRing = :p")
	input.ExpressionAttributeValues = sdkItem{":p": input.ExpressionAttributeValues[":p"]}
	input.ConsistentRead = nil
}

// ring is an item that the index by account has.
func (a *asker) ring(sk, iamID string) sdkItem {
	it := a.item(sk, "accountOfRing", text(a.partition))
	it["iamId"] = text(iamID)
	return it
}

// answered is what came of a request: an error by its code, and a cancelled
// transaction by its reasons.
func answered(well string, err error) string {
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		codes := []string{"cancelled:"}
		for _, reason := range cancelled.CancellationReasons {
			codes = append(codes, aws.ToString(reason.Code))
		}
		return strings.Join(codes, " ")
	}
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return refused.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return well
}

// Meeting has transactions meet at one item, as many as 16 at once, and answers
// what came of them, each answer once.
func Meeting(t *testing.T, client *dynamodb.Client, table string) []string {
	t.Helper()
	a := &asker{ctx: t.Context(), client: client, table: &table, partition: "QUESTION#" + NewOwner(t).Locator().String()}
	answers := make([]string, 16*20)
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for n := worker; n < len(answers); n += 16 {
				answers[n] = a.write("", a.item("1", "", nil), a.item(fmt.Sprint("of ", worker), "", nil))
			}
		})
	}
	group.Wait()
	slices.Sort(answers)
	return slices.Compact(answers)
}
