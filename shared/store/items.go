package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

// The sort keys of the items in an owner's partition.
const (
	ringSK         = "RING"
	useSK          = "USE"
	eventPrefix    = "EVENT#"
	schedulePrefix = "SCHEDULE#"
	runPrefix      = "RUN#"
)

func itemKey(l apikey.Locator, sk string) item {
	return item{"pk": text(partition(l)), "sk": text(sk)}
}

// partitionPrefix is in front of the locator in an owner's partition key.
const partitionPrefix = "OWNER#"

func partition(l apikey.Locator) string { return partitionPrefix + l.String() }

func ringKey(l apikey.Locator) item { return itemKey(l, ringSK) }

func eventKey(l apikey.Locator, revision int64) item { return itemKey(l, eventSK(revision)) }

// eventSK has ten digits, so that the order of keys is that of revisions.
func eventSK(revision int64) string { return fmt.Sprintf("%s%010d", eventPrefix, revision) }

// idempotencyKey hashes what the client chose: its text may be anything, and
// nobody needs it again.
func idempotencyKey(l apikey.Locator, key string) item {
	sum := sha256.Sum256([]byte(key))
	return itemKey(l, "IDEMPOTENCY#"+hex.EncodeToString(sum[:]))
}

// with is an item of the key and the attributes. It expires at the instant, in
// the seconds that DynamoDB's time to live wants, unless that is zero.
func with(key, attributes item, expiresAt time.Time) item {
	maps.Copy(attributes, key)
	if !expiresAt.IsZero() {
		attributes["expiresAt"] = number(expiresAt.Unix())
	}
	return attributes
}

func encodeRing(r apikey.Ring) item {
	attributes := encodeOwner(r.Owner)
	attributes["revision"] = number(r.Revision)
	attributes["phasedOut"] = list(r.PhasedOut, encodeKey)
	attributes["deleted"] = list(r.Deleted, encodeDeleted)
	attributes["allowanceFullAt"] = instant(r.Allowance.FullAt)
	attributes["suspended"] = flag(r.Suspended)
	attributes["lastCreatedAt"] = instant(r.LastCreatedAt)
	if r.Policy != nil {
		attributes["policy"] = nested(encodePolicy(*r.Policy))
	}
	addIndexKeys(attributes, r)
	if r.ScheduleCount > 0 {
		attributes["scheduleCount"] = number(int64(r.ScheduleCount))
	}
	if r.Active != nil {
		attributes["active"] = nested(encodeKey(*r.Active))
		attributes["secretArn"] = text(r.SecretARN)
	}
	return with(ringKey(r.Owner.Locator()), attributes, time.Time{})
}

// decodeRing accepts what encodeRing writes. Whatever is missing or at odds with
// itself is an error: a decision is not made on half a ring.
func decodeRing(attributes item) (apikey.Ring, error) {
	r := newReader(attributes)
	ring := apikey.Ring{
		Owner:         decodeOwner(r),
		Revision:      r.number("revision"),
		PhasedOut:     readList(r, "phasedOut", decodeKey),
		Deleted:       readList(r, "deleted", decodeDeleted),
		Allowance:     apikey.Allowance{FullAt: r.instant("allowanceFullAt")},
		ScheduleCount: r.count("scheduleCount"),
		Suspended:     r.flag("suspended"),
		SecretARN:     r.optionalText("secretArn"),
		LastCreatedAt: r.instant("lastCreatedAt"),
	}
	if r.has("policy") {
		policy := decodePolicy(r.nested("policy"))
		ring.Policy = &policy
	}
	if r.has("active") {
		active := decodeKey(r.nested("active"))
		ring.Active = &active
	}
	if (ring.Active == nil) != (ring.SecretARN == "") {
		r.fail("secretArn", errors.New("an Active key and a secret go together"))
	}
	for i, key := range ring.PhasedOut {
		if key.Status != apikey.StatusPhasedOut || key.Digest == (apikey.Digest{}) {
			r.fail(fmt.Sprintf("phasedOut.%d", i), errors.New("not a Phased out key"))
		}
	}
	if ring.Active != nil && (ring.Active.Status != apikey.StatusActive || ring.Active.Digest == (apikey.Digest{})) {
		r.fail("active", errors.New("not an Active key"))
	}
	return ring, *r.err
}

