package notices_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/jsonschema/v6"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/sourcetest"
)

var update = flag.Bool("update", false, "record the samples in events/notices anew")

// folder has the schemas and the samples, seen from here.
const folder = "../../events/notices"

const schemaSuffix = ".schema.json"

// slug is the name of a kind of notice in the names of files.
func slug(kind apikey.EventType) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(string(kind), "User API Key ")), " ", "-")
}

// kinds are all kinds of events, as the source declares them: a new one cannot be
// forgotten here.
func kinds(t *testing.T) []string {
	t.Helper()
	var kinds []string
	for _, kind := range sourcetest.Constants[apikey.EventType](t, "../apikey/events.go") {
		kinds = append(kinds, slug(kind))
	}
	slices.Sort(kinds)
	return kinds
}

// schemas are the schemas of every kind of notice. They let fields be added,
// which a consumer must bear; closed, they are those of today and no others.
func schemas(t *testing.T, closed bool) map[string]*jsonschema.Schema {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"+schemaSuffix))
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	ids := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if closed {
			closeObjects(document)
		}
		id := document.(map[string]any)["$id"].(string)
		if err := compiler.AddResource(id, document); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		ids[strings.TrimSuffix(filepath.Base(file), schemaSuffix)] = id
	}
	delete(ids, "definitions")
	compiled := map[string]*jsonschema.Schema{}
	for name, id := range ids {
		if compiled[name], err = compiler.Compile(id); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !strings.HasSuffix(id, "/events/notices/"+name+schemaSuffix) {
			t.Errorf("%s has the id %s", name, id)
		}
	}
	return compiled
}

// closeObjects has a schema refuse members that it does not name.
func closeObjects(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		for _, member := range schema {
			closeObjects(member)
		}
		if schema["type"] == "object" {
			schema["additionalProperties"] = false
		}
	case []any:
		for _, member := range schema {
			closeObjects(member)
		}
	}
}

func encoded(t *testing.T, event apikey.Event) []byte {
	t.Helper()
	detail, err := notices.Encode(event)
	if err != nil {
		t.Fatal(err)
	}
	return detail
}

func validate(t *testing.T, schema *jsonschema.Schema, detail []byte) error {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(detail))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

func TestEveryKindOfEventHasASchemaAndASample(t *testing.T) {
	want := kinds(t)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schemas(t, true)))); diff != "" {
		t.Errorf("kinds of events (-) and schemas (+): %s", diff)
	}
	var files []string
	found, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if !strings.HasSuffix(file, schemaSuffix) {
			files = append(files, strings.TrimSuffix(filepath.Base(file), ".json"))
		}
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("kinds of events (-) and samples (+): %s", diff)
	}
	for name, event := range samples(t) {
		if kind, _, _ := strings.Cut(name, "/"); kind != slug(event.Type) {
			t.Errorf("the sample %s is a notice of %s", name, event.Type)
		}
	}
	for name, schema := range schemas(t, false) {
		if title := "User API Key"; slug(apikey.EventType(schema.Title)) != name || !strings.HasPrefix(schema.Title, title) {
			t.Errorf("%s has the title %q", name, schema.Title)
		}
	}
}

// A consumer may rely on what is here. A difference is a change of the contract:
// docs/events.md has its rules.
func TestNoticesAreAsPinned(t *testing.T) {
	for name, event := range samples(t) {
		if strings.Contains(name, "/") {
			continue // another variant
		}
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(folder, name+".json")
			got := encoded(t, event)
			if *update {
				var lines bytes.Buffer
				if err := json.Indent(&lines, got, "", "  "); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, append(lines.Bytes(), '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("no sample is recorded (-update records it): %v", err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, text); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.String(), string(got)); diff != "" {
				t.Errorf("pinned (-) and published (+): %s", diff)
			}
		})
	}
}

