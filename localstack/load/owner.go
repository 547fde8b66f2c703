package main

import (
	"math"
	"slices"
	"sync"
)

// allowance is how many keys an owner may make at once. The next one comes
// after 15 minutes, which is longer than a load.
const allowance = 10

// owner is a user whom requests are about, and what answers have told about
// their keys. Nobody else may change these keys during a load.
type owner struct {
	accountID, iamID string
	token            string
	// scheduleRef names a schedule of theirs that follows the Active key.
	scheduleRef string
	// isNew means that they never had a key before this load.
	isNew bool

	mu    sync.Mutex
	known knowledge
	// keys are those that answers have told, by revision.
	keys []issued
	// deletedAt tells the revision that deleted a key, by its id.
	deletedAt map[string]int64
	// lost are the Idempotency-Keys of changes whose answer is missing.
	lost map[operation][]string
	// asked means that their first request was drawn.
	asked bool
}

// knowledge is what is certain at an instant. A change may take effect at any
// instant between its request and its answer.
type knowledge struct {
	// revision is the highest that an answer has told.
	revision int64
	// begun counts the changes that were asked for, and removals those among them
	// that leave the owner without a key.
	begun, removals int
	// open and openRemovals count those of which it is not known whether they were
	// made.
	open, openRemovals int
}

// issued is a key that an answer has told. It was Active from its revision on.
type issued struct {
	keyID      string
	credential string // "" when only a view or a repeated answer told of it
	revision   int64
}

// call is a request about an owner, with what was known when it began.
type call struct {
	operation operation
	owner     *owner
	// named is the key that is to be deleted, or whose credential a decision
	// presents; nil when the decision names the owner or, bySchedule, the owner's
	// schedule.
	named      *issued
	bySchedule bool
	// idempotencyKey is a create's or a rotation's; repeats means that it was sent
	// before.
	idempotencyKey string
	repeats        bool
	before         knowledge
}

// makesKey tells whether the operation is one that does.
func (o operation) makesKey() bool { return o == create || o == rotate }

func (o operation) isChange() bool { return o.makesKey() || o == deleteOne || o == deleteAll }

// begin settles what the task leaves open. The Idempotency-Key is used for a
// create or a rotation, unless the answer to one like it is missing.
func (o *owner) begin(t task, idempotencyKey string) *call {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &call{operation: o.possible(t.operation), owner: o, before: o.known}
	switch c.operation {
	case decide:
		c.named = o.choose(t.roll)
		c.bySchedule = c.named == nil && t.roll < 90
	case create, rotate:
		c.idempotencyKey = idempotencyKey
		if lost := o.lost[c.operation]; len(lost) > 0 {
			c.idempotencyKey, c.repeats = lost[0], true
			o.lost[c.operation] = lost[1:]
		}
	case deleteOne:
		c.named = o.phasedOut()
	case deleteAll:
		o.known.removals++
		o.known.openRemovals++
	case view:
	}
	if c.operation.isChange() {
		o.known.begun++
		if !c.repeats {
			o.known.open++
		}
	}
	return c
}

// possible is what is done when an operation is drawn: the first request creates
// the key, as does a deletion while there is none; and one that finds no Phased
// out key to delete makes one.
func (o *owner) possible(drawn operation) operation {
	_, hasKey := o.activeAt(o.known.revision)
	isFirst := !o.asked
	o.asked = true
	switch {
	case !hasKey && (isFirst || o.known.open == 0 && (drawn == deleteOne || drawn == deleteAll)):
		return create
	case drawn == deleteOne && o.phasedOut() == nil:
		return rotate
	}
	return drawn
}

// choose is the key that a decision is about: of 10 rolls, 7 are the one that was
// made last, one is another, and 2 are none: one names the schedule and one the
// owner.
func (o *owner) choose(roll int) *issued {
	var usable []issued
	for _, key := range o.keys {
		if key.credential != "" {
			usable = append(usable, key)
		}
	}
	last := len(usable) - 1
	switch {
	case last < 0 || roll >= 80:
		return nil
	case roll < 10 && last > 0:
		return &usable[roll%last]
	default:
		return &usable[last]
	}
}

