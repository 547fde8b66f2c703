package telemetry

import (
	"context"
	"encoding/json"
	"log/slog"
)

// counted is what a log line counts: CloudWatch reads metrics out of lines that
// tell how, in its embedded metric format.
type counted struct {
	// occurrences is the name of the metric that counts the lines; "" is none.
	occurrences string
	// values are the names of the line's numbers that are metrics themselves.
	values []string
	// unit is theirs.
	unit string
	// by is the name of the line's text that tells the lines apart; "" is none.
	by string
}

// metrics are all metrics of this service, by the message of the line that counts.
// infra/alarms.yaml and the dashboard go by these names.
var metrics = map[string]counted{
	"decided":     {occurrences: "Decisions", by: "reason"},
	"not decided": {occurrences: "Undecided", by: "code"},

	"lost a race": {occurrences: "LostRaces"},
	"sent again":  {occurrences: "SentAgain"},

	"relayed":                                {occurrences: "Notices", by: "type", values: []string{"lagMilliseconds"}, unit: "Milliseconds"},
	"not relayed; it comes again":            {occurrences: "NotRelayed"},
	"set aside: it cannot be read":           {occurrences: "SetAside"},
	"set aside: its secret is beyond repair": {occurrences: "SetAside"},

	"swept": {values: []string{"rotated", "announced", "deleted", "removed", "failed", "leftOver"}, unit: "Count"},
}

// metricHandler adds to lines that count what CloudWatch has to know of them.
type metricHandler struct {
	slog.Handler
	// metadata is the constant part of it, by the line's message.
	metadata map[string]json.RawMessage
}

func newMetricHandler(handler slog.Handler, namespace string) slog.Handler {
	h := metricHandler{Handler: handler, metadata: map[string]json.RawMessage{}}
	for message, c := range metrics {
		h.metadata[message] = c.metadata(namespace)
	}
	return h
}

// Handle writes the line.
func (h metricHandler) Handle(ctx context.Context, line slog.Record) error {
	if metadata, counts := h.metadata[line.Message]; counts {
		line = line.Clone()
		if occurrences := metrics[line.Message].occurrences; occurrences != "" {
			line.AddAttrs(slog.Int(occurrences, 1))
		}
		line.AddAttrs(slog.Group("_aws", slog.Int64("Timestamp", line.Time.UnixMilli()), slog.Any("CloudWatchMetrics", metadata)))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs is the handler with attributes for every line.
func (h metricHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attributes)
	return h
}

// WithGroup is the handler with a group around every attribute. Metrics are no
// part of it: they must stand at the top, so lines in groups count nothing.
func (h metricHandler) WithGroup(name string) slog.Handler { return h.Handler.WithGroup(name) }

// metadata is the part of the embedded metric format that is the same in every
// line.
func (c counted) metadata(namespace string) json.RawMessage {
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	d := directive{Namespace: namespace, Dimensions: [][]string{{}}}
	if c.by != "" {
		d.Dimensions = append(d.Dimensions, []string{c.by})
	}
	if c.occurrences != "" {
		d.Metrics = append(d.Metrics, metric{c.occurrences, "Count"})
	}
	for _, name := range c.values {
		d.Metrics = append(d.Metrics, metric{name, c.unit})
	}
	encoded, err := json.Marshal([]directive{d})
	if err != nil {
		panic(err) // of constants and a text
	}
	return encoded
}
