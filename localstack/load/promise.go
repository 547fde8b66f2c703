package main

import (
	"net/http"
	"slices"
)

// judge says what of an answer was not as promised. What is promised depends on
// what had been answered before the request began, and on whether a change may
// have been made while it was under way. c.owner.mu is held.
func (c *call) judge(a answer) string {
	if broken, general := judgeGeneral(a); general {
		return broken
	}
	switch c.operation {
	case decide:
		return c.judgeDecision(a)
	case view:
		return c.judgeView(a)
	case create:
		return c.judgeCreate(a)
	case rotate:
		return c.judgeRotate(a)
	case deleteOne:
		return c.judgeDeleteOne(a)
	case deleteAll:
		return c.judgeDeleteAll(a)
	}
	return ""
}

// judgeGeneral judges what every operation may be answered with.
func judgeGeneral(a answer) (broken string, general bool) {
	switch {
	case a.status == http.StatusServiceUnavailable && a.Code != "":
		return wantRetryAfter(a), true
	case a.status == http.StatusTooManyRequests && (a.Code == "too_many_requests" || a.Code == ""):
		return "", true // the gateway's own; emulators have no code for it
	case a.status >= 500 || !a.isJSON:
		return "the answer is not one of the contract's", true
	}
	return "", false
}

func wantRetryAfter(a answer) string {
	if !a.retryAfter {
		return "no Retry-After"
	}
	return ""
}

// isQuiet tells whether no other change can have been made since the call began.
func (c *call) isQuiet() bool {
	return c.before.open == 0 && c.owner.known.begun == c.before.begun+count(c.operation.isChange())
}

// hadKey tells whether the owner must have had an Active key all the time since
// the call began: there was one, and no deletion of all keys can have been made.
func (c *call) hadKey() bool {
	_, exists := c.owner.activeAt(c.before.revision)
	return exists && c.before.openRemovals == 0 &&
		c.owner.known.removals == c.before.removals+count(c.operation == deleteAll)
}

// hadNoKey tells whether the owner cannot have had an Active key since then.
func (c *call) hadNoKey() bool {
	_, exists := c.owner.activeAt(c.before.revision)
	return !exists && c.isQuiet()
}

func count(isOne bool) int {
	if isOne {
		return 1
	}
	return 0
}

func (c *call) judgeDecision(a answer) string {
	switch {
	case a.status != http.StatusOK:
		return "a well-formed question got no decision"
	case a.Allowed != (a.Reason == "key_active"):
		return "allowed and reason contradict each other"
	case c.named != nil:
		return c.judgePresented(a)
	case c.bySchedule && !a.Allowed && a.Reason != "no_active_key":
		return "a schedule that follows the Active key is refused for another reason than no_active_key"
	default:
		return c.judgeOwner(a)
	}
}

// judgePresented judges the decision about a credential.
func (c *call) judgePresented(a answer) string {
	ended := c.owner.endOf(*c.named) <= c.before.revision
	switch {
	case a.Allowed && ended:
		return "an old credential is allowed, though its rotation or deletion was answered before the question"
	case !a.Allowed && !ended && c.isQuiet():
		return "the Active key's credential is refused"
	case a.Reason == "key_unknown" && !c.owner.isNew:
		return "" // only the last ten deleted keys are remembered, and there were others
	case !a.Allowed && !c.mayBe(a.Reason):
		return "an old credential is refused for another reason than that it is Phased out, or deleted"
	case a.Key.ID != c.named.keyID:
		return "the decision names another key than the credential's"
	}
	return ""
}

// mayBe tells whether an old key can have been Phased out, or deleted, when the
// question was answered.
func (c *call) mayBe(reason string) bool {
	deleted := c.owner.deletionOf(c.named.keyID)
	switch reason {
	case "key_phased_out":
		return deleted > c.before.revision
	case "key_deleted":
		return deleted != notYet || !c.isQuiet()
	}
	return false
}

// judgeOwner judges the decision about an owner's Active key, whichever it is:
// of a schedule that follows it, the same is promised.
func (c *call) judgeOwner(a answer) string {
	current, exists := c.owner.activeAt(c.before.revision)
	switch {
	case !a.Allowed && a.Reason != "no_active_key":
		return "a question about an owner is refused for another reason than no_active_key"
	case !a.Allowed && c.hadKey():
		return "an owner with a key has no Active key"
	case a.Allowed && c.hadNoKey():
		return "an owner without a key has an Active key"
	case a.Allowed && c.isOld(a.Key.ID):
		return "the decision names an old key, though its rotation or deletion was answered before the question"
	case a.Allowed && exists && c.isQuiet() && a.Key.ID != current.keyID:
		return "the decision names another key than the Active one"
	}
	return ""
}

