package apikey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"text/template"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/userapikey/service/shared/apikey"
)

// secretOfLetters has no byte that other output would have by chance.
var secretOfLetters = [32]byte([]byte("\xb7\xe1\x51\x62\x8a\xed\x2a\x6a\xbf\x71\x58\x80\x9c\xf4\xf3\xc7\x62\xe7\x16\x0f\x38\xb4\xda\x56\xa7\x84\xd9\x04\x51\x90\xcf\xef"))

const redacted = "[credential redacted]"

func secretCredential(t *testing.T) apikey.Credential {
	return newCredential(t, sampleLocator, sampleID, secretOfLetters)
}

// traces are the ways in which output could tell the secret: the credential's
// text, and the secret's beginning as text and as bytes in every notation.
func traces() map[string]string {
	text := encode(append(sampleLocator[:], sampleID[:]...), secretOfLetters[:])
	head := secretOfLetters[:6]
	numbers := inside(fmt.Sprint(head))
	return map[string]string{
		"text":               text,
		"secret in base62":   text[49:57],
		"raw bytes":          string(head),
		"hexadecimal":        hex.EncodeToString(head),
		"hexadecimal apart":  fmt.Sprintf("% x", head),
		"Go syntax":          "0xb7, 0xe1, 0x51, 0x62, 0x8a, 0xed",
		"refused verb":       "%!t(uint8=183) %!t(uint8=225)",
		"prefixed":           "0xb7 0xe1 0x51 0x62 0x8a 0xed",
		"base64":             base64.StdEncoding.EncodeToString(head),
		"base64 for URLs":    base64.URLEncoding.EncodeToString(head),
		"base64 of the text": base64.StdEncoding.EncodeToString([]byte(text))[:80],
		"decimal":            numbers,
		"decimal list":       strings.ReplaceAll(numbers, " ", ","),
		"decimal list apart": strings.ReplaceAll(numbers, " ", ", "),
		"octal":              inside(fmt.Sprintf("%o", head)),
		"binary":             inside(fmt.Sprintf("%b", head)),
		"code points":        inside(fmt.Sprintf("%U", []rune{0xb7, 0xe1, 0x51})),
	}
}

func inside(brackets string) string { return strings.Trim(brackets, "[]") }

// traceIn tells how the output tells the secret; "" is not at all.
func traceIn(output string) string {
	output = strings.ToLower(output)
	for notation, trace := range traces() {
		if at := strings.Index(output, strings.ToLower(trace)); at >= 0 {
			return fmt.Sprintf("%s: …%s", notation, output[max(0, at-60):at+len(trace)])
		}
	}
	return ""
}

func wantNoTrace(t *testing.T, how string, output string) {
	t.Helper()
	if trace := traceIn(output); trace != "" {
		t.Errorf("%s shows the secret in %s", how, trace)
	}
}

// The check itself must notice a secret.
func TestTheCheckForTracesNoticesASecret(t *testing.T) {
	type naked struct{ secret [32]byte }
	inJSON, err := json.Marshal(struct{ Array, Slice any }{secretOfLetters, secretOfLetters[:]})
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{secretCredential(t).Reveal(), string(inJSON)}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%#x", "% #x", "%d", "%o", "%b", "%t"} {
		outputs = append(outputs, fmt.Sprintf(format, secretOfLetters), fmt.Sprintf(format, &naked{secretOfLetters}))
	}
	for _, output := range outputs {
		if traceIn(output) == "" {
			t.Errorf("not noticed: %s", output)
		}
	}
}

func TestCredentialRedactsItselfUnderEveryVerb(t *testing.T) {
	credential := secretCredential(t)
	for _, format := range formats() {
		for _, value := range []any{credential, &credential} {
			output := fmt.Sprintf(format, value)
			wantNoTrace(t, format, output)
			// fmt answers %T and %p itself, and %w outside of Errorf.
			if output != redacted && !strings.ContainsAny(format, "Tpw") {
				t.Errorf("%s of %T wrote %q", format, value, output)
			}
		}
	}
}

// holder holds a credential in all the ways that Go has. fmt reaches unexported
// fields by reflection, without asking the credential how to print it.
type holder struct {
	Exported   apikey.Credential
	unexported apikey.Credential
	pointer    *apikey.Credential
	boxed      any
	boxedPtr   any
	list       []apikey.Credential
	array      [1]apikey.Credential
	byName     map[string]apikey.Credential
	names      map[*apikey.Credential]string
	inner      struct {
		deep *struct{ deeper apikey.Credential }
	}
	failure error
	shower  fmt.Stringer
}

func held(credential apikey.Credential) *holder {
	h := &holder{
		Exported: credential, unexported: credential, pointer: &credential, boxed: credential, boxedPtr: &credential,
		list: []apikey.Credential{credential}, array: [1]apikey.Credential{credential},
		byName: map[string]apikey.Credential{"it": credential}, names: map[*apikey.Credential]string{&credential: "it"},
		failure: failure{credential}, shower: credential,
	}
	h.inner.deep = &struct{ deeper apikey.Credential }{credential}
	return h
}

// failure is an error that knows a credential.
type failure struct{ credential apikey.Credential }