func encodePolicy(p apikey.RotationPolicy) item {
	return item{
		"maxAgeDays":               number(int64(p.MaxAgeDays)),
		"noticeDays":               number(int64(p.NoticeDays)),
		"deletePhasedOutAfterDays": number(int64(p.DeletePhasedOutAfterDays)),
	}
}

func decodePolicy(r reader) apikey.RotationPolicy {
	return apikey.RotationPolicy{
		MaxAgeDays:               int(r.number("maxAgeDays")),
		NoticeDays:               int(r.number("noticeDays")),
		DeletePhasedOutAfterDays: int(r.number("deletePhasedOutAfterDays")),
	}
}

func encodeOwner(o apikey.Owner) item {
	return item{"accountId": text(o.AccountID), "iamId": text(o.IAMID), "username": text(o.Username)}
}

func decodeOwner(r reader) apikey.Owner {
	return apikey.Owner{AccountID: r.text("accountId"), IAMID: r.text("iamId"), Username: r.text("username")}
}

func encodeActor(a apikey.Actor) item {
	return item{"kind": text(string(a.Kind)), "id": text(a.ID)}
}

func decodeActor(r reader) apikey.Actor {
	return apikey.Actor{Kind: apikey.ActorKind(r.text("kind")), ID: r.text("id")}
}

func encodeKey(k apikey.Key) item {
	attributes := item{
		"id":        text(k.ID.String()),
		"name":      text(k.Name),
		"status":    text(string(k.Status)),
		"createdAt": instant(k.CreatedAt),
		"createdBy": nested(encodeActor(k.CreatedBy)),
		"versionId": text(k.VersionID),
	}
	if !k.PhasedOutAt.IsZero() {
		attributes["phasedOutAt"] = instant(k.PhasedOutAt)
	}
	if k.PinnedCount > 0 {
		attributes["pinnedCount"] = number(int64(k.PinnedCount))
	}
	// The keys in an event have no digest.
	if k.Digest != (apikey.Digest{}) {
		attributes["digest"] = blob(k.Digest[:])
	}
	return attributes
}

func decodeKey(r reader) apikey.Key {
	key := apikey.Key{
		ID:          r.uuid("id"),
		Name:        r.text("name"),
		Status:      apikey.Status(r.text("status")),
		CreatedAt:   r.instant("createdAt"),
		CreatedBy:   decodeActor(r.nested("createdBy")),
		VersionID:   r.text("versionId"),
		PinnedCount: r.count("pinnedCount"),
	}
	if r.has("phasedOutAt") {
		key.PhasedOutAt = r.instant("phasedOutAt")
	}
	if r.has("digest") {
		key.Digest = decodeDigest(r)
	}
	return key
}

func encodeDeleted(d apikey.DeletedKey) item {
	return item{
		"id":        text(d.ID.String()),
		"digest":    blob(d.Digest[:]),
		"versionId": text(d.VersionID),
		"deletedAt": instant(d.DeletedAt),
	}
}

func decodeDeleted(r reader) apikey.DeletedKey {
	return apikey.DeletedKey{
		ID:        r.uuid("id"),
		Digest:    decodeDigest(r),
		VersionID: r.text("versionId"),
		DeletedAt: r.instant("deletedAt"),
	}
}

func decodeDigest(r reader) (digest apikey.Digest) {
	b := r.blob("digest")
	if len(b) != len(digest) {
		r.fail("digest", fmt.Errorf("%d bytes", len(b)))
		return digest
	}
	return apikey.Digest(b)
}

// idempotencyRecord is a finished change, and what it was asked for as.
type idempotencyRecord struct {
	operation string
	event     apikey.Event
	expiresAt time.Time
}

func encodeRecord(record idempotencyRecord) item {
	return item{"operation": text(record.operation), "event": nested(encodeEvent(record.event))}
}

func decodeRecord(attributes item) (idempotencyRecord, error) {
	r := newReader(attributes)
	event, err := decodeEvent(r.nested("event"))
	record := idempotencyRecord{
		operation: r.text("operation"),
		event:     event,
		expiresAt: time.Unix(r.number("expiresAt"), 0),
	}
	return record, errors.Join(err, *r.err)
}
