package storetest

import "maps"

// condition is what a write waits for.
type condition struct {
	TableName                           string
	ConditionExpression                 string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]value
	ReturnValuesOnConditionCheckFailure string
}

type putRequest struct {
	condition
	Item item
}

type deleteRequest struct {
	condition
	Key item
}

type updateRequest struct {
	condition
	Key              item
	UpdateExpression string
	ReturnValues     string
}

// maxActions is how many actions a transaction may have.
const maxActions = 100

func (e *Engine) transactWriteItems(body []byte) (any, *refusal) {
	var request struct {
		ClientRequestToken string
		TransactItems      []struct {
			Put    *putRequest
			Delete *deleteRequest
		}
	}
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	if n := len(request.TransactItems); n == 0 || n > maxActions {
		return nil, invalid("Member must have length less than or equal to 100, and not be empty")
	}
	sent := canonical(body)
	if seen, ok := e.tokens[request.ClientRequestToken]; ok {
		if seen != sent {
			return nil, &refusal{Type: typePrefix + "IdempotentParameterMismatchException", Message: "the token was used for another transaction"}
		}
		return map[string]any{}, nil
	}
	reasons := make([]cancellationReason, len(request.TransactItems))
	writes := map[string]item{} // nil deletes
	cancelled := false
	for i, action := range request.TransactItems {
		var (
			wait  condition
			named item
			after item
		)
		switch {
		case action.Put != nil:
			wait, named, after = action.Put.condition, action.Put.Item, action.Put.Item
		case action.Delete != nil:
			wait, named = action.Delete.condition, action.Delete.Key
		default:
			return nil, invalid("the engine knows Put and Delete only")
		}
		key, err := e.keyOf(wait.TableName, named)
		if err != nil {
			return nil, err
		}
		if _, twice := writes[key]; twice {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		writes[key] = after
		holds, err := wait.holds(e.items[key])
		if err != nil {
			return nil, err
		}
		reasons[i].Code = "None"
		if !holds {
			reasons[i].Code = "ConditionalCheckFailed"
			cancelled = true
		}
	}
	if cancelled {
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

func (e *Engine) updateItem(body []byte) (any, *refusal) {
	var request updateRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	key, err := e.keyOf(request.TableName, request.Key)
	if err != nil {
		return nil, err
	}
	if err := e.await(request.condition, key); err != nil {
		return nil, err
	}
	after := maps.Clone(e.items[key])
	if after == nil {
		after = maps.Clone(request.Key)
	}
	if updateErr := request.apply(after); updateErr != nil {
		return nil, invalid(updateErr.Error())
	}
	e.write(key, after)
	if request.ReturnValues == "ALL_NEW" {
		return map[string]any{"Attributes": after}, nil
	}
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
	if err := e.await(request.condition, key); err != nil {
		return nil, err
	}
	e.write(key, nil)
	return map[string]any{}, nil
}

// await refuses a write of one item whose condition does not hold.
func (e *Engine) await(wait condition, key string) *refusal {
	holds, err := wait.holds(e.items[key])
	if err != nil || holds {
		return err
	}
	failed := &refusal{Type: typePrefix + "ConditionalCheckFailedException", Message: "The conditional request failed"}
	if wait.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
		failed.Item = e.items[key]
	}
	return failed
}

func (c condition) holds(it item) (bool, *refusal) {
	holds, err := c.evaluate(it)
	if err != nil {
		return false, invalid(err.Error())
	}
	return holds, nil
}

// write makes a change, and keeps what was there for reads that may be stale.
func (e *Engine) write(key string, after item) {
	if before, ok := e.items[key]; ok {
		e.previous[key] = before
	}
	if after == nil {
		delete(e.items, key)
		return
	}
	e.items[key] = after
}
