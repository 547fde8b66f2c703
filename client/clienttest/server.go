// Package clienttest is a user API key service for the tests of job runners. It
// keeps owners, keys, schedules and runs in memory, decides as the service does,
// and serves the job runners' part of its API:
//
//	service := clienttest.NewServer()
//	defer service.Close()
//	ada := service.AddOwner("account-1", "IBMid-1")
//	run, err := service.Client().StartRun(ctx, client.Request{Owner: ada.Ref(), …})
//	ada.DeleteAll() // the next renewal ends the run
//
// A server needs no network, so a test in a testing/synctest bubble waits for no
// lease; make the server in the bubble. A runner in another process reaches it
// by way of [net/http/httptest.NewServer]: a Server is an [http.Handler].
//
// It is more lenient than the service in this: its runner has the role
// PlatformJobRunner, it takes any bearer token until told otherwise, and of a
// credential it checks the form without the checksum.
package clienttest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/userapikey/service/client"
	"github.com/userapikey/service/client/internal/memnet"
)

// Server is the service. Its methods are safe for concurrent use.
type Server struct {
	network *memnet.Server

	mu        sync.Mutex
	now       func() time.Time
	tokens    []string
	intercept func(http.ResponseWriter, *http.Request) bool
	owners    map[client.OwnerRef]*Owner
	runs      []*Run
	requests  []Request
}

// Request is one that the server was sent.
type Request struct {
	At           time.Time
	Method, Path string
	// Token is the bearer token.
	Token string
	// Body is JSON; empty when there was none.
	Body string
	// Status is the answer's; 0 while there is none, and when the connection was
	// broken instead.
	Status int
}

// NewServer starts a service without owners. Close it.
func NewServer() *Server {
	s := &Server{now: time.Now, owners: map[client.OwnerRef]*Owner{}}
	s.network = memnet.Serve(s)
	return s
}

// Close stops the server and breaks the connections to it.
func (s *Server) Close() { s.network.Close() }

// Config is a client's configuration that leads to this server.
func (s *Server) Config() client.Config {
	return client.Config{BaseURL: memnet.URL, Tokens: client.StaticToken("token-of-a-runner"), Transport: s.network.Transport}
}

// Client is a client of this server.
func (s *Server) Client() *client.Client {
	c, err := client.New(s.Config())
	if err != nil {
		panic(err) // the configuration is a constant
	}
	return c
}

// SetClock gives the server another clock than time.Now. Leases end by it.
func (s *Server) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// AcceptTokens makes the server answer 401 to every other bearer token. With
// none, it accepts all, as it does in the beginning.
func (s *Server) AcceptTokens(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = tokens
}

// Intercept lets answer see every request first. It answers true when it has
// answered the request. Nil ends that. The request's body has been read, and can
// be read again.
func (s *Server) Intercept(answer func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = answer
}

// SetUnreachable breaks the connection of every request until it is called with
// false. It takes the place of what Intercept was given.
func (s *Server) SetUnreachable(unreachable bool) {
	if !unreachable {
		s.Intercept(nil)
		return
	}
	s.Intercept(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
}

// Requests are those that the server was sent, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostBatchBytes+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	number, intercept := s.record(r, body)
	observed := &observed{ResponseWriter: w, answered: func(status int) { s.recordStatus(number, status) }}
	if intercept == nil || !intercept(observed, r) {
		s.routes().ServeHTTP(observed, r)
	}
}

func (s *Server) record(r *http.Request, body []byte) (number int, intercept func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		At: s.now(), Method: r.Method, Path: r.URL.Path, Token: bearer(r), Body: string(body),
	})
	return len(s.requests) - 1, s.intercept
}

func (s *Server) recordStatus(number, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[number].Status = status
}

// observed tells the status of an answer before it is sent, so that whoever has
// the answer finds the status on record.
type observed struct {
	http.ResponseWriter
	answered func(status int)
	told     bool
}

// WriteHeader sends the status.
func (o *observed) WriteHeader(status int) {
	if !o.told {
		o.told = true
		o.answered(status)
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (o *observed) Write(part []byte) (int, error) {
	if !o.told {
		o.WriteHeader(http.StatusOK)
	}
	return o.ResponseWriter.Write(part)
}

// Unwrap is for http.ResponseController.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }
