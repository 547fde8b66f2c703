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

// grace is how late the last request may begin. The clock of an operating
// system is not exact enough for none.
const grace = 100 * time.Millisecond

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
// the answers; the end of the context breaks those off that are in flight.
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
func (g *generator) send(ctx context.Context, start time.Time) (offered int) {
	end := start.Add(g.settings.duration)
	over := time.NewTimer(g.settings.duration + grace)
	defer over.Stop()
	// Requests that are due wait here for one that is in flight to end.
	places := make(chan struct{}, g.settings.inFlight)
	var inFlight sync.WaitGroup
	defer inFlight.Wait()

	draws := newPlan(g.settings.seed, g.settings.mix, g.owners)
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(g.settings.rate))
		if !due.Before(end) {
			return n
		}
		if !g.waitUntil(ctx, due) {
			return n
		}
		select {
		case places <- struct{}{}:
			if g.now().Sub(end) > grace {
				return g.dueBefore(g.settings.duration)
			}
		case <-over.C:
			return g.dueBefore(g.settings.duration)
		case <-ctx.Done():
			return g.dueBefore(g.now().Sub(start))
		}
		t := draws.next()
		g.results.start(g.now().Sub(due))
		inFlight.Go(func() {
			defer func() { <-places }()
			g.perform(ctx, t, due)
		})
	}
}

// dueBefore is how many requests are due before so much time has passed.
func (g *generator) dueBefore(passed time.Duration) int {
	interval := time.Second / time.Duration(g.settings.rate)
	return int((passed + interval - 1) / interval)
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
		g.results.end(c.operation, why, latency, false)
		g.results.breaks(c.operation, why, c.owner.iamID)
		return
	}
	broken := c.end(a)
	g.results.end(c.operation, a.outcome(), latency, true)
	if broken != "" {
		g.results.breaks(c.operation, broken, fmt.Sprintf("%s: %s", c.owner.iamID, a.outcome()))
	}
}

func (g *generator) ask(ctx context.Context, c *call) (answer, error) {
	switch c.operation {
	case decide:
		if c.named != nil {
			return g.service.decide(ctx, c.owner, c.named.credential)
		}
		return g.service.decide(ctx, c.owner, "")
	case view:
		return g.service.view(ctx, c.owner)
	case create:
		return g.service.create(ctx, c.owner, c.idempotencyKey)
	case rotate:
		return g.service.rotate(ctx, c.owner, c.idempotencyKey)
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
