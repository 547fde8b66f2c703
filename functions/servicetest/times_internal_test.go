package servicetest

import (
	"os"
	"testing"
	"time"

	"github.com/pb33f/go-yaml"
)

// What is proved of the relay and the sweep within their time, and of such batches
// of the stream, is proved of the deployed ones.
func TestTimesAndSizesAreTheTemplates(t *testing.T) {
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources struct {
			RelayFunction struct {
				Properties struct {
					Timeout int `yaml:"Timeout"`
					Events  struct {
						Changes struct {
							Properties struct {
								BatchSize                 int `yaml:"BatchSize"`
								MaximumRecordAgeInSeconds int `yaml:"MaximumRecordAgeInSeconds"`
							} `yaml:"Properties"`
						} `yaml:"Changes"`
					} `yaml:"Events"`
				} `yaml:"Properties"`
			} `yaml:"RelayFunction"`
			SweepFunction struct {
				Properties struct {
					Timeout int `yaml:"Timeout"`
				} `yaml:"Properties"`
			} `yaml:"SweepFunction"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	relay, sweep := template.Resources.RelayFunction.Properties, template.Resources.SweepFunction.Properties
	changes := relay.Events.Changes.Properties
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	for _, c := range []struct {
		what             string
		deployed, proved int
	}{
		{"the relay's time", relay.Timeout, seconds(relayTimeout)},
		{"the sweep's time", sweep.Timeout, seconds(sweepTimeout)},
		{"records of a batch", changes.BatchSize, batchSize},
		{"a record's age", changes.MaximumRecordAgeInSeconds, seconds(maxRecordAge)},
	} {
		if c.deployed != c.proved {
			t.Errorf("%s: template.yaml says %d, the proofs %d", c.what, c.deployed, c.proved)
		}
	}
}
