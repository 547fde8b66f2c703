// Package store keeps rings in DynamoDB: one table, one partition per owner,
// and one conditional transaction per change.
//
// An owner's partition is OWNER#<locator>. In it, RING is the ring, never
// removed, so that revisions never restart; EVENT#<revision> is one change, the
// outbox and the history at once; IDEMPOTENCY#<hash> is a finished create or
// rotate. Every change is one TransactWriteItems of the ring, conditional on
// its revision, the event, and the idempotency record.
//
// Every read is strongly consistent and nothing is cached. Every expiry is
// enforced here; the table's time to live only cleans up.
package store
