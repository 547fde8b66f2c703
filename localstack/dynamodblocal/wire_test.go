package dynamodblocal

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
)

// wire carries requests to the engine, each by the goroutine that makes it.
// net/http's own transport keeps goroutines and timers, which belong to the
// bubble (testing/synctest) that made them; this one has neither, so that all
// bubbles share its connections. In a bubble a call takes no time.
type wire struct {
	address string

	mu   sync.Mutex
	idle []*connection
}

type connection struct {
	net.Conn
	answers *bufio.Reader
}

// RoundTrip carries out one request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for {
		c, fresh, err := w.take()
		if err != nil {
			return nil, err
		}
		response, err := c.carry(r, body)
		if err == nil {
			w.mu.Lock()
			w.idle = append(w.idle, c)
			w.mu.Unlock()
			return response, nil
		}
		_ = c.Close()
		if fresh {
			return nil, err
		}
		// The engine closes connections that nobody has used for a while.
	}
}

// take is a connection that nobody uses, or a fresh one.
func (w *wire) take() (c *connection, fresh bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := len(w.idle) - 1; last >= 0 {
		c, w.idle = w.idle[last], w.idle[:last]
		return c, false, nil
	}
	conn, err := net.Dial("tcp", w.address)
	if err != nil {
		return nil, false, err
	}
	return &connection{conn, bufio.NewReader(conn)}, true, nil
}

func (c *connection) carry(r *http.Request, body []byte) (*http.Response, error) {
	sent := r.Clone(r.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))
	if err := sent.Write(c); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.answers, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(answer))
	return response, err
}
