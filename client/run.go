package client

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

const (
	// endPeriod is how long Close tries to tell the service that a run is over. If
	// that fails, the lease runs out, which comes to the same a little later.
	endPeriod = 5 * time.Second
	// closeGrace is for a token source or a transport that does not return when
	// its context ends.
	closeGrace = time.Second
)

var (
	errNotStarted = errors.New("user API key service: this run was not started by StartRun")
	errStillOpen  = errors.New("user API key service: the run is not ended yet: the token source or the transport does not return")
)

// Run is a job that runs with the service's consent. It renews its lease in the
// background until its context ends. [Client.StartRun] makes one. It is safe for
// concurrent use.
type Run struct {
	client  *Client
	request Request
	lease   time.Duration
	// ctx is the job's.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	decision Decision
	// ref is how the service names the run; a new authorization may change it.
	ref string
	// failure is why the newest attempt to renew failed; nil after a decision.
	failure error

	// renewing is closed when nothing is renewed any more.
	renewing chan struct{}
	closing  sync.Once
	// closed is closed when endErr is there.
	closed chan struct{}
	endErr error
}

// StartRun asks whether a job may run now and, if so, starts a run. The request
// is sent again when the service has forgotten the run, so its credential, if
// any, is kept until the run is closed. A RunID is made when there is none; with
// one, a runner that was restarted takes its run over.
//
// Renewals stop when ctx ends, and so does the run's context. Close the run in
// any case: it tells the service that the run is over.
//
// Errors: *[RefusedError] when the service says no; otherwise as Authorize's. After
// one of those the job must not start, and yet the service may count it as running
// until the lease runs out: its answer may have got lost.
func (c *Client) StartRun(ctx context.Context, request Request) (*Run, error) {
	if request.RunID == "" {
		request.RunID = rand.Text()
	}
	if request.Lease == 0 {
		// Said, so that the lease is what is measured here whatever the
		// deployment's default may be.
		request.Lease = DefaultLease
	}
	if request.Owner != nil {
		request.Owner = new(*request.Owner) // the caller may use its own for the next request
	}
	granted, err := c.authorize(ctx, request, c.insist)
	switch {
	case err != nil:
		return nil, err
	case !granted.Allowed:
		return nil, &RefusedError{Decision: granted.Decision}
	}
	run := &Run{
		client:   c,
		request:  request,
		lease:    time.Duration(request.leaseSeconds()) * time.Second,
		renewing: make(chan struct{}),
		closed:   make(chan struct{}),
	}
	run.ctx, run.cancel = context.WithCancelCause(ctx)
	run.keep(granted.Decision)
	go run.renewUntilDone(granted.sentAt)
	return run, nil
}

// Context is the job's: it ends when the job must stop or Close is called, and
// [context.Cause] tells why. It holds the values of StartRun's.
func (r *Run) Context() context.Context {
	if r == nil || r.ctx == nil {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errNotStarted)
		return ctx
	}
	return r.ctx
}

// ID is the run's id: the request's RunID, or the one that was made.
func (r *Run) ID() string {
	if r == nil {
		return ""
	}
	return r.request.RunID
}

// String names the run, so that a log shows neither more nor a state in the
// middle of a change.
func (r *Run) String() string { return "run " + r.ID() }

// GoString is String.
func (r *Run) GoString() string { return r.String() }

// Decision is the newest: of the start, of the last renewal that was answered,
// or the refusal that ended the run.
func (r *Run) Decision() Decision {
	if r == nil {
		return Decision{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.decision
}

// Close ends the run's context and tells the service that the run is over, once,
// however often it is called. It takes as long as that takes, six seconds at
// most. An error means that the service may count the job as running until its
// lease runs out; nothing need be done about it.
func (r *Run) Close() error {
	if r == nil || r.ctx == nil {
		return errNotStarted
	}
	r.closing.Do(func() {
		r.cancel(ErrRunClosed)
		go r.end()
	})
	timer := time.NewTimer(endPeriod + closeGrace)
	defer timer.Stop()
	select {
	case <-r.closed:
		return r.endErr
	case <-timer.C:
		return errStillOpen
	}
}

// end waits for the last renewal, which would record the run again if it came
// after the end.
func (r *Run) end() {
	defer close(r.closed)
	<-r.renewing
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), endPeriod)
	defer cancel()
	r.endErr = endRun(ctx, r.client.insist, r.runRef())
}

// keep takes note of a decision. A renewal need not name the run again.
func (r *Run) keep(decision Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decision, r.failure = decision, nil
	if decision.Run != nil && isRunRef(decision.Run.Ref) {
		r.ref = decision.Run.Ref
	}
}

func (r *Run) runRef() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ref
}
