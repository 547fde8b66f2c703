package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/userapikey/service/shared/apikey"
)

// The items' attributes. Instants are RFC 3339 texts, but for expiresAt, which
// DynamoDB's time to live wants in seconds since 1970.

type itemKey struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
}

type item = map[string]types.AttributeValue

const ringSK = "RING"

func ringKey(l apikey.Locator) itemKey { return itemKey{"OWNER#" + l.String(), ringSK} }

func eventKey(l apikey.Locator, revision int64) itemKey {
	return itemKey{"OWNER#" + l.String(), fmt.Sprintf("EVENT#%010d", revision)}
}

// idempotencyKey hashes what the client chose: its text may be anything, and
// nobody needs it again.
func idempotencyKey(l apikey.Locator, key string) itemKey {
	sum := sha256.Sum256([]byte(key))
	return itemKey{"OWNER#" + l.String(), "IDEMPOTENCY#" + hex.EncodeToString(sum[:])}
}

func (k itemKey) attributes() item {
	return item{"pk": &types.AttributeValueMemberS{Value: k.PK}, "sk": &types.AttributeValueMemberS{Value: k.SK}}
}

type ownerAttributes struct {
	AccountID string `dynamodbav:"accountId"`
	IAMID     string `dynamodbav:"iamId"`
	Username  string `dynamodbav:"username,omitempty"`
}

type actorAttributes struct {
	Kind string `dynamodbav:"kind"`
	ID   string `dynamodbav:"id"`
}

type keyAttributes struct {
	ID          string          `dynamodbav:"id"`
	Name        string          `dynamodbav:"name"`
	Status      string          `dynamodbav:"status"`
	CreatedAt   time.Time       `dynamodbav:"createdAt"`
	CreatedBy   actorAttributes `dynamodbav:"createdBy"`
	PhasedOutAt *time.Time      `dynamodbav:"phasedOutAt,omitempty"`
	Digest      []byte          `dynamodbav:"digest,omitempty"`
	VersionID   string          `dynamodbav:"versionId"`
}

type deletedAttributes struct {
	ID        string    `dynamodbav:"id"`
	Digest    []byte    `dynamodbav:"digest"`
	VersionID string    `dynamodbav:"versionId"`
	DeletedAt time.Time `dynamodbav:"deletedAt"`
}

type ringItem struct {
	itemKey
	ownerAttributes
	Revision        int64               `dynamodbav:"revision"`
	Active          *keyAttributes      `dynamodbav:"active,omitempty"`
	PhasedOut       []keyAttributes     `dynamodbav:"phasedOut,omitempty"`
	Deleted         []deletedAttributes `dynamodbav:"deleted,omitempty"`
	AllowanceFullAt time.Time           `dynamodbav:"allowanceFullAt"`
	Suspended       bool                `dynamodbav:"suspended"`
	SecretARN       string              `dynamodbav:"secretArn,omitempty"`
	LastCreatedAt   time.Time           `dynamodbav:"lastCreatedAt"`
}

type eventAttributes struct {
	ID            string          `dynamodbav:"id"`
	Type          string          `dynamodbav:"type"`
	Owner         ownerAttributes `dynamodbav:"owner"`
	Revision      int64           `dynamodbav:"revision"`
	OccurredAt    time.Time       `dynamodbav:"occurredAt"`
	Actor         actorAttributes `dynamodbav:"actor"`
	CorrelationID string          `dynamodbav:"correlationId"`
	Keys          []keyAttributes `dynamodbav:"keys"`
	SecretARN     string          `dynamodbav:"secretArn,omitempty"`
}

type eventItem struct {
	itemKey
	eventAttributes
	ExpiresAt int64 `dynamodbav:"expiresAt"`
}

type idempotencyItem struct {
	itemKey
	Operation string          `dynamodbav:"operation"`
	Event     eventAttributes `dynamodbav:"event"`
	ExpiresAt int64           `dynamodbav:"expiresAt"`
}

func encodeRing(r apikey.Ring) (item, error) {
	it := ringItem{
		itemKey:         ringKey(r.Owner.Locator()),
		ownerAttributes: ownerAttributes(r.Owner),
		Revision:        r.Revision,
		PhasedOut:       encodeKeys(r.PhasedOut),
		AllowanceFullAt: r.Allowance.FullAt.UTC(),
		Suspended:       r.Suspended,
		SecretARN:       r.SecretARN,
		LastCreatedAt:   r.LastCreatedAt.UTC(),
	}
	if r.Active != nil {
		active := encodeKey(*r.Active)
		it.Active = &active
	}
	for _, d := range r.Deleted {
		it.Deleted = append(it.Deleted, deletedAttributes{ID: d.ID.String(), Digest: d.Digest[:], VersionID: d.VersionID, DeletedAt: d.DeletedAt.UTC()})
	}
	return attributevalue.MarshalMap(it)
}

