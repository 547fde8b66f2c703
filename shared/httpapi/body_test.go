package httpapi_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// jobBody is a body of every kind of field.
type jobBody struct {
	JobID   string    `json:"jobId"`
	Seconds int       `json:"seconds"`
	Urgent  bool      `json:"urgent"`
	Tags    []string  `json:"tags"`
	Owner   *jobOwner `json:"owner"`
}

type jobOwner struct {
	IAMID string `json:"iamId"`
}

// decoding is a scene whose handler decodes the body, and what it decoded.
func decoding(t testing.TB) (*scene, *jobBody) {
	s, got := newScene(t), new(jobBody)
	s.handle = func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, r.Decode(got)
	}
	return s, got
}

// encodings are the two ways in which API Gateway sends a body. What comes of it
// must be the same.
var encodings = map[string]func(events.APIGatewayProxyRequest) events.APIGatewayProxyRequest{
	"as text": func(event events.APIGatewayProxyRequest) events.APIGatewayProxyRequest { return event },
	"as base64": func(event events.APIGatewayProxyRequest) events.APIGatewayProxyRequest {
		event.Body = base64.StdEncoding.EncodeToString([]byte(event.Body))
		event.IsBase64Encoded = true
		return event
	},
}

func TestBodyIsReadWhole(t *testing.T) {
	body := ` {"owner":{"iamId":"IBMid-2"},"urgent":true,"tags":["a","ü"],"seconds":60,"jobId":"nightly"} ` + "\r\n"
	want := jobBody{JobID: "nightly", Seconds: 60, Urgent: true, Tags: []string{"a", "ü"}, Owner: &jobOwner{IAMID: "IBMid-2"}}
	for encoding, encode := range encodings {
		t.Run(encoding, func(t *testing.T) {
			s, got := decoding(t)
			s.send(encode(post(body))).wantOK()
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMalformedBodyIsRefusedNamingTheField(t *testing.T) {
	for name, test := range map[string]struct{ body, field string }{
		"empty":                       {"", "body"},
		"blank":                       {" \n", "body"},
		"null":                        {`null`, "body"},
		"a list":                      {`[]`, "body"},
		"a list of one":               {`[{"jobId":"nightly"}]`, "body"},
		"a text":                      {`"x"`, "body"},
		"a number":                    {`1`, "body"},
		"no JSON":                     {`jobId=nightly`, "body"},
		"a byte order mark":           {"\ufeff{}", "body"},
		"cut off after the brace":     {`{`, "body"},
		"cut off in a name":           {`{"job`, "body"},
		"cut off after a name":        {`{"jobId"`, "jobId"},
		"cut off in a value":          {`{"jobId":"nig`, "jobId"},
		"cut off after a value":       {`{"jobId":"nightly"`, "body"},
		"cut off in a nested object":  {`{"owner":{"iamId":"IBMid-2"}`, "body"},
		"a comma too many":            {`{"jobId":"nightly",}`, "body"},
		"a comment":                   {`{"jobId":"nightly"/**/}`, "body"},
		"single quotes":               {`{'jobId':'nightly'}`, "body"},
		"NaN":                         {`{"seconds":NaN}`, "seconds"},
		"a control character":         {"{\"jobId\":\"a\x01\"}", "jobId"},
		"an escape that is none":      {`{"jobId":"\x41"}`, "jobId"},
		"half a surrogate pair":       {`{"jobId":"\ud800"}`, "jobId"},
		"invalid UTF-8":               {"{\"jobId\":\"\xff\"}", "jobId"},
		"UTF-8, overlong":             {"{\"jobId\":\"\xc0\xaf\"}", "jobId"},
		"trailing object":             {`{"jobId":"nightly"}{}`, "body"},
		"trailing brace":              {`{"jobId":"nightly"}}`, "body"},
		"trailing text":               {`{"jobId":"nightly"} x`, "body"},
		"trailing NUL":                {"{\"jobId\":\"nightly\"}\x00", "body"},
		"unknown field":               {`{"jobId":"nightly","jobName":"x"}`, "jobName"},
		"unknown field that is null":  {`{"jobName":null}`, "jobName"},
		"unknown nested field":        {`{"owner":{"iamId":"IBMid-2","id":1}}`, "owner.id"},
		"unknown field without name":  {`{"":1}`, `""`},
		"unknown prototype":           {`{"__proto__":{}}`, "__proto__"},
		"same field twice":            {`{"jobId":"nightly","jobId":"nightly"}`, "jobId"},
		"same field twice, escaped":   {`{"jobId":"nightly","\u006aobId":"weekly"}`, "jobId"},
		"same nested field twice":     {`{"owner":{"iamId":"a","iamId":"b"}}`, "owner.iamId"},
		"field in capitals":           {`{"JOBID":"nightly"}`, "JOBID"},
		"field in another case":       {`{"jobID":"nightly"}`, "jobID"},
		"both cases":                  {`{"jobId":"nightly","jobid":"weekly"}`, "jobid"},
		"nested field, another case":  {`{"owner":{"IamId":"IBMid-2"}}`, "owner.IamId"},
		"a number for a text":         {`{"jobId":1}`, "jobId"},
		"an object for a text":        {`{"jobId":{}}`, "jobId"},
		"a list for a text":           {`{"jobId":["nightly"]}`, "jobId"},
		"true for a text":             {`{"jobId":true}`, "jobId"},
		"a text for a number":         {`{"seconds":"60"}`, "seconds"},
		"a fraction for a number":     {`{"seconds":1.5}`, "seconds"},
		"an exponent for a number":    {`{"seconds":1e3}`, "seconds"},
		"a number beyond 64 bits":     {`{"seconds":9223372036854775808}`, "seconds"},
		"a text for a boolean":        {`{"urgent":"true"}`, "urgent"},
		"a number for a boolean":      {`{"urgent":1}`, "urgent"},
		"a text for an object":        {`{"owner":"IBMid-2"}`, "owner"},
		"a list for an object":        {`{"owner":[]}`, "owner"},
		"an object for a list":        {`{"tags":{}}`, "tags"},
		"a number in a list of texts": {`{"tags":["a",1]}`, "tags.1"},
		"wrong type in an object":     {`{"owner":{"iamId":7}}`, "owner.iamId"},
	} {
		for encoding, encode := range encodings {
			t.Run(name+", "+encoding, func(t *testing.T) {
				s, _ := decoding(t)
				s.send(encode(post(test.body))).wantInvalid(test.field)
			})
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	const depth = httpapi.MaxBodyBytes / 2 // as deep as a body can be
	lists := strings.Repeat("[", depth/2) + strings.Repeat("]", depth/2)
	objects := strings.Repeat(`{"a":`, depth/4) + "1" + strings.Repeat("}", depth/4)
	for name, test := range map[string]struct{ body, field string }{
		"lists":                     {strings.Repeat("[", depth) + strings.Repeat("]", depth), "body"},
		"lists that never end":      {strings.Repeat("[", 2*depth), "body"},
		"lists in a text's place":   {`{"jobId":` + lists + `}`, "jobId"},
		"lists in an unknown field": {`{"x":` + lists + `}`, "x"},
		"objects":                   {objects, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := decoding(t)
			s.send(post(test.body)).wantInvalid(test.field)
		})
	}
}

func TestBodyOf16KiBIsReadAndOneByteMoreIsTooLarge(t *testing.T) {
	frame := `{"jobId":""}`
	body := func(size int) string {
		return `{"jobId":"` + strings.Repeat("a", size-len(frame)) + `"}`
	}
	for encoding, encode := range encodings {
		t.Run(encoding, func(t *testing.T) {
			s, got := decoding(t)
			s.send(encode(post(body(16384)))).wantOK()
			if len(got.JobID) != 16384-len(frame) {
				t.Errorf("%d characters were read", len(got.JobID))
			}
			s.send(encode(post(body(16385)))).wantRefused(http.StatusRequestEntityTooLarge, httpapi.CodePayloadTooLarge, "")
		})
	}
}

// A body that is too large is that first, whatever else is wrong with it.
func TestSizeIsCheckedBeforeTypeAndForm(t *testing.T) {
	event := post(strings.Repeat("x", httpapi.MaxBodyBytes+1))
	event.Headers["Content-Type"] = "text/plain"
	newScene(t).send(event).wantRefused(http.StatusRequestEntityTooLarge, httpapi.CodePayloadTooLarge, "")
}

func TestBodyThatIsNotValidBase64IsRefused(t *testing.T) {
	for name, body := range map[string]string{
		"JSON":            `{"jobId":"nightly"}`,
		"cut off":         "eyJqb2JJZCI6Im5pZ2h0bHkifQ=",
		"URL's alphabet":  "_-A=",
		"padding inside":  "e30=e30=",
		"stray character": "e3 0=",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := decoding(t)
			event := post(body)
			event.IsBase64Encoded = true
			s.send(event).wantInvalid("body")
		})
	}
}

// A change of the caller's own keys takes no body, or one that says nothing.
func TestChangeRefusesABodyThatSaysAnything(t *testing.T) {
	for name, test := range map[string]struct{ body, field string }{
		"a field":        {`{"keyId":"x"}`, "keyId"},
		"a null field":   {`{"keyId":null}`, "keyId"},
		"null":           {`null`, "body"},
		"a list":         {`[]`, "body"},
		"a blank":        {` `, "body"},
		"two objects":    {`{}{}`, "body"},
		"half an object": {`{`, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := changing(t)
			s.send(post(test.body)).wantInvalid(test.field)
		})
	}
	for _, body := range []string{"", "{}", " { } "} {
		t.Run("may be "+body, func(t *testing.T) {
			s, _ := changing(t)
			s.send(post(body)).wantOK()
		})
	}
}

func TestContentTypeOfABodyIsJSON(t *testing.T) {
	for contentType, accepted := range map[string]bool{
		"application/json":                       true,
		"application/json; charset=utf-8":        true,
		"application/json;charset=UTF-8":         true,
		"Application/JSON":                       true,
		" application/json ":                     true,
		"":                                       false,
		"text/plain":                             false,
		"text/json":                              false,
		"application/jsonp":                      false,
		"application/problem+json":               false,
		"application/x-www-form-urlencoded":      false,
		"multipart/form-data; boundary=x":        false,
		"application/json, text/plain":           false,
		"application/json; charset":              false,
		"text/plain; charset=\"application/json": false,
	} {
		t.Run(contentType, func(t *testing.T) {
			event := post(`{}`)
			event.Headers["Content-Type"] = contentType
			got := newScene(t).send(event)
			if accepted {
				got.wantOK()
				return
			}
			got.wantRefused(http.StatusUnsupportedMediaType, httpapi.CodeUnsupportedMediaType, "")
		})
	}
	t.Run("missing", func(t *testing.T) {
		event := post(`{}`)
		delete(event.Headers, "Content-Type")
		newScene(t).send(event).wantRefused(http.StatusUnsupportedMediaType, httpapi.CodeUnsupportedMediaType, "")
	})
	t.Run("of no body", func(t *testing.T) {
		newScene(t).send(with(map[string]string{"Content-Type": "text/plain"})).wantOK()
	})
}

// FuzzRequest: whatever the body, the answer is one of four, and says what is
// wrong in valid JSON.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{"", "{}", `{"jobId":"nightly"}`, `{"jobId":1}`, "\xff", `{"\xff":1}`, "[[[[", `{"a":{"a":1,"a":2}}`, "e30="} {
		f.Add(body, false)
		f.Add(body, true)
	}
	f.Fuzz(func(t *testing.T, body string, isBase64 bool) {
		s, _ := decoding(t)
		event := post(body)
		event.IsBase64Encoded = isBase64
		got := s.send(event)
		switch p := got.problem(); {
		case got.status == http.StatusOK && got.body == "{}":
		case got.status == http.StatusBadRequest && p.Code == apikey.CodeInvalidRequest && p.Detail != "":
		case got.status == http.StatusRequestEntityTooLarge && p.Code == httpapi.CodePayloadTooLarge:
		default:
			t.Errorf("answered %d %s", got.status, got.body)
		}
		for _, line := range s.logLines() {
			if line["msg"] == "panic" {
				t.Error("the handler panicked")
			}
		}
	})
}
