package proof

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
)

// ageOfKeys is what the clock has to do with in these proofs, and noticeOfRotation
// how long before it tells that it will, in days.
const (
	ageOfKeys        = 30
	noticeOfRotation = 7
)

// work is something that changes keys and whose process may die.
type work struct {
	name  string
	given func(*scene)
	do    func(*scene)
	// ofClock tells that it is the clock's, which nobody waits for.
	ofClock bool
}

func works() []work {
	hasRotatedBefore := func(days int) func(*scene) {
		return func(s *scene) {
			s.hasRotated()
			s.pass(time.Duration(days) * 24 * time.Hour)
		}
	}
	return []work{
		{name: "create", given: func(*scene) {}, do: func(s *scene) { s.create("") }},
		{name: "rotate", given: (*scene).hasRotated, do: func(s *scene) { s.rotate("") }},
		{name: "delete one", given: (*scene).hasRotated, do: func(s *scene) { s.deleteOne(s.issued[0].Key.ID) }},
		{name: "delete all", given: (*scene).hasRotated, do: func(s *scene) { s.deleteAll() }},
		{name: "delete all and create", given: (*scene).hasRotated, do: func(s *scene) { s.deleteAll(); s.create("") }},
		{name: "off-board", given: (*scene).hasRotated, do: func(s *scene) { s.offBoard() }},
		{name: "sweep that announces", given: hasRotatedBefore(ageOfKeys - noticeOfRotation), do: (*scene).sweep, ofClock: true},
		{name: "sweep that rotates", given: hasRotatedBefore(ageOfKeys + 1), do: (*scene).sweep, ofClock: true},
	}
}

func (s *scene) pass(d time.Duration) { <-time.After(d) }

func (s *scene) sweep() {
	if table, lags := s.backend.Table.(interface{ CatchUp() }); lags {
		table.CatchUp()
	}
	// Of one that died, nobody reads the answer.
	_, _ = s.process.Sweep(s.ctx)
}

// disturbance is what happens to the relay at one of its remote calls.
type disturbance struct {
	name string
	// apply decides what becomes of the call; other is another process, and batch
	// what the relay was given.
	apply func(i *injection, s *scene, batch []events.DynamoDBEventRecord) awstest.Fault
	// goesOn is the fault's; nil is never.
	goesOn func(first, later remoteCall) bool
}

func (d disturbance) fault(i *injection, s *scene, batch []events.DynamoDBEventRecord) fault {
	what := d.apply(i, s, batch)
	f := fault{goesOn: never, apply: func(_ *injection, call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		return what(call, next)
	}}
	if d.goesOn != nil {
		f.goesOn = d.goesOn
	}
	return f
}

func disturbances() []disturbance {
	around := func(name string, before, after func(*scene, []events.DynamoDBEventRecord)) disturbance {
		return disturbance{name: name, apply: func(_ *injection, s *scene, batch []events.DynamoDBEventRecord) awstest.Fault {
			return func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
				before(s, batch)
				defer after(s, batch)
				return next()
			}
		}}
	}
	nothing := func(*scene, []events.DynamoDBEventRecord) {}
	another := func(s *scene, batch []events.DynamoDBEventRecord) { _, _ = s.backend.Start().Relay(s.ctx, batch) }
	return []disturbance{
		{name: "it dies after it", apply: func(i *injection, _ *scene, _ []events.DynamoDBEventRecord) awstest.Fault {
			return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
				return die(i, call, next)
			}
		}},
		around("keys change before it", (*scene).changeMeanwhile, nothing),
		around("keys change after it", nothing, (*scene).changeMeanwhile),
		around("another relay comes before it", another, nothing),
		around("another relay comes after it", nothing, another),
	}
}

// changeMeanwhile is a later change, by a process that lives: a rotation, or a
// create when there is nothing to rotate.
func (s *scene) changeMeanwhile([]events.DynamoDBEventRecord) {
	process, ctx := s.process, s.ctx
	defer func() { s.process, s.ctx = process, ctx }()
	s.process, s.ctx = s.backend.Start(), s.t.Context()
	if s.rotate("").Status == http.StatusConflict {
		s.create("")
	}
}

// Deaths has the process of every change of keys die after each of its remote
// calls, and then disturbs the relay, in every way, at each of its own. In the end
// AWSCURRENT is the Active key's, every change was announced, and nothing else.
// The calls are those that are made when nothing dies. Every backend has a table
// of its own, because the sweep goes through all of it, and that table tells its
// stream.
//
// Every death is run; of the disturbances of the relay one in oneIn, so that 1 is
// all of them. They are of several kinds by turns: a number with a factor of how
// many kinds there are would leave some out, and fails.
func Deaths(t *testing.T, backend func() servicetest.Backend, oneIn int) {
	var deaths atomic.Int64
	ran := make(chan string, math.MaxInt16)
	t.Run("cases", func(t *testing.T) {
		for _, w := range works() {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				turn := 0
				steps := len(undisturbed(t, backend, w).ofWork)
				deaths.Add(int64(steps))
				for diesAt := -1; diesAt < steps; diesAt++ {
					death := deathCase{work: w, fault: fault{apply: die, goesOn: never}, at: diesAt, disturbedAt: -1}
					relayed := len(death.run(t, backend).ofRelay)
					for _, c := range death.disturbed(relayed) {
						if turn++; turn%oneIn == 0 {
							t.Run(fmt.Sprintf("dies after call %d/%s, call %d", diesAt+1, c.disturbance.name, c.disturbedAt+1), func(t *testing.T) {
								c.run(t, backend)
								ran <- w.name + "/" + c.disturbance.name
							})
						}
					}
				}
				if steps == 0 {
					t.Error("it makes no calls")
				}
			})
		}
	})
	t.Logf("proof: deaths: %d kinds of changes, %d deaths, %d disturbances of the relay, %d cases", len(works()), deaths.Load(), len(disturbances()), len(ran))
	close(ran)
	kinds := map[string]bool{}
	for kind := range ran {
		kinds[kind] = true
	}
	if len(kinds) < len(works())*len(disturbances()) {
		t.Errorf("not every disturbance met every change; these did: %v", slices.Sorted(maps.Keys(kinds)))
	}
}

