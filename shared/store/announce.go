package store

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/shared/apikey"
)

// The sort keys of what is announced beside the numbered changes. Each is
// written once, and that it is there says that it was announced.
const (
	duePrefix     = "DUE#"
	failedPrefix  = "FAILED#"
	refusedPrefix = "REFUSED#"
)

// RefusalPeriod is the beginning of the hour of the clock that an instant belongs
// to: of a key, one refused use is announced in each.
func RefusalPeriod(t time.Time) time.Time { return t.Truncate(time.Hour) }

// noticeSK is what an announcement is written under: once for a key, or once for
// a key and day, or hour.
func noticeSK(e apikey.Event) (string, error) {
	if len(e.Keys) == 0 {
		return "", fmt.Errorf("%s is about no key", e.Type)
	}
	key := e.Keys[0].ID.String()
	switch e.Type { //nolint:exhaustive // all others are changes
	case apikey.EventRotationDue:
		return duePrefix + key, nil
	case apikey.EventRotationFailed:
		return failedPrefix + key + "#" + e.OccurredAt.UTC().Format(time.DateOnly), nil
	case apikey.EventUseRefused:
		return refusedPrefix + key + "#" + RefusalPeriod(e.OccurredAt).UTC().Format("2006-01-02T15"), nil
	}
	return "", fmt.Errorf("%s is not announced by itself", e.Type)
}

// Announce puts an announcement on the way that is no change: a rotation that is
// due or failed, a use that was refused. It is one conditional write; announced is
// false when it was made before. Errors: unavailable.
func (s *Store) Announce(ctx context.Context, event apikey.Event) (announced bool, err error) {
	sk, err := noticeSK(event)
	if err != nil {
		return false, err
	}
	if err := s.identify(&event); err != nil {
		return false, err
	}
	// A rotation can be announced years before it is due, and is announced once.
	keptFrom := s.now()
	if event.DueAt.After(keptFrom) {
		keptFrom = event.DueAt
	}
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:           &s.table,
		Item:                with(itemKey(event.Owner.Locator(), sk), encodeEvent(event), keptFrom.Add(EventTTL)),
		ConditionExpression: aws.String("attribute_not_exists(pk)"),
	})
	if isConditionNotMet(err) {
		return false, nil
	}
	if err != nil {
		return false, unavailable(err)
	}
	return true, nil
}

// NotYetAnnounced picks from rings, which have an Active key, those whose coming
// rotation was not announced, in one call for a hundred. Errors: unavailable.
func (s *Store) NotYetAnnounced(ctx context.Context, rings []apikey.Ring) ([]apikey.Ring, error) {
	var keys []item
	for _, ring := range rings {
		keys = append(keys, itemKey(ring.Owner.Locator(), duePrefix+ring.Active.ID.String()))
	}
	read, err := s.readAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	var pending []apikey.Ring
	for i, ring := range rings {
		if read[keyOf(keys[i])] == nil {
			pending = append(pending, ring)
		}
	}
	return pending, nil
}
