package awsclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Every call is bounded well inside a function's own time. These bound one
// attempt, answer included; the SDK's retryer bounds their number, and the
// request's context all of them together.
const (
	dialTimeout    = time.Second
	attemptTimeout = 3 * time.Second
	// keepIdle is longer than most pauses between calls; AWS closes idle
	// connections before that, which costs one replay.
	keepIdle = 5 * time.Minute
	// maxAnswerBytes is more than any answer that the product asks for.
	maxAnswerBytes = 16 << 20
)

// userAgent tells who calls, as CloudTrail records it.
var userAgent = []string{"user-api-key-service aws-sdk-go-v2/" + aws.SDKVersion}

// client carries the SDK's requests out.
//
// A function is frozen between calls and often finds its kept connection dead
// when it is thawed. net/http then repeats a request by itself, at once, if it
// may: the body must be there again (GetBody), and the request must be known to
// be harmless when it arrives twice. The SDK says neither, so that its own
// retryer would repeat the call after a pause of up to a second. This client
// says both, for reads only: a write that arrived twice unnoticed would make
// what the store concludes from its answers wrong.
//
// It also hands net/http the body as a plain reader, which lets a request leave
// in one write with its headers, and keeps the connection usable when the answer
// is there before the SDK has closed its own wrapper of the body.
type client struct {
	transport http.RoundTripper
}

func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     keepIdle,
		MaxIdleConnsPerHost: 16,
		// Answers are short, and DynamoDB's sum is of what it sends.
		DisableCompression: true,
		// A thawed function that needs a new connection is spared a third of its
		// wait by resuming the old one's session.
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(2)},
	}
}

// Do carries one request out and reads its answer whole.
func (c client) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), attemptTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	r.Header["User-Agent"] = userAgent
	if err := makeReplayable(r); err != nil {
		return nil, err
	}
	response, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+max(0, min(response.ContentLength, maxAnswerBytes))))
	_, err = answer.ReadFrom(io.LimitReader(response.Body, maxAnswerBytes))
	_ = response.Body.Close()
	if err == nil {
		err = checkSum(response.Header, answer.Bytes())
	}
	if err != nil {
		return nil, err
	}
	response.Body = inMemory{answer}
	return response, nil
}

// inMemory is a body whose bytes can be looked at without reading it.
type inMemory struct{ *bytes.Buffer }

// Close does nothing.
func (inMemory) Close() error { return nil }

// checkSum holds an answer against the sum that DynamoDB sends along. The SDK
// computes it too, and only logs when it is wrong.
func checkSum(header http.Header, answer []byte) error {
	const name = "X-Amz-Crc32"
	text := header.Get(name)
	if text == "" {
		return nil
	}
	if sum, err := strconv.ParseUint(text, 10, 32); err != nil || sum != uint64(crc32.ChecksumIEEE(answer)) {
		return errors.New("the answer was damaged on its way: its " + name + " is wrong")
	}
	return nil
}

func makeReplayable(r *http.Request) error {
	if r.Body == nil || r.ContentLength <= 0 {
		return nil
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return err
	}
	_ = r.Body.Close()
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	if isRead(r) {
		// net/http's way of saying that a request may be repeated; an empty list
		// sends nothing.
		r.Header["Idempotency-Key"] = []string{}
	}
	return nil
}

// isRead tells by the operation's name whether a call changes nothing.
func isRead(r *http.Request) bool {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	for _, prefix := range []string{"Get", "BatchGet", "TransactGet", "Query", "Scan", "Describe", "List"} {
		if strings.HasPrefix(operation, prefix) {
			return true
		}
	}
	return false
}
