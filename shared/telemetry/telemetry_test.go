package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/telemetry"
)

const (
	credential = "cpdk_003aUlTJC7tjlCTQj2uNU2uuP2RK4hIJt9Op2DXikm7_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf4PC1ty"
	redacted   = "[credential redacted]"
)

// named, inStruct, asText, asStringer, asGroup and failure are values that come
// to a text in different ways.
type (
	named      string
	inStruct   struct{ Text string }
	asText     struct{ text string }
	asStringer struct{ text string }
	asGroup    struct{ text string }
	failure    struct{ text string }
)

func (v asText) MarshalText() ([]byte, error) { return []byte(v.text), nil }
func (v asStringer) String() string           { return v.text }
func (v asGroup) LogValue() slog.Value        { return slog.GroupValue(slog.String("text", v.text)) }
func (v *failure) Error() string              { return v.text }

func TestNoLogLineTellsACredential(t *testing.T) {
	parsed, err := apikey.ParseCredential(credential)
	if err != nil {
		t.Fatal(err)
	}
	text := credential
	for name, log := range map[string]func(*slog.Logger){
		"message":              func(l *slog.Logger) { l.Info("refused " + credential) },
		"text":                 func(l *slog.Logger) { l.Info("m", "a", "refused "+credential) },
		"key":                  func(l *slog.Logger) { l.Info("m", credential, 1) },
		"error":                func(l *slog.Logger) { l.Error("m", "error", errors.New("unknown field "+credential)) },
		"wrapped error":        func(l *slog.Logger) { l.Error("m", "error", fmt.Errorf("of %q: %w", text, errors.ErrUnsupported)) },
		"joined errors":        func(l *slog.Logger) { l.Error("m", "error", errors.Join(errors.New("a"), errors.New(credential))) },
		"refusal's cause":      func(l *slog.Logger) { l.Warn("m", "error", apikey.Unavailable("It", errors.New(credential))) },
		"group":                func(l *slog.Logger) { l.Info("m", slog.Group("g", slog.Group("h", "a", credential))) },
		"group's name":         func(l *slog.Logger) { l.Info("m", slog.Group(credential, "a", 1)) },
		"logger's attribute":   func(l *slog.Logger) { l.With("a", credential).Info("m") },
		"logger's group":       func(l *slog.Logger) { l.WithGroup("g").With("a", credential).Info("m", "b", credential) },
		"logger's group name":  func(l *slog.Logger) { l.WithGroup(credential).Info("m", "a", 1) },
		"list":                 func(l *slog.Logger) { l.Info("m", "a", []string{"x", credential}) },
		"struct":               func(l *slog.Logger) { l.Info("m", "a", inStruct{credential}) },
		"pointer to struct":    func(l *slog.Logger) { l.Info("m", "a", &inStruct{credential}) },
		"map":                  func(l *slog.Logger) { l.Info("m", "a", map[string]any{credential: []any{credential}}) },
		"pointer to text":      func(l *slog.Logger) { l.Info("m", "a", &text) },
		"text of another type": func(l *slog.Logger) { l.Info("m", "a", named(credential)) },
		"text marshaler":       func(l *slog.Logger) { l.Info("m", "a", asText{credential}) },
		"JSON":                 func(l *slog.Logger) { l.Info("m", "a", json.RawMessage(`{"credential":"`+credential+`"}`)) },
		"JSON as text":         func(l *slog.Logger) { l.Info("m", "a", `{"credential":"`+credential+`"}`) },
		"credential":           func(l *slog.Logger) { l.Info("m", "a", parsed) },
		"credential's pointer": func(l *slog.Logger) { l.Info("m", "a", []any{&parsed}) },
		"log valuer":           func(l *slog.Logger) { l.Info("m", "a", asGroup{credential}) },
		"level below info":     func(l *slog.Logger) { l.Debug("m", "a", credential) },
		"without its end":      func(l *slog.Logger) { l.Info("m", "a", credential[:len(credential)-1]) },
	} {
		t.Run(name, func(t *testing.T) {
			line := logged(t, log)
			if strings.Contains(line, credential[49:60]) {
				t.Errorf("told: %s", line)
			}
			if !strings.Contains(line, redacted) {
				t.Errorf("left no mark: %s", line)
			}
		})
	}
}

// slog shows a Stringer as JSON shows it: its exported fields.
func TestAStringersTextIsNotLogged(t *testing.T) {
	if line := logged(t, func(l *slog.Logger) { l.Info("m", "a", asStringer{credential}) }); strings.Contains(line, "cpdk_") {
		t.Errorf("told: %s", line)
	}
}

func TestANilErrorIsLoggedAndDoesNotPanic(t *testing.T) {
	for name, err := range map[string]error{"nil": nil, "nil of a type": (*failure)(nil)} {
		t.Run(name, func(t *testing.T) {
			if line := logged(t, func(l *slog.Logger) { l.Info("m", "error", err) }); !strings.Contains(line, `"msg":"m"`) {
				t.Errorf("got %s", line)
			}
		})
	}
}

func TestWhatIsNoCredentialIsLoggedAsItIs(t *testing.T) {
	line := logged(t, func(l *slog.Logger) {
		l.With("service", "authorizer").Info("answered", "allowed", true, "count", 3, "ratio", 0.5, "keys", []string{"a", "b"},
			"error", errors.New(`no "key"`), slog.Group("owner", "iamId", "IBMid-1"), "name", "cpd-apikey-IBMid-1-2026-11-03T12:00:00.000Z")
	})
	const want = `"level":"INFO","msg":"answered","service":"authorizer","allowed":true,"count":3,"ratio":0.5,"keys":["a","b"],` +
		`"error":"no \"key\"","owner":{"iamId":"IBMid-1"},"name":"cpd-apikey-IBMid-1-2026-11-03T12:00:00.000Z"}` + "\n"
	if !strings.HasSuffix(line, want) {
		t.Errorf("got  %s\nwant … %s", line, want)
	}
}

func TestLevelsBelowTheLoggersAreLeftOut(t *testing.T) {
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelWarn, "test")
	log.Info("too low")
	log.Warn("high enough")
	if lines := out.String(); strings.Contains(lines, "too low") || !strings.Contains(lines, "high enough") {
		t.Errorf("got %s", lines)
	}
}

func BenchmarkLogLine(b *testing.B) {
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelInfo, "test")
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		log.LogAttrs(b.Context(), slog.LevelInfo, "decided", slog.Bool("allowed", true), slog.String("reason", "key_active"),
			slog.String("jobId", "job-1"), slog.String("keyId", "0193b2d4-a5f6-7c8d-9e0f-1a2b3c4d5e6f"))
	}
}

// logged is the line that is written: one, and JSON.
func logged(t *testing.T, log func(*slog.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	log(telemetry.NewLogger(&out, slog.LevelDebug, "test"))
	line := out.String()
	if strings.Count(line, "\n") != 1 || !json.Valid(out.Bytes()) {
		t.Fatalf("got %q, want a line of JSON", line)
	}
	return line
}
