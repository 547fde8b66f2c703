package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/telemetry"
)

// embedded is a line in CloudWatch's embedded metric format.
type embedded struct {
	AWS struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	} `json:"_aws"`
}

func TestLinesThatCountAreMetrics(t *testing.T) {
	for name, c := range map[string]struct {
		line       func(*slog.Logger)
		dimensions [][]string
		metrics    string
	}{
		"a decision": {
			func(l *slog.Logger) { l.Info("decided", "reason", "key_active", "allowed", true) },
			[][]string{{}, {"reason"}}, "Decisions Count",
		},
		"a lost race": {func(l *slog.Logger) { l.Info("lost a race") }, [][]string{{}}, "LostRaces Count"},
		"a notice": {
			func(l *slog.Logger) { l.Info("relayed", "type", "User API Key Created", "lagMilliseconds", 12) },
			[][]string{{}, {"type"}}, "Notices Count, lagMilliseconds Milliseconds",
		},
		"a run of the sweep": {
			func(l *slog.Logger) {
				l.Info("swept", "rotated", 1, "announced", 2, "deleted", 3, "removed", 4, "failed", 5, "leftOver", 0)
			},
			[][]string{{}}, "rotated Count, announced Count, deleted Count, removed Count, failed Count, leftOver Count",
		},
		"with an attribute of the logger": {
			func(l *slog.Logger) { l.With("a", 1).Info("not decided", "code", "unavailable") },
			[][]string{{}, {"code"}}, "Undecided Count",
		},
	} {
		t.Run(name, func(t *testing.T) {
			line, members := counting(t, c.line)
			if line.AWS.Timestamp < 1e12 || len(line.AWS.CloudWatchMetrics) != 1 || line.AWS.CloudWatchMetrics[0].Namespace != "user-api-key" {
				t.Fatalf("got %+v", line)
			}
			directive := line.AWS.CloudWatchMetrics[0]
			var got []string
			for _, metric := range directive.Metrics {
				got = append(got, metric.Name+" "+metric.Unit)
				if _, isNumber := members[metric.Name].(float64); !isNumber {
					t.Errorf("%s is %v", metric.Name, members[metric.Name])
				}
			}
			if diff := cmp.Diff(c.dimensions, directive.Dimensions); diff != "" || strings.Join(got, ", ") != c.metrics {
				t.Errorf("metrics %v, dimensions %s", got, diff)
			}
			for _, dimension := range directive.Dimensions[len(directive.Dimensions)-1] {
				if text, _ := members[dimension].(string); text == "" {
					t.Errorf("the dimension %s is %v", dimension, members[dimension])
				}
			}
		})
	}
}

// counting is the line that is written, as CloudWatch reads it.
func counting(t *testing.T, write func(*slog.Logger)) (line embedded, members map[string]any) {
	t.Helper()
	var out bytes.Buffer
	write(telemetry.NewLogger(&out, slog.LevelInfo, "user-api-key"))
	for _, target := range []any{&line, &members} {
		if err := json.Unmarshal(out.Bytes(), target); err != nil {
			t.Fatal(err)
		}
	}
	return line, members
}

func TestOtherLinesAreNoMetrics(t *testing.T) {
	for name, c := range map[string]struct {
		namespace string
		line      func(*slog.Logger)
	}{
		"another message": {"user-api-key", func(l *slog.Logger) { l.Info("request", "reason", "x") }},
		"in a group":      {"user-api-key", func(l *slog.Logger) { l.WithGroup("g").Info("decided", "reason", "x") }},
		"no namespace":    {"", func(l *slog.Logger) { l.Info("decided", "reason", "x") }},
	} {
		var out bytes.Buffer
		c.line(telemetry.NewLogger(&out, slog.LevelInfo, c.namespace))
		if strings.Contains(out.String(), "_aws") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}
