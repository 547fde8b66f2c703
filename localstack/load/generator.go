package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// grace is how late the last request may begin. The clock of an operating
	// system is not exact enough for none.
	grace = 100 * time.Millisecond
	// patience is how long after a Ctrl-C an answer may still come. A change that
	// is broken off may yet be made, and its key would escape the clean-up.
	patience = time.Second
)

// generator sends a load.
type generator struct {
	settings settings
	service  *service
	results  *results
	owners   []*owner
	now      func() time.Time
	out      io.Writer
	// name tells this load's owners and changes from any other's.
	name    string
	changes atomic.Int64
}

// load sends requests until the time is over or the context ends, and waits for
// the answers.
func (g *generator) load(ctx context.Context) summary {
	start := g.now()
	done := make(chan struct{})
	var progress sync.WaitGroup
	progress.Go(func() { g.showProgress(start, done) })

	offered := g.send(ctx, start)
	close(done)
	progress.Wait()
	took := g.now().Sub(start)
	if ctx.Err() == nil {
		took = max(took, g.settings.duration) // also when the last answer came before
	}
	return g.results.summarize(g.settings, offered, took)
}

// send answers how many requests were due.
func (g *generator) send(ctx context.Context, start time.Time) int {
	// A Ctrl-C stops the sending; the answers have a little longer to come.
	answering, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(patience, breakOff) })()
	sending, cancel := context.WithTimeout(ctx, g.settings.duration+grace)
	defer cancel()
	// Requests that are due wait here for one that is in flight to end.
	places := make(chan struct{}, g.settings.inFlight)
	var inFlight sync.WaitGroup
	defer inFlight.Wait()

	draws := newPlan(g.settings.mix, g.owners)
	all := g.dueBefore(g.settings.duration)
	for n := range all {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(g.settings.rate))
		if !g.waitUntil(sending, due) || !enter(sending, places) {
			return max(n, g.dueBefore(min(g.now().Sub(start), g.settings.duration)))
		}
		t := draws.next()
		g.results.start(g.now().Sub(due))
		inFlight.Go(func() {
			defer func() { <-places }()
			g.perform(answering, t, due)
		})
	}
	return all
}

// dueBefore is how many requests are due before so much time has passed.
func (g *generator) dueBefore(passed time.Duration) int {
	return int((passed*time.Duration(g.settings.rate) + time.Second - 1) / time.Second)
}

// waitUntil answers false when the context ends first.
func (g *generator) waitUntil(ctx context.Context, due time.Time) bool {
	if wait := due.Sub(g.now()); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// enter takes a place as soon as there is one; it answers false when the context
// ends first.
func enter(ctx context.Context, places chan<- struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// perform sends one request, and counts and judges its answer.
func (g *generator) perform(ctx context.Context, t task, due time.Time) {
	c := t.owner.begin(t, fmt.Sprintf("load-%s-%d", g.name, g.changes.Add(1)))
	a, err := g.ask(ctx, c)
	latency := g.now().Sub(due)
	if err != nil {
		c.noAnswer()
		if ctx.Err() != nil {
			g.results.breakOff()
			return
		}
		why := whyNoAnswer(err)
		g.results.end(c.operation, why, never)
		g.results.breaks(c.operation, why, c.owner.iamID)
		return
	}
	broken := c.end(a)
	g.results.end(c.operation, a.outcome(), latency)
	if broken != "" {
		g.results.breaks(c.operation, broken, fmt.Sprintf("%s: %s", c.owner.iamID, a.outcome()))
	}
}

func (g *generator) ask(ctx context.Context, c *call) (answer, error) {
	switch c.operation {
	case decide:
		return g.service.decide(ctx, c.naming())
	case view:
		return g.service.view(ctx, c.owner)
	case create:
		return g.service.create(ctx, c.owner, c.idempotencyKey)
	case rotate:
		return g.service.rotate(ctx, c.owner, c.idempotencyKey)
	case deleteOne:
		return g.service.deleteOne(ctx, c.owner, c.named.keyID)
	case deleteAll:
		return g.service.deleteAll(ctx, c.owner)
	}
	return answer{}, errors.ErrUnsupported
}

// showProgress prints a line every second.
func (g *generator) showProgress(start time.Time, done <-chan struct{}) {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
			p := g.results.pulse()
			fmt.Fprintf(g.out, "%4.0f s  begun %4d  ended %4d  in flight %3d  p50 %8s  p99 %8s  not as promised %d\n",
				g.now().Sub(start).Seconds(), p.started, len(p.latencies), p.inFlight,
				shownPercentile(p.latencies, 50), shownPercentile(p.latencies, 99), p.broken)
		}
	}
}