func decodeRing(attributes item) (apikey.Ring, error) {
	var it ringItem
	if err := attributevalue.UnmarshalMap(attributes, &it); err != nil {
		return apikey.Ring{}, err
	}
	r := apikey.Ring{
		Owner:         apikey.Owner(it.ownerAttributes),
		Revision:      it.Revision,
		Allowance:     apikey.Allowance{FullAt: it.AllowanceFullAt},
		Suspended:     it.Suspended,
		SecretARN:     it.SecretARN,
		LastCreatedAt: it.LastCreatedAt,
	}
	var err error
	if it.Active != nil {
		active, keyErr := decodeKey(*it.Active)
		r.Active, err = &active, keyErr
	}
	var keysErr error
	r.PhasedOut, keysErr = decodeKeys(it.PhasedOut)
	err = errors.Join(err, keysErr)
	if (r.Active == nil) != (r.SecretARN == "") {
		err = errors.Join(err, errors.New("an Active key and a secret go together"))
	}
	for _, key := range ringKeys(r) {
		if key.Digest == (apikey.Digest{}) {
			err = errors.Join(err, fmt.Errorf("key %s has no digest", key.ID))
		}
	}
	for _, d := range it.Deleted {
		id, idErr := apikey.ParseUUID(d.ID)
		digest, digestErr := decodeDigest(d.Digest)
		err = errors.Join(err, idErr, digestErr)
		r.Deleted = append(r.Deleted, apikey.DeletedKey{ID: id, Digest: digest, VersionID: d.VersionID, DeletedAt: d.DeletedAt})
	}
	return r, err
}

func ringKeys(r apikey.Ring) []apikey.Key {
	if r.Active == nil {
		return r.PhasedOut
	}
	return append([]apikey.Key{*r.Active}, r.PhasedOut...)
}

func encodeKeys(keys []apikey.Key) []keyAttributes {
	encoded := make([]keyAttributes, len(keys))
	for i, key := range keys {
		encoded[i] = encodeKey(key)
	}
	return encoded
}

func encodeKey(k apikey.Key) keyAttributes {
	encoded := keyAttributes{
		ID:        k.ID.String(),
		Name:      k.Name,
		Status:    string(k.Status),
		CreatedAt: k.CreatedAt.UTC(),
		CreatedBy: actorAttributes{string(k.CreatedBy.Kind), k.CreatedBy.ID},
		VersionID: k.VersionID,
	}
	if !k.PhasedOutAt.IsZero() {
		at := k.PhasedOutAt.UTC()
		encoded.PhasedOutAt = &at
	}
	if k.Digest != (apikey.Digest{}) {
		encoded.Digest = k.Digest[:]
	}
	return encoded
}

func decodeKeys(encoded []keyAttributes) ([]apikey.Key, error) {
	var keys []apikey.Key
	for _, attributes := range encoded {
		key, err := decodeKey(attributes)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func decodeKey(a keyAttributes) (apikey.Key, error) {
	id, err := apikey.ParseUUID(a.ID)
	if err != nil {
		return apikey.Key{}, err
	}
	key := apikey.Key{
		ID:        id,
		Name:      a.Name,
		Status:    apikey.Status(a.Status),
		CreatedAt: a.CreatedAt,
		CreatedBy: apikey.Actor{Kind: apikey.ActorKind(a.CreatedBy.Kind), ID: a.CreatedBy.ID},
		VersionID: a.VersionID,
	}
	if a.PhasedOutAt != nil {
		key.PhasedOutAt = *a.PhasedOutAt
	}
	if a.Digest != nil {
		key.Digest, err = decodeDigest(a.Digest)
	}
	return key, err
}

func decodeDigest(b []byte) (apikey.Digest, error) {
	if len(b) != len(apikey.Digest{}) {
		return apikey.Digest{}, fmt.Errorf("a digest of %d bytes", len(b))
	}
	return apikey.Digest(b), nil
}

func encodeEvent(e apikey.Event) eventAttributes {
	return eventAttributes{
		ID:            e.ID,
		Type:          string(e.Type),
		Owner:         ownerAttributes(e.Owner),
		Revision:      e.Revision,
		OccurredAt:    e.OccurredAt.UTC(),
		Actor:         actorAttributes{string(e.Actor.Kind), e.Actor.ID},
		CorrelationID: e.CorrelationID,
		Keys:          encodeKeys(e.Keys),
		SecretARN:     e.SecretARN,
	}
}

func decodeEvent(a eventAttributes) (apikey.Event, error) {
	keys, err := decodeKeys(a.Keys)
	if err != nil {
		return apikey.Event{}, err
	}
	return apikey.Event{
		ID:            a.ID,
		Type:          apikey.EventType(a.Type),
		Owner:         apikey.Owner(a.Owner),
		Revision:      a.Revision,
		OccurredAt:    a.OccurredAt,
		Actor:         apikey.Actor{Kind: apikey.ActorKind(a.Actor.Kind), ID: a.Actor.ID},
		CorrelationID: a.CorrelationID,
		Keys:          keys,
		SecretARN:     a.SecretARN,
	}, nil
}
