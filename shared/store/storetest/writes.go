package storetest

import (
	"crypto/sha256"
	"strings"
)

type putRequest struct {
	condition
	Item item
}

type deleteRequest struct {
	condition
	Key item
}

// checkRequest is a condition alone.
type checkRequest struct {
	condition
	Key item
}

type writeAction struct {
	Put            *putRequest
	Delete         *deleteRequest
	ConditionCheck *checkRequest
}

// Bounds of a transaction: actions, and bytes of all its items together.
const (
	maxActions          = 100
	maxTransactionBytes = 4 << 20
)

func (e *Engine) transactWriteItems(body []byte) (any, *refusal) {
	var request struct {
		ClientRequestToken string
		TransactItems      []writeAction
	}
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	if n := len(request.TransactItems); n == 0 || n > maxActions {
		return nil, invalid("Member must have length less than or equal to 100, and not be empty")
	}
	sent := sha256.Sum256(canonical(body))
	if seen, ok := e.tokens[request.ClientRequestToken]; ok {
		if seen != sent {
			return nil, &refusal{Type: typePrefix + "IdempotentParameterMismatchException", Message: "the token was used for another transaction"}
		}
		return map[string]any{}, nil
	}
	writes := map[string]item{} // nil deletes
	checked := map[string]bool{}
	reasons := make([]cancellationReason, len(request.TransactItems))
	cancelled, bytes := false, 0
	for i, action := range request.TransactItems {
		key, after, holds, err := e.consider(action)
		if err != nil {
			return nil, err
		}
		if _, twice := writes[key]; twice || checked[key] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		if action.ConditionCheck != nil {
			checked[key] = true
		} else {
			writes[key] = after
		}
		bytes += sizeOf(after)
		reasons[i].Code = "None"
		if !holds {
			reasons[i].Code = "ConditionalCheckFailed"
			cancelled = true
		}
	}
	switch {
	case bytes > maxTransactionBytes:
		return nil, invalid("Transaction size exceeded: the items have more than 4 MB")
	case cancelled:
		return nil, &refusal{Type: typePrefix + "TransactionCanceledException", Message: "Transaction cancelled", CancellationReasons: reasons}
	}
	for key, after := range writes {
		e.write(key, after)
	}
	if request.ClientRequestToken != "" {
		e.tokens[request.ClientRequestToken] = sent
	}
	return map[string]any{}, nil
}

// consider is what one action of a transaction comes to, and whether its
// condition holds.
func (e *Engine) consider(action writeAction) (key string, after item, holds bool, refused *refusal) {
	var wait condition
	var named item
	switch {
	case action.Put != nil && action.Delete == nil && action.ConditionCheck == nil:
		wait, named, after = action.Put.condition, action.Put.Item, action.Put.Item
	case action.Delete != nil && action.Put == nil && action.ConditionCheck == nil:
		wait, named = action.Delete.condition, action.Delete.Key
	case action.ConditionCheck != nil && action.Put == nil && action.Delete == nil:
		wait, named = action.ConditionCheck.condition, action.ConditionCheck.Key
		if wait.ConditionExpression == "" {
			return "", nil, false, invalid("a ConditionCheck needs its condition")
		}
	default:
		return "", nil, false, invalid("the engine knows a Put, a Delete or a ConditionCheck, and no other action")
	}
	if wait.ReturnValuesOnConditionCheckFailure != "" {
		return "", nil, false, invalid("the engine returns no item of a transaction")
	}
	if err := wait.check(wait.ConditionExpression); err != nil {
		return "", nil, false, invalid(err.Error())
	}
	if key, refused = e.keyOf(wait.TableName, named); refused != nil {
		return "", nil, false, refused
	}
	if refused := fits(after); refused != nil {
		return "", nil, false, refused
	}
	holds, refused = wait.holds(e.items.byKey[key])
	return key, after, holds, refused
}

func (e *Engine) putItem(body []byte) (any, *refusal) {
	var request putRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	key, err := e.keyOf(request.TableName, request.Item)
	if err != nil {
		return nil, err
	}
	if err := request.check(request.ConditionExpression); err != nil {
		return nil, invalid(err.Error())
	}
	if err := fits(request.Item); err != nil {
		return nil, err
	}
	if err := e.await(request.condition, key); err != nil {
		return nil, err
	}
	e.write(key, request.Item)
	return map[string]any{}, nil
}

func (e *Engine) deleteItem(body []byte) (any, *refusal) {
	var request deleteRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	key, err := e.keyOf(request.TableName, request.Key)
	if err != nil {
		return nil, err
	}
	if err := request.check(request.ConditionExpression); err != nil {
		return nil, invalid(err.Error())
	}
	if err := e.await(request.condition, key); err != nil {
		return nil, err
	}
	e.write(key, nil)
	return map[string]any{}, nil
}

// await refuses a write of one item whose condition does not hold.
func (e *Engine) await(wait condition, key string) *refusal {
	if wait.ReturnValuesOnConditionCheckFailure != "" && wait.ReturnValuesOnConditionCheckFailure != "ALL_OLD" {
		return invalid("the engine returns ALL_OLD or nothing")
	}
	holds, err := wait.holds(e.items.byKey[key])
	if err != nil || holds {
		return err
	}
	failed := &refusal{Type: typePrefix + "ConditionalCheckFailedException", Message: "The conditional request failed"}
	if wait.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
		failed.Item = e.items.byKey[key]
	}
	return failed
}

// write makes a change, and keeps what was there for reads that may be stale.
func (e *Engine) write(key string, after item) {
	partition, _, _ := strings.Cut(key, "\x00")
	before := e.items.byKey[key]
	if before != nil {
		e.previous.put(partition, key, before)
	}
	e.leaveBehind(key, before, after)
	if after == nil {
		e.items.remove(partition, key)
		return
	}
	e.items.put(partition, key, after)
}
