// Package store keeps rings in DynamoDB: one table, one partition per owner,
// and one conditional transaction per change.
//
// An owner's partition is OWNER#<locator>. In it, RING is the ring, never
// removed, so that revisions never restart; EVENT#<revision> is one change, the
// outbox and the history at once; IDEMPOTENCY#<hash> is a finished change that,
// asked for again, is the same one: by a client's key, or by the delivery of a
// request; SCHEDULE#<id> is a job schedule's binding. Every change is one
// TransactWriteItems of the ring, conditional on its revision, the event, the
// idempotency record, and the schedules that it binds or unbinds.
//
// DUE#<key>, FAILED#<key>#<day> and REFUSED#<key>#<hour> are announcements that are
// no change: each is one conditional write, and made once.
//
// RUN#<name> is a running operation with its lease, and USE is when each key was
// last used. They are written on the way of a decision, outside of transactions,
// so that no decision meets a conflict.
//
// Every read is strongly consistent and nothing is cached: what an index has found,
// which may lag, is read again. Every expiry is enforced here; the table's time to
// live only cleans up. One item is no owner's: how far the day's walk through all
// secrets has come.
package store
