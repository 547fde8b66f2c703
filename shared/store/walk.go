package store

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// walkKey is the one item that is no owner's: how far the day's walk through all
// secrets has come.
var walkKey = item{"pk": text("SWEEP"), "sk": text("SECRETS")}

// Walk is a walk through something long, which is made once a day, by whoever
// comes by.
type Walk struct {
	// Day is the date, in UTC, and Pages how many are done.
	Day   string
	Pages int64
	// Token is where it goes on; "" is the beginning.
	Token string
	Done  bool
	// damaged tells that what is on record cannot be read, and so is written over.
	damaged bool
}

// DailyWalk is today's walk, as far as it has come. Errors: unavailable.
func (s *Store) DailyWalk(ctx context.Context) (Walk, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: walkKey, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return Walk{}, unavailable(err)
	}
	today := Walk{Day: s.now().UTC().Format(time.DateOnly)}
	if out.Item == nil {
		return today, nil
	}
	r := newReader(out.Item)
	walk := Walk{Day: r.text("day"), Pages: r.number("pages"), Token: r.text("token"), Done: r.flag("done")}
	// Days do not go back, even when a clock does. What cannot be read is walked
	// anew.
	_, err = time.Parse(time.DateOnly, walk.Day)
	today.damaged = errors.Join(*r.err, err) != nil
	if !today.damaged && walk.Day >= today.Day {
		return walk, nil
	}
	return today, nil
}

// AdvanceWalk writes that another page is done. When somebody else is walking
// too, and was quicker, the walk comes back as done: it is theirs. Errors:
// unavailable.
func (s *Store) AdvanceWalk(ctx context.Context, walk Walk) (Walk, error) {
	walk.Pages++
	put := &dynamodb.PutItemInput{
		TableName: &s.table,
		Item: with(walkKey, item{
			"day": text(walk.Day), "pages": number(walk.Pages), "token": text(walk.Token), "done": flag(walk.Done),
		}, time.Time{}),
	}
	if !walk.damaged {
		put.ConditionExpression = aws.String("attribute_not_exists(pk) OR #day < :day OR #day = :day AND pages < :pages")
		put.ExpressionAttributeNames = map[string]string{"#day": "day"}
		put.ExpressionAttributeValues = item{":day": text(walk.Day), ":pages": number(walk.Pages)}
	}
	_, err := s.client.PutItem(ctx, put)
	walk.damaged = false
	if isConditionNotMet(err) {
		walk.Done = true
		return walk, nil
	}
	if err != nil {
		return Walk{}, unavailable(err)
	}
	return walk, nil
}
