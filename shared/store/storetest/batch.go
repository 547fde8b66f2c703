package storetest

import "slices"

// SetBatchSize makes a batch leave every key beyond the n-th unprocessed, as
// DynamoDB may do at any time; 0 leaves none.
func (e *Engine) SetBatchSize(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batchSize = n
}

// SetPause has something happen between the reads of a batch, which is no
// snapshot: what other requests do then is in what it reads next.
func (e *Engine) SetPause(pause func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pause = pause
}

func (e *Engine) transactGetItems(body []byte) (any, *refusal) {
	var request struct {
		TransactItems []struct{ Get getRequest }
	}
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	responses := make([]any, len(request.TransactItems))
	for i, action := range request.TransactItems {
		response, err := e.get(action.Get, e.items)
		if err != nil {
			return nil, err
		}
		responses[i] = response
	}
	return map[string]any{"Responses": responses}, nil
}

// maxBatchKeys is how many keys a batch may have.
const maxBatchKeys = 100

type keysAndAttributes struct {
	Keys           []item
	ConsistentRead bool
}

func (e *Engine) batchGetItem(body []byte) (any, *refusal) {
	var request struct {
		RequestItems map[string]keysAndAttributes
	}
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	asked, ok := request.RequestItems[Table]
	if !ok || len(request.RequestItems) != 1 {
		return nil, invalid("the engine has one table")
	}
	if len(asked.Keys) == 0 || len(asked.Keys) > maxBatchKeys {
		return nil, invalid("Too many items requested for the BatchGetItem call")
	}
	found, seen := []item{}, map[string]bool{}
	unprocessed := keysAndAttributes{ConsistentRead: asked.ConsistentRead}
	for _, attributes := range asked.Keys {
		e.waitBetweenReads(len(seen))
		source := e.seen(asked.ConsistentRead)
		key, err := e.keyOf(Table, attributes)
		switch {
		case err != nil:
			return nil, err
		case seen[key]:
			return nil, invalid("Provided list of item keys contains duplicates")
		case e.batchSize > 0 && len(seen) >= e.batchSize:
			unprocessed.Keys = append(unprocessed.Keys, attributes)
		case source.byKey[key] != nil:
			found = append(found, source.byKey[key])
		}
		seen[key] = true
	}
	// DynamoDB promises no order.
	slices.Reverse(found)
	answer := map[string]any{"Responses": map[string]any{Table: found}, "UnprocessedKeys": map[string]any{}}
	if len(unprocessed.Keys) > 0 {
		answer["UnprocessedKeys"] = map[string]any{Table: unprocessed}
	}
	return answer, nil
}

// waitBetweenReads lets other requests at the table before every read but the
// first. The engine's lock is held before and after.
func (e *Engine) waitBetweenReads(reads int) {
	if pause := e.pause; pause != nil && reads > 0 {
		e.mu.Unlock()
		pause()
		e.mu.Lock()
	}
}
