package main

import (
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
	// keys that this load has made, by revision.
	keys []issued
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
	// hasKey means that there is an Active key. Once there is one, a load leaves
	// the owner with one at every instant.
	hasKey bool
	// begun counts the changes that were asked for.
	begun int
	// open counts those of which it is not known whether they were made.
	open int
}

// issued is a key that an answer has told. It was Active from its revision to
// the next one.
type issued struct {
	keyID      string
	credential string // "" when only a repeated answer told of it
	revision   int64
}

// isFirst tells whether this is the first request about an owner without a key.
func (o *owner) isFirst() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := !o.asked && !o.known.hasKey
	o.asked = true
	return first
}

// call is a request about an owner, with what was known when it began.
type call struct {
	operation operation
	owner     *owner
	// named is the key whose credential a decision presents; nil when it names
	// the owner or, bySchedule, the owner's schedule.
	named      *issued
	bySchedule bool
	// idempotencyKey is a change's; repeats means that it was sent before.
	idempotencyKey string
	repeats        bool
	before         knowledge
}

// begin settles what the task leaves open. The Idempotency-Key is used for a
// change, unless the answer to one like it is missing.
func (o *owner) begin(t task, idempotencyKey string) *call {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &call{operation: t.operation, owner: o, before: o.known}
	switch t.operation {
	case decide:
		c.named = o.choose(t.roll)
		c.bySchedule = c.named == nil && t.roll < 90
	case create, rotate:
		c.idempotencyKey = idempotencyKey
		if lost := o.lost[t.operation]; len(lost) > 0 {
			c.idempotencyKey, c.repeats = lost[0], true
			o.lost[t.operation] = lost[1:]
		} else {
			o.known.open++
		}
		o.known.begun++
	case view:
	}
	return c
}

// choose is the key that a decision is about: of 10 rolls, 7 are the one that is
// Active, as far as is known, one is another, and 2 are none: one names the
// schedule and one the owner.
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
	if c.operation == create || c.operation == rotate {
		c.settle(a)
	}
	return c.judge(a)
}

// settle draws a change's conclusions. Only its key proves that a repeated
// change was made; that an answer is refused proves it of a first one.
func (c *call) settle(a answer) {
	o := c.owner
	switch {
	case a.status == 201 && a.isJSON:
		o.known.open--
		o.known.hasKey = true
		o.known.revision = max(o.known.revision, a.Revision)
		o.learn(issued{keyID: a.Key.ID, credential: a.Credential, revision: a.Revision})
	case a.status >= 500 || a.status == 201:
		o.lose(c)
	case !c.repeats:
		o.known.open--
	}
}

// noAnswer remembers that a change may have been made.
func (c *call) noAnswer() {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	if c.operation == create || c.operation == rotate {
		c.owner.lose(c)
	}
}

func (o *owner) lose(c *call) {
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

// keyAt is the key that was made with a revision, if this load knows it.
func (o *owner) keyAt(revision int64) (issued, bool) {
	at := slices.IndexFunc(o.keys, func(k issued) bool { return k.revision == revision })
	if at < 0 {
		return issued{}, false
	}
	return o.keys[at], true
}
