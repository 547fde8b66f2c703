package store

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
)

// Noticed is what an item of the table announces, or why it cannot be read.
type Noticed struct {
	Event apikey.Event
	Err   error
}

// secondFormat is an instant's second, as every text of an instant in it begins.
// The texts of instants within a second do not sort as the instants do ("0.5Z" is
// before "0Z"), so the table is asked for whole seconds.
const secondFormat = "2006-01-02T15:04:05"

// NoticesBetween reads what was announced in a span of time, both ends included,
// from the whole table: a page, that may be empty, and where the next one begins.
// cursor is "" at the beginning, next is "" at the end. Errors: invalid_request
// when the cursor is none, unavailable.
func (s *Store) NoticesBetween(ctx context.Context, since, until time.Time, cursor string) (found []Noticed, next string, err error) {
	start, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	values := item{":since": text(since.UTC().Format(secondFormat)), ":until": text(until.UTC().Format(secondFormat) + "~")}
	var kinds []string
	for i, prefix := range announced {
		name := ":kind" + string(rune('0'+i))
		values[name] = text(prefix)
		kinds = append(kinds, "begins_with(sk, "+name+")")
	}
	page, err := s.client.Scan(ctx, &dynamodb.ScanInput{
		TableName:                 &s.table,
		FilterExpression:          aws.String("occurredAt BETWEEN :since AND :until AND (" + strings.Join(kinds, " OR ") + ")"),
		ExpressionAttributeValues: values,
		ConsistentRead:            aws.Bool(true),
		ExclusiveStartKey:         start,
	})
	if err != nil {
		return nil, "", unavailable(err)
	}
	for _, attributes := range page.Items {
		event, err := eventOf(attributes)
		if err == nil && (event.OccurredAt.Before(since) || event.OccurredAt.After(until)) {
			continue
		}
		found = append(found, Noticed{event, err})
	}
	return found, cursorAt(page.LastEvaluatedKey), nil
}

// NoticeOf reads what one item announces; found is false when there is none such.
// Errors: invalid_request when half of the item's key is empty, unavailable.
func (s *Store) NoticeOf(ctx context.Context, pk, sk string) (notice Noticed, found bool, err error) {
	if pk == "" || sk == "" {
		return Noticed{}, false, apikey.Invalid("item", "is named by its pk and its sk")
	}
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.table, Key: item{"pk": text(pk), "sk": text(sk)}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return Noticed{}, false, unavailable(err)
	}
	if out.Item == nil {
		return Noticed{}, false, nil
	}
	event, err := eventOf(out.Item)
	return Noticed{event, err}, true, nil
}

// cursorAt is a place in the table, as text.
func cursorAt(key item) string {
	if key == nil {
		return ""
	}
	r := newReader(key)
	return base64.RawURLEncoding.EncodeToString([]byte(r.text("pk") + " " + r.text("sk")))
}

func parseCursor(cursor string) (item, error) {
	if cursor == "" {
		return nil, nil //nolint:nilnil // the beginning
	}
	place, err := base64.RawURLEncoding.DecodeString(cursor)
	pk, sk, ok := strings.Cut(string(place), " ")
	if err != nil || !ok || pk == "" || sk == "" {
		return nil, apikey.Invalid("cursor", "is not one that was answered")
	}
	return item{"pk": text(pk), "sk": text(sk)}, nil
}
