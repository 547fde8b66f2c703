package relay

import "sync"

// maxRecent bounds what an instance remembers: ten batches.
const maxRecent = 1000

// recent are the ids that this instance has added last: records come again with
// one before them that failed, for hours perhaps, and whoever reads mail, or the
// queue of dead letters, should not get one for each time.
type recent struct {
	mu   sync.Mutex
	ids  map[string]struct{}
	ring [maxRecent]string
	next int
}

func (r *recent) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.ids[id]
	return known
}

func (r *recent) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids == nil {
		r.ids = map[string]struct{}{}
	}
	if _, known := r.ids[id]; known {
		return
	}
	delete(r.ids, r.ring[r.next])
	r.ids[id], r.ring[r.next] = struct{}{}, id
	r.next = (r.next + 1) % maxRecent
}