func (f failure) Error() string { return fmt.Sprintf("failure of %s", f.credential) }

func TestCredentialRedactsItselfInsideOtherValues(t *testing.T) {
	credential := secretCredential(t)
	h := held(credential)
	for name, value := range map[string]any{
		"struct": *h, "pointer": h, "pointer to pointer": &h, "embedding": struct{ holder }{*h}, "unexported": h.inner,
		"unexported pointer": struct{ pointer *apikey.Credential }{&credential},
		"slice":              h.list, "pointer to slice": &h.list, "slice of structs": [][]holder{{*h}}, "slice of any": []any{credential, h},
		"slice of pointers": []*apikey.Credential{&credential}, "array": h.array, "pointer to array": &h.array,
		"map": h.byName, "map of any": map[string]any{"it": credential, "holder": h}, "map's key": h.names,
		"error": h.failure, "wrapped": fmt.Errorf("%v: %w", credential, h.failure), "joined": errors.Join(h.failure, fmt.Errorf("%+v", h)),
		"reflected": reflect.ValueOf(credential), "reflected struct": reflect.ValueOf(*h), "reflected field": reflect.ValueOf(h).Elem().Field(1),
		"channel": make(chan apikey.Credential, 1), "function": credential.Reveal,
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range append(formats(), "no verb", "%", "%!", "%[2]v", "%*d") {
				wantNoTrace(t, format, fmt.Sprintf(format, value))
			}
			wantNoTrace(t, "Println", fmt.Sprintln(value, value))
			wantNoTrace(t, "Errorf", fmt.Errorf("wrapped: %w", fmt.Errorf("%#v", value)).Error())
		})
	}
}

func TestCredentialRedactsItselfUnderEveryEncoder(t *testing.T) {
	credential := secretCredential(t)
	h := held(credential)
	document := struct {
		Value     apikey.Credential
		Pointer   *apikey.Credential
		Attribute apikey.Credential `xml:",attr"`
		List      []apikey.Credential
		Any       any
	}{credential, &credential, credential, []apikey.Credential{credential}, credential}
	keyed := map[*apikey.Credential]any{&credential: h}

	for name, encode := range map[string]func(any) ([]byte, error){
		"encoding/json":        json.Marshal,
		"encoding/json, apart": func(v any) ([]byte, error) { return json.MarshalIndent(v, "", "  ") },
		"json v2":              func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
		"xml":                  xml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var out bytes.Buffer
			err := gob.NewEncoder(&out).Encode(v)
			return out.Bytes(), err
		},
		"template": func(v any) ([]byte, error) {
			var out bytes.Buffer
			err := template.Must(template.New("").Parse(`{{.}} {{printf "%#v" .}} {{print . .}}`)).Execute(&out, v)
			return out.Bytes(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, value := range []any{credential, &credential, document, &document, h, keyed, h.list, h.byName} {
				// An encoder may refuse; that tells nothing either.
				encoded, err := encode(value)
				wantNoTrace(t, name, string(encoded))
				wantNoTrace(t, "the refusal", fmt.Sprint(err))
			}
		})
	}
}

func TestCredentialIsEncodedAsAFixedText(t *testing.T) {
	credential := secretCredential(t)
	inJSON, err := json.Marshal(credential)
	if err != nil || string(inJSON) != `"`+redacted+`"` {
		t.Errorf("JSON: %s, %v", inJSON, err)
	}
	inJSON2, err := jsonv2.Marshal(&credential)
	if err != nil || string(inJSON2) != `"`+redacted+`"` {
		t.Errorf("JSON v2: %s, %v", inJSON2, err)
	}
	text, err := credential.MarshalText()
	if err != nil || string(text) != redacted {
		t.Errorf("text: %s, %v", text, err)
	}
}

func TestCredentialRedactsItselfInLogs(t *testing.T) {
	credential := secretCredential(t)
	h := held(credential)
	var out bytes.Buffer
	for name, handler := range map[string]slog.Handler{"text": slog.NewTextHandler(&out, nil), "JSON": slog.NewJSONHandler(&out, nil)} {
		t.Run(name, func(t *testing.T) {
			out.Reset()
			log := slog.New(handler).With("with", credential).WithGroup("group").With("within", &credential)
			log.Info("message", "value", credential, "pointer", &credential, "holder", h, "copy", *h, "error", h.failure,
				slog.Group("inner", "deep", credential, slog.Group("inmost", slog.Any("any", []any{credential, h}))),
				"list", h.list, "map", h.byName, "resolved", slog.AnyValue(credential).Resolve())
			wantNoTrace(t, name, out.String())
			if count := strings.Count(out.String(), redacted); count < 8 {
				t.Errorf("only %d of them left a mark: %s", count, out.String())
			}
		})
	}
}

// formats is every verb that there is or may come to be, plain and with flags.
func formats() []string {
	var formats []string
	for _, flags := range []string{"", "+", "#", " ", "-80.2"} {
		for verb := 'A'; verb <= 'z'; verb++ {
			if verb <= 'Z' || verb >= 'a' {
				formats = append(formats, "%"+flags+string(verb))
			}
		}
	}
	return formats
}
