// Command load sends requests to a deployment of the service at a steady rate,
// measures how long each takes from the instant at which it was due, and checks
// that every answer is one that the service has promised. -help tells more.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// requestTimeout is above what API Gateway waits for a function (29 s).
const requestTimeout = 35 * time.Second

const (
	statusFailed      = 1
	statusInterrupted = 130 // as shells count a Ctrl-C
)

// world is what a run takes from outside.
type world struct {
	out       io.Writer
	transport http.RoundTripper
	now       func() time.Time
	// random answers a text that no other run has had.
	random func() string
}

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	signal.Ignore(syscall.SIGPIPE) // see output
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		help(os.Stdout)
		return
	}
	status := statusFailed
	if err == nil {
		w := world{out: os.Stdout, transport: newTransport(s), now: time.Now, random: rand.Text}
		status, err = w.run(ctx, stop, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
	}
	os.Exit(status)
}

// newTransport keeps a connection open for every request that may be in flight.
func newTransport(s settings) http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = s.inFlight
	transport.MaxIdleConnsPerHost = s.inFlight
	return transport
}

// output stops the load when nobody reads it any more, as in `make load | head`.
// The keys are deleted nevertheless.
type output struct {
	io.Writer
	stop func()
}

func (o output) Write(text []byte) (int, error) {
	n, err := o.Writer.Write(text)
	if err != nil {
		o.stop()
	}
	return n, err
}

// run prepares the owners, sends the load, prints what came of it and deletes
// the keys that it made; it answers the exit status. An error is a reason for
// which there was no load. The context's end, which is a Ctrl-C, stops the load;
// after endOfNotice a Ctrl-C has its usual effect.
func (w world) run(ctx context.Context, endOfNotice func(), s settings) (int, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	client := &http.Client{
		Transport: w.transport,
		Timeout:   requestTimeout,
		// The service never redirects; a token must not go elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	g := &generator{
		settings: s,
		service:  &service{client: client, url: s.apiURL},
		results:  newResults(),
		now:      w.now,
		out:      output{Writer: w.out, stop: stop},
		name:     strings.ToLower(w.random()[:10]),
	}
	fmt.Fprintf(g.out, "Getting tokens of %d owner(s) and a job runner for %s\n", s.owners, s.apiURL)
	if err := g.prepare(ctx, s.tokens(client)); err != nil {
		if ctx.Err() != nil {
			return statusInterrupted, errors.New("stopped before the load began")
		}
		return statusFailed, err
	}
	fmt.Fprintf(g.out, "Sending %d requests/s for %s, at most %d in flight: a create for each owner, then %s\n", s.rate, s.duration, s.inFlight, s.mix)
	summary := g.load(ctx)
	summary.print(g.out)

	interrupted := ctx.Err() != nil
	endOfNotice()
	// Also after a Ctrl-C, because secrets cost money.
	g.cleanUp(context.WithoutCancel(ctx))
	switch {
	case len(summary.broken) > 0:
		return statusFailed, nil
	case interrupted:
		return statusInterrupted, nil
	default:
		return 0, nil
	}
}