// phasedOut is the oldest key that is known to be, if there is one.
func (o *owner) phasedOut() *issued {
	for _, key := range o.keys {
		if o.endOf(key) <= o.known.revision && o.deletionOf(key.keyID) == notYet {
			return &key
		}
	}
	return nil
}

// naming is how a decision names its key.
func (c *call) naming() map[string]any {
	switch {
	case c.named != nil:
		return map[string]any{"trigger": "ad_hoc", "credential": c.named.credential}
	case c.bySchedule:
		return map[string]any{"scheduleRef": c.owner.scheduleRef}
	default:
		return c.owner.naming()
	}
}

func (o *owner) naming() map[string]any {
	return map[string]any{"owner": map[string]string{"accountId": o.accountID, "iamId": o.iamID}}
}

// end takes in the answer, and says what of it was not as promised; "" when
// everything was.
func (c *call) end(a answer) string {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	if c.operation.isChange() {
		c.settle(a)
	}
	return c.judge(a)
}

// settle draws a change's conclusions. Only its key proves that a repeated
// change was made; that an answer is refused proves it of a first one.
func (c *call) settle(a answer) {
	switch {
	case c.operation.makesKey() && a.status == 201 && a.isJSON:
		c.close(a.Revision)
		c.owner.learn(issued{keyID: a.Key.ID, credential: a.Credential, revision: a.Revision})
	case !c.operation.makesKey() && a.status == 200 && a.isJSON:
		c.close(a.Revision)
		for _, key := range a.Deleted {
			c.owner.forget(key.ID, a.Revision)
		}
	case a.status >= 500 || a.status < 300:
		c.owner.lose(c)
	case !c.repeats:
		c.close(0)
	}
}

// close notes that it is known what became of the change.
func (c *call) close(revision int64) {
	o := c.owner
	o.known.open--
	if c.operation == deleteAll {
		o.known.openRemovals--
	}
	o.known.revision = max(o.known.revision, revision)
}

// noAnswer remembers that a change may have been made.
func (c *call) noAnswer() {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	c.owner.lose(c)
}

// lose keeps what a create or a rotation is asked again with. What became of a
// deletion, nothing tells: it stays open.
func (o *owner) lose(c *call) {
	if !c.operation.makesKey() {
		return
	}
	if o.lost == nil {
		o.lost = map[operation][]string{}
	}
	o.lost[c.operation] = append(o.lost[c.operation], c.idempotencyKey)
}

// learn puts a key among the others, by revision.
func (o *owner) learn(key issued) {
	at, found := slices.BinarySearchFunc(o.keys, key.revision, func(k issued, revision int64) int {
		return int(k.revision - revision)
	})
	if !found {
		o.keys = slices.Insert(o.keys, at, key)
	}
}

// forget notes the deletion of a key, of which the load may not have heard yet.
func (o *owner) forget(keyID string, revision int64) {
	if o.deletedAt == nil {
		o.deletedAt = map[string]int64{}
	}
	o.deletedAt[keyID] = min(revision, o.deletionOf(keyID))
}

// notYet is the revision of what has not happened, as far as is known.
const notYet int64 = math.MaxInt64

func (o *owner) deletionOf(keyID string) int64 {
	if revision, isDeleted := o.deletedAt[keyID]; isDeleted {
		return revision
	}
	return notYet
}

// endOf is the revision since when a key is known not to be Active.
func (o *owner) endOf(key issued) int64 {
	end := o.deletionOf(key.keyID)
	for _, other := range o.keys {
		if other.revision > key.revision {
			return min(end, other.revision)
		}
	}
	return end
}

// activeAt is the key that was Active at a revision, as far as is known.
func (o *owner) activeAt(revision int64) (key issued, exists bool) {
	for _, k := range slices.Backward(o.keys) {
		if k.revision <= revision {
			return k, o.endOf(k) > revision
		}
	}
	return issued{}, false
}

// keyAt is the key that was made with a revision, if this load knows it.
func (o *owner) keyAt(revision int64) (issued, bool) {
	at := slices.IndexFunc(o.keys, func(k issued) bool { return k.revision == revision })
	if at < 0 {
		return issued{}, false
	}
	return o.keys[at], true
}
