package storetest

import (
	"encoding/json"
	"strings"
)

// Backup keeps the table as it is; restore brings it back to that, whatever was
// written since. The indexes know of it later, as of any write.
func (e *Engine) Backup() (restore func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept, err := json.Marshal(e.items.byKey)
	if err != nil {
		panic(err)
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		var byKey map[string]item
		if err := json.Unmarshal(kept, &byKey); err != nil {
			panic(err)
		}
		for key, it := range e.items.byKey {
			e.leaveBehind(key, it, nil)
		}
		e.items, e.previous = newShelf(), newShelf()
		for key, it := range byKey {
			partition, _, _ := strings.Cut(key, "\x00")
			e.leaveBehind(key, nil, it)
			e.items.put(partition, key, it)
		}
	}
}
