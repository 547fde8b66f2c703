// Package memnet serves HTTP without a network: in a testing/synctest bubble,
// where waiting for a real connection would stop the clock, and anywhere else.
package memnet

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// URL is the address of every Server, as far as its own Transport knows.
const URL = "http://localhost"

// Server is an HTTP server that only its own Transport reaches.
type Server struct {
	// Transport sends every request to the server, whatever the host.
	Transport *http.Transport

	http     *http.Server
	listener *listener
	serving  sync.WaitGroup
}

// Serve starts a server. Close it.
func Serve(handler http.Handler) *Server {
	s := &Server{
		// What a connection that was broken on purpose has to say is of no interest.
		http:     &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}, //nolint:gosec // nobody else can connect
		listener: &listener{dialled: make(chan net.Conn), closed: make(chan struct{})},
	}
	s.Transport = &http.Transport{DialContext: s.listener.dial}
	s.serving.Go(func() { _ = s.http.Serve(s.listener) })
	return s
}

// Close breaks every connection and waits for the server to end.
func (s *Server) Close() {
	_ = s.http.Close()
	s.serving.Wait()
	s.Transport.CloseIdleConnections()
}

// listener accepts the connections that its dial makes.
type listener struct {
	dialled chan net.Conn
	closing sync.Once
	closed  chan struct{}
}

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.dialled <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case connection := <-l.dialled:
		return connection, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return nil
}

// Addr is nowhere.
func (*listener) Addr() net.Addr { return address{} }

type address struct{}

// Network is the address's kind.
func (address) Network() string { return "memory" }

// String is the address.
func (address) String() string { return "memory" }
