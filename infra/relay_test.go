package infra_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pb33f/go-yaml"

	"github.com/userapikey/service/functions/servicetest"
)

// What is proved of the relay and the sweep within their time, and of such batches
// of the stream, is proved of the deployed ones.
func TestProofsHaveTheTimesAndSizesOfTheRelayAndTheSweep(t *testing.T) {
	relay, sweep := protected(t)["RelayFunction"], protected(t)["SweepFunction"]
	seconds := func(d time.Duration) string { return fmt.Sprint(d.Seconds()) }
	for _, c := range []struct {
		what, proved string
		deployed     yaml.Node
	}{
		{"the relay's time", seconds(servicetest.RelayTimeout), relay.at("Timeout")},
		{"the sweep's time", seconds(servicetest.SweepTimeout), sweep.at("Timeout")},
		{"records of a batch", fmt.Sprint(servicetest.BatchSize), relay.at("Events", "Changes", "Properties", "BatchSize")},
		{"a record's age", seconds(servicetest.MaxRecordAge), relay.at("Events", "Changes", "Properties", "MaximumRecordAgeInSeconds")},
	} {
		if c.deployed.Value != c.proved {
			t.Errorf("%s: template.yaml says %q, the proofs %s", c.what, c.deployed.Value, c.proved)
		}
	}
}
