package main

import (
	"fmt"
	"slices"
	"testing"
)

// ada has two keys, of which the second is Active; newcomer has none.
func ada() *owner {
	o := &owner{iamID: "ada", isNew: true, known: knowledge{revision: 2, begun: 2}}
	for revision := range int64(2) {
		o.learn(key(revision + 1))
	}
	return o
}

// leaver had the same keys, and has deleted them.
func leaver() *owner {
	o := ada()
	o.begin(task{operation: deleteAll}, "").end(deleted(3, "key-1", "key-2"))
	return o
}

// tidy has deleted her first key.
func tidy() *owner {
	o := ada()
	o.begin(task{operation: deleteOne}, "").end(deleted(3, "key-1"))
	return o
}

func newcomer() *owner { return &owner{iamID: "new", isNew: true, asked: true} }

func key(revision int64) issued {
	return issued{keyID: fmt.Sprint("key-", revision), credential: fmt.Sprint("credential-", revision), revision: revision}
}

func decided(reason, keyID string) answer {
	a := answer{status: 200, isJSON: true, Allowed: reason == "key_active", Reason: reason}
	a.Key.ID = keyID
	return a
}

func viewed(revision int64, active string) answer {
	a := answer{status: 200, isJSON: true, Revision: revision}
	if active != "" {
		a.Active = &struct{ ID string }{ID: active}
	}
	return a
}

func made(revision int64) answer {
	a := answer{status: 201, isJSON: true, Revision: revision, Credential: key(revision).credential}
	a.Key.ID = key(revision).keyID
	return a
}

func deleted(revision int64, ids ...string) answer {
	a := answer{status: 200, isJSON: true, Revision: revision}
	for _, id := range ids {
		a.Deleted = append(a.Deleted, struct{ ID string }{id})
	}
	return a
}

func refused(status int, code string) answer {
	return answer{status: status, isJSON: true, retryAfter: true, Code: code}
}

// rotated begins and ends a rotation while another request is under way.
func rotated(o *owner) { o.begin(task{operation: rotate}, "id-1").end(made(3)) }

// rotating begins one that is not answered yet.
func rotating(o *owner) { o.begin(task{operation: rotate}, "id-2") }

// removed begins and ends a deletion of all keys while another request is under
// way; removing begins one that is not answered yet.
func removed(o *owner)  { o.begin(task{operation: deleteAll}, "").end(deleted(3, "key-1", "key-2")) }
func removing(o *owner) { o.begin(task{operation: deleteAll}, "") }

// createdAgain is what a leaver does next.
func createdAgain(o *owner) { o.begin(task{operation: create}, "id-4").end(made(4)) }

func without(change func(*answer), a answer) answer {
	change(&a)
	return a
}

const (
	byActive = 50 // rolls
	byOld    = 0
	byFollow = 80
	byOwner  = 90
)

