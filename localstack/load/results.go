package main

import (
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// late is from when on a request is counted as begun late.
	late = 10 * time.Millisecond
	// never is the latency of a request without an answer. A connection that is
	// refused at once must not pass for a fast answer.
	never time.Duration = math.MaxInt64
)

// results collects what came of the requests.
type results struct {
	mu        sync.Mutex
	answers   map[operation]map[string][]time.Duration
	broken    map[promise]*breach
	started   int
	answered  int
	lost      int
	brokenOff int
	late      int
	latest    time.Duration
	// recent are the latencies since the last line of progress.
	recent        []time.Duration
	recentStarted int
}

// promise is a kind of answer that was not as promised.
type promise struct {
	operation operation
	what      string
}

// breach is how often that happened, and one case of it.
type breach struct {
	promise
	count   int
	example string
}

func newResults() *results {
	return &results{answers: map[operation]map[string][]time.Duration{}, broken: map[promise]*breach{}}
}

// start counts a request that begins so much later than it was due.
func (r *results) start(lateness time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started++
	r.recentStarted++
	if lateness > late {
		r.late++
	}
	r.latest = max(r.latest, lateness)
}

// end counts what came of a request.
func (r *results) end(o operation, outcome string, latency time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if latency == never {
		r.lost++
	} else {
		r.answered++
	}
	if r.answers[o] == nil {
		r.answers[o] = map[string][]time.Duration{}
	}
	r.answers[o][outcome] = append(r.answers[o][outcome], latency)
	r.recent = append(r.recent, latency)
}

func (r *results) breakOff() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.brokenOff++
}

func (r *results) breaks(o operation, what, example string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := promise{operation: o, what: what}
	if r.broken[kind] == nil {
		r.broken[kind] = &breach{promise: kind, example: example}
	}
	r.broken[kind].count++
}

// pulse is the time since the last line of progress.
type pulse struct {
	started, inFlight, broken int
	latencies                 []time.Duration // in order
}

func (r *results) pulse() pulse {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := pulse{started: r.recentStarted, inFlight: r.started - r.answered - r.lost - r.brokenOff, latencies: r.recent}
	for _, breach := range r.broken {
		p.broken += breach.count
	}
	r.recent, r.recentStarted = nil, 0
	slices.Sort(p.latencies)
	return p
}

// percentile is the nearest rank: of latencies in order, the lowest that so
// many percent do not exceed; 0 when there are none.
func percentile(ordered []time.Duration, percent int) time.Duration {
	if len(ordered) == 0 {
		return 0
	}
	rank := (len(ordered)*percent + 99) / 100
	return ordered[max(rank, 1)-1]
}
