package client

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// productName ends the User-Agent of every request.
const productName = "userapikey-client-go"

// Config tells [New] which service to ask, and as whom.
type Config struct {
	// BaseURL is the address of the deployment, before "/v1": the stack's output,
	// such as https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/live.
	// It is https, or http to a loopback address.
	BaseURL string
	// Tokens gives the bearer token of each request.
	Tokens TokenSource
	// Transport sends the requests; nil is [http.DefaultTransport].
	Transport http.RoundTripper
	// UserAgent names the runner, such as "nightly/2.3", before the client's own
	// name. It may be empty.
	UserAgent string
	// Logger is told of renewals that fail; nil is nobody.
	Logger *slog.Logger
}

// Client asks the service. It is safe for concurrent use. [New] makes one; the
// zero value answers every question with an error.
type Client struct {
	baseURL   string
	tokens    TokenSource
	transport http.RoundTripper
	userAgent string
	log       *slog.Logger
}

var errNotMade = errors.New("user API key service: this client was not made by client.New")

// New checks the configuration and sends nothing.
func New(config Config) (*Client, error) {
	baseURL, err := parseBaseURL(config.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("user API key service: BaseURL %w", err)
	}
	if config.Tokens == nil {
		return nil, errors.New("user API key service: Tokens is missing: give a source of bearer tokens")
	}
	if !isHeaderText(config.UserAgent) {
		return nil, errors.New("user API key service: UserAgent has a character that is not visible ASCII")
	}
	c := &Client{
		baseURL:   baseURL,
		tokens:    config.Tokens,
		transport: config.Transport,
		userAgent: strings.TrimSpace(config.UserAgent + " " + productName),
		log:       cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
	}
	if c.transport == nil {
		c.transport = http.DefaultTransport
	}
	return c, nil
}

// ready tells whether New has made the client.
func (c *Client) ready() error {
	if c == nil || c.tokens == nil {
		return errNotMade
	}
	return nil
}

// parseBaseURL answers the address without a slash at its end. Its errors do not
// repeat the text, which may hold a password.
func parseBaseURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("is missing: give the address of the deployment")
	}
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("is not a URL")
	case base.Host == "" || base.Hostname() == "":
		return "", errors.New("names no host; it looks like https://host/stage")
	case base.User != nil:
		return "", errors.New("has a user name, which the service does not take")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return "", errors.New("has a query or a fragment")
	case base.Scheme == "https" || base.Scheme == "http" && isLoopback(base.Hostname()):
		return strings.TrimRight(base.String(), "/"), nil
	default:
		return "", errors.New("must be https: a token and a credential would be readable on the way (http is for loopback addresses only)")
	}
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// isHeaderText tells whether a text may stand in a header's value: visible ASCII
// and spaces.
func isHeaderText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
