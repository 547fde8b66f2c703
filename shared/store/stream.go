package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
)

// announced are the beginnings of the sort keys of items that carry a notice;
// template.yaml filters the table's stream by them.
var announced = []string{eventPrefix, duePrefix, failedPrefix, refusedPrefix}

// EventOf is the event in a new item of the table's stream. A record that is none
// is an error: the stream was filtered, so somebody else wrote it.
func EventOf(record events.DynamoDBEventRecord) (apikey.Event, error) {
	attributes := make(item, len(record.Change.NewImage))
	for name, value := range record.Change.NewImage {
		attributes[name] = attributeOf(value)
	}
	return eventOf(attributes)
}

// eventOf decodes an item that carries a notice.
func eventOf(attributes item) (apikey.Event, error) {
	locator, err := locatorOf(attributes)
	if err != nil {
		return apikey.Event{}, err
	}
	r := newReader(attributes)
	sk := r.text("sk")
	if !carriesNotice(sk) {
		return apikey.Event{}, fmt.Errorf("the item %s carries no notice", sk)
	}
	event, err := decodeEvent(r)
	if err == nil && event.Owner.Locator() != locator {
		err = errors.New("it is another owner's")
	}
	if err == nil {
		err = checkPlace(event, sk)
	}
	if err != nil {
		return apikey.Event{}, fmt.Errorf("the item %s of %s cannot be used: %w", sk, locator, err)
	}
	return event, nil
}

// checkPlace makes sure that an event is one that is written under that sort key:
// another is not ours, and must not be announced.
func checkPlace(event apikey.Event, sk string) error {
	place := eventSK(event.Revision)
	switch event.Type {
	case apikey.EventCreated, apikey.EventRotated, apikey.EventPhasedOut, apikey.EventDeleted, apikey.EventAllDeleted,
		apikey.EventPolicyChanged, apikey.EventOwnerSuspended, apikey.EventOwnerReinstated,
		apikey.EventScheduleBound, apikey.EventScheduleUnbound:
	case apikey.EventRotationDue, apikey.EventRotationFailed, apikey.EventUseRefused:
		var err error
		if place, err = noticeSK(event); err != nil {
			return err
		}
	default:
		return fmt.Errorf("its type %q is none", event.Type)
	}
	if place != sk {
		return fmt.Errorf("its place is %s", place)
	}
	return nil
}

func carriesNotice(sk string) bool {
	for _, prefix := range announced {
		if strings.HasPrefix(sk, prefix) {
			return true
		}
	}
	return false
}

// attributeOf is an attribute of the stream as the SDK has it.
func attributeOf(value events.DynamoDBAttributeValue) types.AttributeValue {
	switch value.DataType() {
	case events.DataTypeString:
		return text(value.String())
	case events.DataTypeNumber:
		return &types.AttributeValueMemberN{Value: value.Number()}
	case events.DataTypeBoolean:
		return flag(value.Boolean())
	case events.DataTypeBinary:
		return blob(value.Binary())
	case events.DataTypeMap:
		members := item{}
		for name, member := range value.Map() {
			members[name] = attributeOf(member)
		}
		return nested(members)
	case events.DataTypeList:
		var members []types.AttributeValue
		for _, member := range value.List() {
			members = append(members, attributeOf(member))
		}
		return &types.AttributeValueMemberL{Value: members}
	default:
		return &types.AttributeValueMemberNULL{Value: true} // none of ours
	}
}