// deathCase is a fault, such as its death, that meets the work's call at, and a
// disturbance of the relay at the call disturbedAt; -1 is none.
type deathCase struct {
	work        work
	fault       fault
	at          int
	disturbance disturbance
	disturbedAt int
}

// disturbed are the cases in which the relay, too, meets a disturbance, at each of
// so many calls.
func (c deathCase) disturbed(calls int) (cases []deathCase) {
	for c.disturbedAt = range calls {
		for _, c.disturbance = range disturbances() {
			cases = append(cases, c)
		}
	}
	return cases
}

// undisturbed are the calls that work and relay make when nothing goes wrong.
func undisturbed(t *testing.T, backend func() servicetest.Backend, w work) callsMade {
	return deathCase{work: w, at: -1, disturbedAt: -1}.run(t, backend)
}

// callsMade are those of the work and of the relay's first attempt.
type callsMade struct{ ofWork, ofRelay []remoteCall }

func (c deathCase) run(t *testing.T, backend func() servicetest.Backend) (made callsMade) {
	b := backend()
	synctest.Test(t, func(t *testing.T) {
		b.Deployment = apikey.RotationPolicy{MaxAgeDays: ageOfKeys, NoticeDays: noticeOfRotation, DeletePhasedOutAfterDays: ageOfKeys}
		s := newScene(t, b)
		c.work.given(s)
		stream := b.Table.(interface{ NewStream() *storetest.Stream }).NewStream()
		injected := &injection{fault: c.fault, at: c.at}
		s.under(injected, func() { c.work.do(s) })
		s.restart()
		made.ofWork = injected.calls
		injected.arrive(0)

		batch := stream.Next()
		disturbed := &injection{at: c.disturbedAt}
		if c.disturbedAt >= 0 {
			disturbed.fault = c.disturbance.fault(disturbed, s, batch)
		}
		rest := batch
		s.under(disturbed, func() { rest = s.relayOnce(batch) })
		s.restart()
		if made.ofRelay = disturbed.calls; disturbed.dead {
			rest = batch
		}
		injected.arrive(1)
		disturbed.arrive(0)
		if err := s.finish(stream, rest); err != nil {
			t.Errorf("soon after: %v", err)
		}
		disturbed.arrive(1)
		for _, i := range []*injection{injected, disturbed} {
			if i.at >= 0 && !i.fired || i.unbounded > 0 {
				t.Errorf("call %d met the fault: %t; calls without a deadline: %d", i.at, i.fired, i.unbounded)
			}
		}
		s.pass(25 * time.Hour)
		s.sweep()
		if err := s.finish(stream, nil); err != nil {
			t.Errorf("a day later: %v", err)
		}
		if err := s.nothingLeftOver(); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
	return made
}

// under has the process work with the injection in place.
func (s *scene) under(i *injection, do func()) {
	ctx := s.ctx
	s.ctx, i.cancel = context.WithCancel(ctx)
	defer i.cancel()
	for service, transport := range map[string]*awstest.Transport{
		"DynamoDB": s.process.Table, "SecretsManager": s.process.Secrets, "EventBridge": s.process.Bus, "SQS": s.process.DeadLetters,
	} {
		transport.SetFault(i.onService(service))
	}
	do()
	s.ctx = ctx
}

// relayOnce hands the relay the batch and answers what Lambda would deliver again.
func (s *scene) relayOnce(batch []events.DynamoDBEventRecord) (rest []events.DynamoDBEventRecord) {
	failed, err := s.process.Relay(s.ctx, batch)
	if err != nil {
		return batch
	}
	for i, record := range batch {
		if record.Change.SequenceNumber == failed {
			return batch[i:]
		}
	}
	return nil
}

// finish has a relay that nothing disturbs relay what is left, and checks what has
// to be so then.
func (s *scene) finish(stream *storetest.Stream, rest []events.DynamoDBEventRecord) error {
	poller := servicetest.Poller{Next: func() []events.DynamoDBEventRecord {
		next := slices.Concat(rest, stream.Next())
		rest = nil
		return next
	}}
	if err := poller.Poll(s.ctx, s.process); err != nil {
		return err
	}
	return s.announcedAndCurrent()
}
