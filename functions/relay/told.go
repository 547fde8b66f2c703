package relay

import "sync"

// maxTold bounds what an instance remembers: ten batches.
const maxTold = 1000

// told remembers which notices this instance has announced last: records come
// again with one before them that failed, for hours perhaps, and whoever reads
// mail should not get one for each time.
type told struct {
	mu   sync.Mutex
	ids  map[string]struct{}
	ring [maxTold]string
	next int
}

func (t *told) has(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.ids[id]
	return known
}

func (t *told) add(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil {
		t.ids = map[string]struct{}{}
	}
	if _, known := t.ids[id]; known {
		return
	}
	delete(t.ids, t.ring[t.next])
	t.ids[id], t.ring[t.next] = struct{}{}, id
	t.next = (t.next + 1) % maxTold
}
