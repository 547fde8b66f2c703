package storetest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/store/storetest"
)

// scan is of what begins with K or L and is at b to d.
func scan(change func(*dynamodb.ScanInput)) *dynamodb.ScanInput {
	input := &dynamodb.ScanInput{
		TableName:        table,
		FilterExpression: aws.String("at BETWEEN :first AND :last AND (begins_with(sk, :k) OR begins_with(sk, :l))"),
		ExpressionAttributeValues: attributes{
			":first": textOf("b"), ":last": textOf("d"), ":k": textOf("K"), ":l": textOf("L"),
		},
		ConsistentRead: aws.Bool(true),
	}
	change(input)
	return input
}

// mixedItems is a table of two partitions, in which K2, K3 and L1 are what a scan
// looks for.
func mixedItems(t *testing.T) (*storetest.Engine, *dynamodb.Client) {
	t.Helper()
	engine := storetest.NewEngine()
	client := engine.Client()
	at := func(pk, sk, place string) attributes {
		it := key(pk, sk)
		it["at"] = textOf(place)
		return it
	}
	number := key("a", "K5")
	number["at"] = numberOf(3)
	put(t, client, at("a", "K1", "a"), at("a", "K2", "b"), at("a", "K3", "cc"), at("a", "K4", "dd"), number, key("a", "K6"),
		at("a", "M1", "c"), at("b", "L1", "d"), at("b", "RING", "c"))
	return engine, client
}

func TestScanAnswersWhatDynamoDBDoes(t *testing.T) {
	_, client := mixedItems(t)
	for name, c := range map[string]struct {
		change func(*dynamodb.ScanInput)
		want   string
	}{
		"all":             {func(*dynamodb.ScanInput) {}, "K2 K3 L1"},
		"behind an item":  {func(s *dynamodb.ScanInput) { s.ExclusiveStartKey = key("a", "K2") }, "K3 L1"},
		"behind the last": {func(s *dynamodb.ScanInput) { s.ExclusiveStartKey = key("b", "RING") }, ""},
		"behind what is not": {
			func(s *dynamodb.ScanInput) { s.ExclusiveStartKey = key("a", "K25") }, "K3 L1",
		},
		"behind a partition that is not": {func(s *dynamodb.ScanInput) { s.ExclusiveStartKey = key("aa", "K") }, "L1"},
		"without consistency: what was there before the last change": {
			func(s *dynamodb.ScanInput) { s.ConsistentRead = nil }, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := client.Scan(t.Context(), scan(c.change))
			if err != nil {
				t.Fatal(err)
			}
			if got := sortKeysOf(out.Items); got != c.want || out.LastEvaluatedKey != nil {
				t.Errorf("%s, last key %v", got, out.LastEvaluatedKey)
			}
		})
	}
}

// A page ends where enough was read, whatever of that is wanted: it may be empty.
func TestAScansPagesEndByWhatWasRead(t *testing.T) {
	engine, client := mixedItems(t)
	engine.SetPageBytes(1)
	var pages []string
	for pager := dynamodb.NewScanPaginator(client, scan(func(*dynamodb.ScanInput) {})); pager.HasMorePages(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if page.ScannedCount > 1 || int(page.Count) != len(page.Items) {
			t.Errorf("%d read, %d counted, %d items", page.ScannedCount, page.Count, len(page.Items))
		}
		pages = append(pages, sortKeysOf(page.Items))
	}
	// As a page that reads the last item names it, one more is empty.
	if diff := cmp.Diff([]string{"", "K2", "K3", "", "", "", "", "L1", "", ""}, pages); diff != "" {
		t.Error(diff)
	}
}

func TestAScanThatTheProductDoesNotAskIsRefused(t *testing.T) {
	_, client := mixedItems(t)
	for name, change := range map[string]func(*dynamodb.ScanInput){
		"of another table": func(s *dynamodb.ScanInput) { s.TableName = aws.String("other") },
		"of everything": func(s *dynamodb.ScanInput) {
			s.FilterExpression, s.ExpressionAttributeValues = nil, nil
		},
		"of an index":   func(s *dynamodb.ScanInput) { s.IndexName = aws.String("ByDue") },
		"of so many":    func(s *dynamodb.ScanInput) { s.Limit = aws.Int32(3) },
		"counting only": func(s *dynamodb.ScanInput) { s.Select = types.SelectCount },
		"a part of it":  func(s *dynamodb.ScanInput) { s.Segment, s.TotalSegments = aws.Int32(0), aws.Int32(2) },
		"by another filter": func(s *dynamodb.ScanInput) {
			s.FilterExpression = aws.String("begins_with(sk, :k) AND at BETWEEN :first AND :last")
		},
		"by a filter without braces": func(s *dynamodb.ScanInput) {
			s.FilterExpression = aws.String("at BETWEEN :first AND :last AND begins_with(sk, :k)")
		},
		"with a value too few":  func(s *dynamodb.ScanInput) { delete(s.ExpressionAttributeValues, ":l") },
		"with a value too many": func(s *dynamodb.ScanInput) { s.ExpressionAttributeValues[":m"] = textOf("M") },
		"of a reserved word": func(s *dynamodb.ScanInput) {
			s.FilterExpression = aws.String("date BETWEEN :first AND :last AND (begins_with(sk, :k) OR begins_with(sk, :l))")
		},
		"bounds in wrong order":  func(s *dynamodb.ScanInput) { s.ExpressionAttributeValues[":first"] = textOf("e") },
		"a bound is a number":    func(s *dynamodb.ScanInput) { s.ExpressionAttributeValues[":last"] = numberOf(9) },
		"behind half a key":      func(s *dynamodb.ScanInput) { s.ExclusiveStartKey = attributes{"pk": textOf("a")} },
		"behind more than a key": func(s *dynamodb.ScanInput) { s.ExclusiveStartKey = item("K1", attributes{"at": textOf("a")}) },
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := client.Scan(t.Context(), scan(change)); err == nil {
				t.Errorf("answered with %s", sortKeysOf(out.Items))
			}
		})
	}
}
