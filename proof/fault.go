package proof

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/awstest"
)

// fault is one way in which a remote call goes wrong.
type fault struct {
	name string
	// apply decides what becomes of the call.
	apply func(*injection, awstest.Call, func() (*http.Response, error)) (*http.Response, error)
	// goesOn tells whether a later call goes the same way.
	goesOn func(first, later remoteCall) bool
	// silent tells that the caller gets no answer: the process died, or the caller
	// went away.
	silent bool
	// defect tells that it is one of our own, which is answered as such.
	defect bool
}

// remoteCall is one call of an API of AWS.
type remoteCall struct{ service, operation string }

func (c remoteCall) String() string { return c.service + " " + c.operation }

// faults are all of them. Each kind happens to one call; to it and every later
// call of the same operation; and to it and every later call of the service.
func faults() []fault {
	var all []fault
	for _, kind := range []fault{
		always("throttled", awstest.Refuse(http.StatusBadRequest, "ThrottlingException")),
		always("internal error", awstest.Refuse(http.StatusInternalServerError, "InternalServerError")),
		always("access denied", awstest.Refuse(http.StatusBadRequest, "AccessDeniedException")),
		always("reset", awstest.Reset),
		always("answer lost", awstest.LoseAnswer),
		always("slow", awstest.Hang),
		always("answer slow", awstest.HoldAnswer),
		{name: "arrives after the answer", apply: late(0)},
		{name: "arrives after the retry", apply: late(1)},
	} {
		once, operation, service := kind, kind, kind
		once.goesOn = never
		operation.name += ", the operation from then on"
		operation.goesOn = func(first, later remoteCall) bool { return later == first }
		service.name += ", the service from then on"
		service.goesOn = func(first, later remoteCall) bool { return later.service == first.service }
		all = append(all, once, operation, service)
	}
	return append(all,
		fault{name: "the process dies after it", apply: die, goesOn: never, silent: true},
		fault{name: "the caller goes away", apply: goAway, goesOn: never, silent: true},
		fault{name: "a panic that tells the request", apply: panicking, goesOn: never, defect: true},
	)
}

func never(remoteCall, remoteCall) bool { return false }

func always(name string, f awstest.Fault) fault {
	return fault{name: name, apply: func(_ *injection, call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		return f(call, next)
	}}
}

// late holds the call back: its caller gives it up, and it takes effect later.
func late(round int) func(*injection, awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
	return func(i *injection, call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		i.mu.Lock()
		i.late[round] = append(i.late[round], next)
		i.mu.Unlock()
		return awstest.Hang(call, nil)
	}
}

// die lets the call take effect and nothing after it. What the process would
// still do reaches nobody, as if it did not do it.
func die(i *injection, _ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
	_, err := next()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dead = true
	i.cancel()
	return nil, errors.Join(errDead, err)
}

// goAway cancels the request instead of carrying the call out.
func goAway(i *injection, call awstest.Call, _ func() (*http.Response, error)) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.gone = true
	i.cancel()
	return nil, call.Context.Err()
}

// panicking is a defect at its worst: its text holds what was to be sent.
func panicking(_ *injection, call awstest.Call, _ func() (*http.Response, error)) (*http.Response, error) {
	panic(string(call.Body))
}

var errDead = errors.New("the process is dead (injected)")

// injection makes one call of a process go wrong.
type injection struct {
	fault fault
	// at is which of the calls it is, from 0; beyond the last it only counts them.
	at int
	// cancel ends the request's context.
	cancel func()

	mu    sync.Mutex
	calls []remoteCall
	first remoteCall // the one that went wrong first
	dead  bool
	gone  bool
	fired bool
	// afterGone counts calls that were made though the caller was gone.
	afterGone int
	// unbounded counts calls without a deadline well inside the function's.
	unbounded int
	late      [2][]func() (*http.Response, error)
}

// onService is the injection for the calls of one service.
func (i *injection) onService(service string) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		hit, dead := i.meets(call.Context, remoteCall{service, call.Operation})
		switch {
		case dead:
			return nil, errDead
		case hit:
			return i.fault.apply(i, call, next)
		default:
			return next()
		}
	}
}

// meets counts the call and tells whether it goes wrong.
func (i *injection) meets(ctx context.Context, call remoteCall) (hit, dead bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	deadline, bounded := ctx.Deadline()
	if !bounded || time.Until(deadline) > servicetest.FunctionTimeout/2 {
		i.unbounded++
	}
	if i.gone {
		i.afterGone++
	}
	if len(i.calls) == i.at {
		i.first, i.fired, hit = call, true, true
	}
	i.calls = append(i.calls, call)
	return hit || i.fired && i.fault.goesOn(i.first, call), i.dead
}

// arrive lets those calls take effect that were held back until now.
func (i *injection) arrive(round int) {
	for _, next := range i.late[round] {
		if response, err := next(); err == nil {
			_ = response.Body.Close()
		}
	}
}