// Each answer is judged by what was known when it was asked for, and by what
// went on until it came; "" promises that it is taken for good.
func TestWhatIsPromised(t *testing.T) {
	const (
		outside = "the answer is not one of the contract's"
		none    = "an owner with a key has no Active key"
		old     = "an old credential is allowed, though its rotation or deletion was answered before the question"
		reason  = "an old credential is refused for another reason than that it is Phased out, or deleted"
		oldKey  = "the decision names an old key, though its rotation or deletion was answered before the question"
		left    = "a deletion of all keys left the Active one"
		taken   = "a change has a revision that was taken before"
	)
	for _, c := range []struct {
		name             string
		owner            *owner
		task             task
		before, meantime func(*owner)
		answer           answer
		want             string
	}{
		{"Active", ada(), task{decide, nil, byActive}, nil, nil, decided("key_active", "key-2"), ""},
		{"Active, refused", ada(), task{decide, nil, byActive}, nil, nil, decided("key_phased_out", "key-2"), "the Active key's credential is refused"},
		{"Active, refused while it is rotated", ada(), task{decide, nil, byActive}, nil, rotated, decided("key_phased_out", "key-2"), ""},
		{"Active, allowed while it is rotated", ada(), task{decide, nil, byActive}, nil, rotated, decided("key_active", "key-2"), ""},
		{"Active, refused while a rotation is open", ada(), task{decide, nil, byActive}, rotating, nil, decided("key_phased_out", "key-2"), ""},
		{"Active, unknown", ada(), task{decide, nil, byActive}, rotating, nil, decided("key_unknown", ""), reason},
		{"old", ada(), task{decide, nil, byOld}, nil, nil, decided("key_phased_out", "key-1"), ""},
		{"old, allowed", ada(), task{decide, nil, byOld}, nil, nil, decided("key_active", "key-1"), old},
		{"old, allowed while another rotation is open", ada(), task{decide, nil, byOld}, rotating, nil, decided("key_active", "key-1"), old},
		{"old, unknown", ada(), task{decide, nil, byOld}, nil, nil, decided("key_unknown", ""), reason},
		{"allowed against its reason", ada(), task{decide, nil, byActive}, nil, nil, without(func(a *answer) { a.Allowed = false }, decided("key_active", "key-2")), "allowed and reason contradict each other"},
		{"no decision", ada(), task{decide, nil, byActive}, nil, nil, refused(400, "invalid_request"), "a well-formed question got no decision"},
		{"no decision for now", ada(), task{decide, nil, byActive}, nil, nil, refused(503, "unavailable"), ""},
		{"gateway time-out", ada(), task{decide, nil, byActive}, nil, nil, answer{status: 504, isJSON: true}, outside},
		{"gateway out of order", ada(), task{decide, nil, byActive}, nil, nil, answer{status: 503, isJSON: true}, outside},
		{"no JSON", ada(), task{decide, nil, byActive}, nil, nil, answer{status: 200}, outside},

		{"owner", ada(), task{decide, nil, byOwner}, nil, nil, decided("key_active", "key-2"), ""},
		{"owner, unknown", ada(), task{decide, nil, byOwner}, nil, nil, decided("key_unknown", ""), "a question about an owner is refused for another reason than no_active_key"},
		{"owner, no key", ada(), task{decide, nil, byOwner}, nil, nil, decided("no_active_key", ""), none},
		{"owner, no key during a rotation", ada(), task{decide, nil, byOwner}, nil, rotating, decided("no_active_key", ""), none},
		{"owner, old key", ada(), task{decide, nil, byOwner}, nil, rotating, decided("key_active", "key-1"), oldKey},
		{"owner, key that is being replaced", ada(), task{decide, nil, byOwner}, nil, rotated, decided("key_active", "key-2"), ""},
		{"owner, key that replaces it", ada(), task{decide, nil, byOwner}, nil, rotated, decided("key_active", "key-3"), ""},
		{"owner, key that nobody made", ada(), task{decide, nil, byOwner}, nil, nil, decided("key_active", "key-9"), "the decision names another key than the Active one"},
		{"owner, no key while all are deleted", ada(), task{decide, nil, byOwner}, nil, removed, decided("no_active_key", ""), ""},
		{"owner, no key while a deletion is open", ada(), task{decide, nil, byOwner}, removing, nil, decided("no_active_key", ""), ""},
		{"owner, no key while another is deleted", tidy(), task{decide, nil, byOwner}, nil, nil, decided("no_active_key", ""), none},
		{"schedule", ada(), task{decide, nil, byFollow}, nil, nil, decided("key_active", "key-2"), ""},
		{"schedule, no key", ada(), task{decide, nil, byFollow}, nil, nil, decided("no_active_key", ""), none},
		{"schedule, unknown", ada(), task{decide, nil, byFollow}, nil, nil, decided("schedule_unknown", ""), "a schedule that follows the Active key is refused for another reason than no_active_key"},
		{"schedule, old key", ada(), task{decide, nil, byFollow}, nil, nil, decided("key_active", "key-1"), oldKey},
		{"schedule, newcomer", newcomer(), task{decide, nil, byFollow}, nil, nil, decided("no_active_key", ""), ""},
		{"newcomer", newcomer(), task{decide, nil, byOwner}, nil, nil, decided("no_active_key", ""), ""},
		{"newcomer, allowed", newcomer(), task{decide, nil, byOwner}, nil, nil, decided("key_active", "key-1"), "an owner without a key has an Active key"},
		{"newcomer, allowed while a create is open", newcomer(), task{decide, nil, byOwner}, rotating, nil, decided("key_active", "key-1"), ""},

		{"leaver", leaver(), task{decide, nil, byOwner}, nil, nil, decided("no_active_key", ""), ""},
		{"leaver, allowed", leaver(), task{decide, nil, byOwner}, nil, nil, decided("key_active", "key-2"), "an owner without a key has an Active key"},
		{"leaver, old key while one is created", leaver(), task{decide, nil, byOwner}, nil, createdAgain, decided("key_active", "key-2"), oldKey},
		{"leaver, new key", leaver(), task{decide, nil, byOwner}, createdAgain, nil, decided("key_active", "key-4"), ""},
		{"leaver, no key after a create", leaver(), task{decide, nil, byOwner}, createdAgain, nil, decided("no_active_key", ""), none},
		{"deleted", leaver(), task{decide, nil, byActive}, nil, nil, decided("key_deleted", "key-2"), ""},
		{"deleted, allowed", leaver(), task{decide, nil, byActive}, nil, nil, decided("key_active", "key-2"), old},
		{"deleted, allowed while a create is open", leaver(), task{decide, nil, byActive}, rotating, nil, decided("key_active", "key-2"), old},
		{"deleted, Phased out", leaver(), task{decide, nil, byActive}, nil, nil, decided("key_phased_out", "key-2"), reason},
		{"deleted, unknown", leaver(), task{decide, nil, byActive}, nil, nil, decided("key_unknown", ""), reason},
		{"Active, deleted in the meantime", ada(), task{decide, nil, byActive}, nil, removed, decided("key_deleted", "key-2"), ""},
		{"Active, allowed while it is deleted", ada(), task{decide, nil, byActive}, nil, removed, decided("key_active", "key-2"), ""},
		{"old, deleted", ada(), task{decide, nil, byOld}, nil, nil, decided("key_deleted", "key-1"), reason},
		{"old, deleted in the meantime", ada(), task{decide, nil, byOld}, nil, removed, decided("key_deleted", "key-1"), ""},
		{"tidy, deleted", tidy(), task{decide, nil, byOld}, nil, nil, decided("key_deleted", "key-1"), ""},
		{"tidy, Phased out", tidy(), task{decide, nil, byOld}, nil, nil, decided("key_phased_out", "key-1"), reason},
		{"tidy, Active", tidy(), task{decide, nil, byActive}, nil, nil, decided("key_deleted", "key-2"), "the Active key's credential is refused"},

		{"view", ada(), task{view, nil, 0}, nil, nil, viewed(2, "key-2"), ""},
		{"view, refused", ada(), task{view, nil, 0}, nil, nil, refused(401, "unauthenticated"), "a user is not shown their keys"},
		{"view, stale", ada(), task{view, nil, 0}, nil, nil, viewed(1, "key-1"), "a view is older than a change that was answered before"},
		{"view, ahead", ada(), task{view, nil, 0}, nil, nil, viewed(3, "key-3"), "a view has a revision that nobody made"},
		{"view, ahead while a rotation is open", ada(), task{view, nil, 0}, rotating, nil, viewed(3, "key-3"), ""},
		{"view, no key", ada(), task{view, nil, 0}, nil, nil, viewed(2, ""), "a view shows no Active key, though there is one"},
		{"view, old key", ada(), task{view, nil, 0}, nil, nil, viewed(2, "key-1"), "a view shows an old key as Active"},

		{"view, no key while all are deleted", ada(), task{view, nil, 0}, nil, removed, viewed(3, ""), ""},
		{"view, leaver", leaver(), task{view, nil, 0}, nil, nil, viewed(3, ""), ""},
		{"view, deleted key", leaver(), task{view, nil, 0}, nil, nil, viewed(3, "key-2"), "a view shows an Active key, though there is none"},
		{"view, deleted key while one is created", leaver(), task{view, nil, 0}, nil, createdAgain, viewed(4, "key-2"), "a view shows an old key as Active"},

		{"create", newcomer(), task{create, nil, 0}, nil, nil, made(1), ""},
		{"create, second key", ada(), task{create, nil, 0}, nil, nil, made(3), "a second Active key was created"},
		{"create, has a key", ada(), task{create, nil, 0}, nil, nil, refused(409, "active_key_exists"), ""},
		{"create, has none", newcomer(), task{create, nil, 0}, nil, nil, refused(409, "active_key_exists"), "a first key is refused because there is an Active one"},
		{"create, has one from another create", newcomer(), task{create, nil, 0}, rotating, nil, refused(409, "active_key_exists"), ""},
		{"create, conflict", newcomer(), task{create, nil, 0}, nil, nil, refused(409, "conflict"), ""},
		{"create, no body", newcomer(), task{create, nil, 0}, nil, nil, answer{status: 201}, outside},
		{"create, no key", newcomer(), task{create, nil, 0}, nil, nil, without(func(a *answer) { a.Key.ID = "" }, made(1)), "the answer names no key or no revision"},
		{"create, no credential", newcomer(), task{create, nil, 0}, nil, nil, without(func(a *answer) { a.Credential = "" }, made(1)), "a new key came without its credential"},
		{"create, too soon refused", newcomer(), task{create, nil, 0}, nil, nil, refused(429, "rotation_rate_exceeded"), "an owner got fewer keys than the allowance"},
		{"create, forbidden", newcomer(), task{create, nil, 0}, nil, nil, refused(403, "role_required"), outside},

		{"create, second key during a deletion", ada(), task{create, nil, 0}, nil, removed, made(4), ""},
		{"create, leaver", leaver(), task{create, nil, 0}, nil, nil, made(4), ""},
		{"create, leaver has a key", leaver(), task{create, nil, 0}, nil, nil, refused(409, "active_key_exists"), "a first key is refused because there is an Active one"},

		{"rotate", ada(), task{rotate, nil, 0}, nil, nil, made(3), ""},
		{"rotate, no key", ada(), task{rotate, nil, 0}, nil, nil, refused(409, "no_active_key"), none},
		{"rotate, newcomer", newcomer(), task{rotate, nil, 0}, nil, nil, refused(409, "no_active_key"), ""},
		{"rotate, newcomer got a key", newcomer(), task{rotate, nil, 0}, nil, nil, made(1), "a key was rotated where there was none"},
		{"rotate, no key during a deletion", ada(), task{rotate, nil, 0}, nil, removed, refused(409, "no_active_key"), ""},
		{"rotate, too many keys", ada(), task{rotate, nil, 0}, nil, nil, refused(409, "too_many_phased_out_keys"), "a new owner has too many keys"},
		{"rotate, conflict without Retry-After", ada(), task{rotate, nil, 0}, nil, nil, without(func(a *answer) { a.retryAfter = false }, refused(409, "conflict")), "no Retry-After"},
		{"rotate, revision taken", ada(), task{rotate, nil, 0}, nil, nil, without(func(a *answer) { a.Key.ID = "key-9" }, made(2)), "two keys were made with one revision"},
		{"rotate, same key again", ada(), task{rotate, nil, 0}, nil, nil, made(2), taken},

		{"delete one", ada(), task{deleteOne, nil, 0}, nil, nil, deleted(3, "key-1"), ""},
		{"delete one, another", ada(), task{deleteOne, nil, 0}, nil, nil, deleted(3, "key-2"), "another key was deleted than the one that was named"},
		{"delete one, two", ada(), task{deleteOne, nil, 0}, nil, nil, deleted(3, "key-1", "key-2"), "another key was deleted than the one that was named"},
		{"delete one, revision taken", ada(), task{deleteOne, nil, 0}, nil, nil, deleted(2, "key-1"), taken},
		{"delete one, not found", ada(), task{deleteOne, nil, 0}, nil, nil, refused(404, "key_not_found"), "a Phased out key is not found"},
		{"delete one, not found while all are deleted", ada(), task{deleteOne, nil, 0}, nil, removed, refused(404, "key_not_found"), ""},
		{"delete one, Active", ada(), task{deleteOne, nil, 0}, nil, nil, refused(409, "key_active"), outside},
		{"delete one, conflict", ada(), task{deleteOne, nil, 0}, nil, nil, refused(409, "conflict"), ""},

		{"delete all", ada(), task{deleteAll, nil, 0}, nil, nil, deleted(3, "key-1", "key-2"), ""},
		{"delete all, none", ada(), task{deleteAll, nil, 0}, nil, nil, deleted(2), left},
		{"delete all, but the Active one", ada(), task{deleteAll, nil, 0}, nil, nil, deleted(3, "key-1"), left},
		{"delete all, none during a rotation", ada(), task{deleteAll, nil, 0}, nil, rotated, deleted(3), left},
		{"delete all, none during another deletion", ada(), task{deleteAll, nil, 0}, nil, removed, deleted(3), ""},
		{"delete all, revision taken", ada(), task{deleteAll, nil, 0}, nil, nil, deleted(2, "key-1", "key-2"), taken},
		{"delete all, conflict without Retry-After", ada(), task{deleteAll, nil, 0}, nil, nil, without(func(a *answer) { a.retryAfter = false }, refused(409, "conflict")), "no Retry-After"},
		{"delete all, refused", ada(), task{deleteAll, nil, 0}, nil, nil, refused(404, "key_not_found"), outside},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != nil {
				c.before(c.owner)
			}
			call := c.owner.begin(c.task, "id")
			if c.meantime != nil {
				c.meantime(c.owner)
			}
			if got := call.end(c.answer); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnOwnerWithOlderKeysMayHaveTooMany(t *testing.T) {
	o := ada()
	o.isNew = false
	for _, a := range []answer{refused(409, "too_many_phased_out_keys"), refused(429, "rotation_rate_exceeded")} {
		if broken := o.begin(task{operation: rotate}, "id").end(a); broken != "" {
			t.Errorf("%s: %s", a.outcome(), broken)
		}
	}
}

// A change whose answer is missing is repeated with its own Idempotency-Key; its
// key, and nothing else, proves that it was made.
func TestAMissingAnswerLeavesTheChangeOpen(t *testing.T) {
	o := ada()
	o.begin(task{operation: rotate}, "first").noAnswer()
	again := o.begin(task{operation: rotate}, "second")
	if !again.repeats || again.idempotencyKey != "first" || o.known.open != 1 {
		t.Fatalf("%+v, %d open", again, o.known.open)
	}
	again.end(refused(503, "unavailable"))
	if next := o.begin(task{operation: create}, "third"); next.repeats {
		t.Error("a create repeats a rotation's Idempotency-Key")
	} else if next.end(refused(409, "active_key_exists")); o.known.open != 1 {
		t.Errorf("%d open", o.known.open)
	}
	last := o.begin(task{operation: rotate}, "fourth")
	replayed := made(3)
	replayed.Credential = ""
	if broken := last.end(replayed); broken != "" || last.idempotencyKey != "first" || o.known.open != 0 || o.known.revision != 3 {
		t.Errorf("%q, %+v", broken, o.known)
	}
	if c := o.begin(task{decide, nil, byActive}, ""); c.named.revision != 2 {
		t.Errorf("the decision presents the credential of revision %d, and only that of 2 is known", c.named.revision)
	}
}

// Nothing tells what became of a deletion whose answer is missing.
func TestAMissingAnswerLeavesTheDeletionOpen(t *testing.T) {
	o := ada()
	o.begin(task{operation: deleteAll}, "").noAnswer()
	o.begin(task{operation: deleteAll}, "").end(refused(503, "unavailable"))
	o.begin(task{operation: deleteAll}, "").end(refused(409, "conflict")) // was not made
	if o.known.open != 2 || o.known.openRemovals != 2 {
		t.Fatalf("%+v", o.known)
	}
	for _, a := range []answer{decided("key_active", "key-2"), decided("no_active_key", "")} {
		if broken := o.begin(task{decide, nil, byOwner}, "").end(a); broken != "" {
			t.Errorf("%s: %s", a.outcome(), broken)
		}
	}
}

// Of a key that was created and deleted, the deletion may be told first.
func TestADeletionMayBeToldBeforeItsKey(t *testing.T) {
	o := newcomer()
	creating := o.begin(task{operation: create}, "")
	o.begin(task{operation: deleteAll}, "").end(deleted(2, "key-1"))
	if broken := creating.end(made(1)); broken != "" {
		t.Error(broken)
	}
	const want = "an old credential is allowed, though its rotation or deletion was answered before the question"
	if got := o.begin(task{decide, nil, byActive}, "").end(decided("key_active", "key-1")); got != want {
		t.Errorf("got %q", got)
	}
}

// What was drawn is not always possible.
func TestWhatIsDoneWhenAnOperationIsDrawn(t *testing.T) {
	first := ada()
	first.keys = first.keys[:1]
	for _, c := range []struct {
		name        string
		owner       *owner
		drawn, want operation
	}{
		{"the first request creates a key", &owner{}, decide, create},
		{"a key is rotated", ada(), rotate, rotate},
		{"a Phased out key is deleted", ada(), deleteOne, deleteOne},
		{"without one, one is made", first, deleteOne, rotate},
		{"all are deleted", first, deleteAll, deleteAll},
		{"without a key, one is created instead of a deletion", leaver(), deleteAll, create},
		{"also of one", leaver(), deleteOne, create},
		{"a rotation of none is asked for", leaver(), rotate, rotate},
		{"and a decision", leaver(), decide, decide},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.owner.begin(task{operation: c.drawn}, "").operation; got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// Answers may overtake each other.
func TestKeysAreKnownInTheOrderOfTheirRevisions(t *testing.T) {
	o := ada()
	slow, fast := o.begin(task{operation: rotate}, "a"), o.begin(task{operation: rotate}, "b")
	fast.end(made(4))
	slow.end(made(3))
	var revisions []int64
	for _, k := range o.keys {
		revisions = append(revisions, k.revision)
	}
	if !slices.Equal(revisions, []int64{1, 2, 3, 4}) || o.known.revision != 4 || o.known.open != 0 {
		t.Errorf("%v, %+v", revisions, o.known)
	}
	if broken := o.begin(task{decide, nil, byActive}, "").end(decided("key_active", "key-4")); broken != "" {
		t.Error(broken)
	}
}
