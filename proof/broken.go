package proof

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/userapikey/service/functions/servicetest"
)

// BrokenStores are stores that the checks must find wanting, by what is wrong
// with them.
var BrokenStores = map[string]func(servicetest.Backend) servicetest.Backend{
	"that caches reads":  func(b servicetest.Backend) servicetest.Backend { return CachingReads(b, 3) },
	"without conditions": WithoutConditions,
}

// CachingReads is the backend with a table whose reads of one item are answered
// from a cache, so many times before it is read anew.
func CachingReads(b servicetest.Backend, times int) servicetest.Backend {
	b.Table = &cache{next: b.Table, times: times, kept: map[string]*cached{}}
	return b
}

// WithoutConditions is the backend with a table that writes whatever it is
// told, whoever else has written.
func WithoutConditions(b servicetest.Backend) servicetest.Backend {
	b.Table = unconditional{b.Table}
	return b
}

type cache struct {
	next  http.RoundTripper
	times int

	mu   sync.Mutex
	kept map[string]*cached
}

type cached struct {
	answer []byte
	header http.Header
	uses   int
}

// RoundTrip answers one request.
func (c *cache) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetItem") {
		return c.next.RoundTrip(r)
	}
	question, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(question))
	key, err := canonical(question)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	kept := c.kept[key]
	if kept != nil {
		if kept.uses++; kept.uses <= c.times {
			defer c.mu.Unlock()
			return &http.Response{StatusCode: http.StatusOK, Header: kept.header, Body: io.NopCloser(bytes.NewReader(kept.answer))}, nil
		}
	}
	c.mu.Unlock()
	response, err := c.next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	answer, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[key] = &cached{answer: answer, header: response.Header}
	return response, nil
}

type unconditional struct{ next http.RoundTripper }

// RoundTrip carries one request out.
func (u unconditional) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".TransactWriteItems") {
		var transaction map[string]any
		if err := json.Unmarshal(body, &transaction); err != nil {
			return nil, err
		}
		for _, action := range transaction["TransactItems"].([]any) {
			for _, write := range action.(map[string]any) {
				delete(write.(map[string]any), "ConditionExpression")
				delete(write.(map[string]any), "ExpressionAttributeValues")
			}
		}
		if body, err = json.Marshal(transaction); err != nil {
			return nil, err
		}
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return u.next.RoundTrip(r)
}

// canonical is a JSON text whose names are in order: the SDK writes a map's in any.
func canonical(body []byte) (string, error) {
	var decoded any
	if err := json.Unmarshal(body, &decoded); err != nil {
		return "", err
	}
	encoded, err := json.Marshal(decoded)
	return string(encoded), err
}
