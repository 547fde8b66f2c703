package awsclient

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/time/rate"
)

// Paced is the configuration with writes held back to so many a second, retries
// included: for what works through many secrets and must leave others their share
// of a region's quota. Reads pass.
func Paced(cfg aws.Config, writesPerSecond int) aws.Config {
	cfg.HTTPClient = paced{next: cfg.HTTPClient, limiter: rate.NewLimiter(rate.Limit(writesPerSecond), 1)}
	return cfg
}

type paced struct {
	next    aws.HTTPClient
	limiter *rate.Limiter
}

// Do waits for the call's turn, unless it is a read.
func (p paced) Do(r *http.Request) (*http.Response, error) {
	if !isRead(r) {
		if err := p.limiter.Wait(r.Context()); err != nil {
			return nil, err
		}
	}
	return p.next.Do(r)
}
