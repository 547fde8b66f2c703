package functest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "record the answers to events/ anew")

// EventsFolder is where the events are, seen from a function's folder.
const EventsFolder = "../../events"

// Case is an event and the state of things in which it comes.
type Case struct {
	// Event is the file's path in events/, without its extension.
	Event string
	Given func(*World)
}

// Golden has a function answer its events and compares each answer with the
// one recorded in testdata/<name of the event's file>.golden; the flag -update records it. Records
// of other events are an error, so that none can outlive its case.
func Golden(t *testing.T, function func(*World) any, cases ...Case) {
	t.Helper()
	var records []string
	for _, c := range cases {
		record := filepath.Join("testdata", filepath.Base(c.Event)+".golden")
		records = append(records, record)
		t.Run(c.Event, func(t *testing.T) { golden(t, function, c, record) })
	}
	found, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range found {
		if !slices.Contains(records, record) {
			t.Errorf("%s records the answer to no event", record)
		}
	}
}

func golden(t *testing.T, function func(*World) any, c Case, record string) {
	t.Helper()
	event, err := os.ReadFile(filepath.Join(EventsFolder, c.Event+".json"))
	if err != nil {
		t.Fatal(err)
	}
	w := New(t)
	c.Given(w)
	answer, err := w.Invoke(function(w), event)
	if err != nil {
		t.Fatalf("the function failed: %v", err)
	}
	got := readable(t, answer)
	if *update {
		if err := os.MkdirAll(filepath.Dir(record), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(record, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(record)
	if err != nil {
		t.Fatalf("no answer is recorded (-update records it): %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("recorded (-) and answered (+): %s", diff)
	}
}

// readable is an answer in lines; the body of an HTTP answer, a text that holds
// JSON, is opened.
func readable(t *testing.T, answer []byte) []byte {
	t.Helper()
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	if text, ok := fields["body"].(string); ok && text != "" {
		body := json.NewDecoder(strings.NewReader(text))
		body.UseNumber()
		var opened any
		if err := body.Decode(&opened); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		fields["body"] = opened
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(fields); err != nil {
		t.Fatal(err)
	}
	return lines.Bytes()
}