// isOld tells whether a key cannot have been Active any more when the call began.
func (c *call) isOld(keyID string) bool {
	for _, key := range c.owner.keys {
		if key.keyID == keyID {
			return c.owner.endOf(key) <= c.before.revision
		}
	}
	return false
}

func (c *call) judgeView(a answer) string {
	switch {
	case a.status != http.StatusOK:
		return "a user is not shown their keys"
	case a.Revision < c.before.revision:
		return "a view is older than a change that was answered before"
	case c.isQuiet() && a.Revision != c.before.revision:
		return "a view has a revision that nobody made"
	case a.Active == nil && c.hadKey():
		return "a view shows no Active key, though there is one"
	case a.Active != nil && c.hadNoKey():
		return "a view shows an Active key, though there is none"
	case a.Active != nil && c.isOld(a.Active.ID):
		return "a view shows an old key as Active"
	}
	return ""
}

func (c *call) judgeCreate(a answer) string {
	switch {
	case a.status == http.StatusCreated && c.hadKey() && !c.repeats:
		return "a second Active key was created"
	case a.status == http.StatusConflict && a.Code == "active_key_exists":
		if c.hadNoKey() {
			return "a first key is refused because there is an Active one"
		}
		return ""
	}
	return c.judgeMaking(a)
}

func (c *call) judgeRotate(a answer) string {
	switch {
	case a.status == http.StatusCreated && c.hadNoKey():
		return "a key was rotated where there was none"
	case a.status == http.StatusConflict && a.Code == "no_active_key":
		if c.hadKey() {
			return "an owner with a key has no Active key"
		}
		return ""
	case a.status == http.StatusConflict && a.Code == "too_many_phased_out_keys":
		if c.owner.isNew {
			return "a new owner has too many keys"
		}
		return ""
	}
	return c.judgeMaking(a)
}

// judgeMaking judges what creates and rotations have in common.
func (c *call) judgeMaking(a answer) string {
	made := len(c.owner.keys)
	switch {
	case a.status == http.StatusCreated:
		return c.judgeKey(a, made)
	case a.status == http.StatusTooManyRequests && a.Code == "rotation_rate_exceeded":
		if c.owner.isNew && made+c.owner.known.open < allowance {
			return "an owner got fewer keys than the allowance"
		}
		return wantRetryAfter(a)
	}
	return judgeConflict(a)
}

// judgeConflict judges what every change may be answered with besides.
func judgeConflict(a answer) string {
	if a.status == http.StatusConflict && a.Code == "conflict" {
		return wantRetryAfter(a)
	}
	return "the answer is not one of the contract's"
}

func (c *call) judgeKey(a answer, made int) string {
	key, _ := c.owner.keyAt(a.Revision)
	switch {
	case a.Key.ID == "" || a.Revision < 1:
		return "the answer names no key or no revision"
	case key.keyID != a.Key.ID:
		return "two keys were made with one revision"
	case c.repeats:
		return "" // long since replaced, perhaps
	case a.Credential == "":
		return "a new key came without its credential"
	case a.Revision <= c.before.revision:
		return "a change has a revision that was taken before"
	case c.owner.isNew && made > allowance:
		return "an owner got more keys than the allowance"
	}
	return ""
}

func (c *call) judgeDeleteOne(a answer) string {
	switch {
	case a.status == http.StatusOK && (len(a.Deleted) != 1 || a.Deleted[0].ID != c.named.keyID):
		return "another key was deleted than the one that was named"
	case a.status == http.StatusOK:
		return c.judgeDeletion(a)
	case a.status == http.StatusNotFound && a.Code == "key_not_found":
		if c.isQuiet() {
			return "a Phased out key is not found"
		}
		return ""
	}
	return judgeConflict(a)
}

func (c *call) judgeDeleteAll(a answer) string {
	if a.status != http.StatusOK {
		return judgeConflict(a)
	}
	current, exists := c.owner.activeAt(c.before.revision)
	isDeleted := slices.ContainsFunc(a.Deleted, func(key struct{ ID string }) bool { return key.ID == current.keyID })
	switch {
	case exists && c.isQuiet() && !isDeleted, len(a.Deleted) == 0 && c.hadKey():
		return "a deletion of all keys left the Active one"
	case len(a.Deleted) > 0:
		return c.judgeDeletion(a)
	}
	return ""
}

func (c *call) judgeDeletion(a answer) string {
	if a.Revision <= c.before.revision {
		return "a change has a revision that was taken before"
	}
	return ""
}