func TestEveryNoticeKeepsToItsSchema(t *testing.T) {
	open, closed := schemas(t, false), schemas(t, true)
	for name, event := range samples(t) {
		t.Run(name, func(t *testing.T) {
			detail := encoded(t, event)
			kind := slug(event.Type)
			if err := validate(t, closed[kind], detail); err != nil {
				t.Errorf("%s: %v", detail, err)
			}
			// Whatever a later version adds is within the schema of this one.
			added := bytes.ReplaceAll(detail, []byte(`{"id":"`), []byte(`{"added":1,"id":"`))
			if err := validate(t, open[kind], added); err != nil {
				t.Errorf("with fields added: %v", err)
			}
			if validate(t, closed[kind], added) == nil {
				t.Error("a field that the schema does not name was not noticed")
			}
		})
	}
}

// Every member that a schema requires is missed, and none is of another type: a
// schema that lets anything pass proves nothing.
func TestSchemasRefuseWhatIsNoNotice(t *testing.T) {
	events := samples(t)
	for name, schema := range schemas(t, false) {
		t.Run(name, func(t *testing.T) {
			var detail map[string]any
			if err := json.Unmarshal(encoded(t, events[name]), &detail); err != nil {
				t.Fatal(err)
			}
			for member := range detail {
				for _, wrong := range wrongFor(member) {
					damaged := maps.Clone(detail)
					if damaged[member] = wrong; schema.Validate(any(damaged)) == nil {
						t.Errorf("%s may be %v", member, wrong)
					}
				}
				damaged := maps.Clone(detail)
				if delete(damaged, member); member != "job" && schema.Validate(any(damaged)) == nil {
					t.Errorf("%s may be missing", member)
				}
			}
		})
	}
}

func wrongFor(member string) []any {
	wrong := []any{nil, true, []any{1}}
	if member != "summary" {
		wrong = append(wrong, "A text")
	}
	if member != "rotationPolicy" { // of which all may be off
		wrong = append(wrong, map[string]any{})
	}
	return wrong
}

func TestSchemasTellStatesApart(t *testing.T) {
	all := schemas(t, false)
	events := samples(t)
	for _, test := range []struct{ name, from, to string }{
		{"created", `"ACTIVE"`, `"PHASED_OUT"`},
		{"created", `"status":"ACTIVE"`, `"status":"ACTIVE","phasedOutAt":"2026-11-02T16:45:09.007Z"`},
		{"created", `"kind":"user"`, `"kind":"nobody"`},
		{"created", `.120Z"`, `Z"`},
		{"created", `2026-05-04T08:15:30.120Z`, `2026-15-04T08:15:30.120Z`},
		{"created", `"version":1`, `"version":2`},
		{"created", `"revision":1`, `"revision":0`},
		{"created", `"summary":"A user`, `"summary":"","other":"A user`},
		{"rotated", `"phasedOutAt"`, `"other"`},
		{"deleted", `"PHASED_OUT"`, `"ACTIVE"`},
		{"schedule-bound", `"follow_active"`, `"pinned"`},
		{"rotation-policy-changed", `"maxAgeDays":90,`, ``},
		{"rotation-policy-changed", `"maxAgeDays":90`, `"maxAgeDays":3651`},
		{"use-refused", `"key_phased_out"`, `"no_active_key"`},
		{"use-refused", `"PHASED_OUT"`, `"ACTIVE"`},
		{"use-refused", `"createdAt"`, `"other"`},
		{"all-deleted", `"affectedRuns":2`, `"affectedRuns":-1`},
	} {
		detail := string(encoded(t, events[test.name]))
		damaged := strings.Replace(detail, test.from, test.to, 1)
		if damaged == detail {
			t.Fatalf("%s has no %s: %s", test.name, test.from, detail)
		}
		if validate(t, all[test.name], []byte(damaged)) == nil {
			t.Errorf("%s: %s instead of %s is let pass", test.name, test.to, test.from)
		}
	}
}
