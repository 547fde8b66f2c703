package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const maxAnswerBytes = 1 << 20

// shownHeaders are the ones that mean something to the reader.
var shownHeaders = []string{
	"Authorization", "Idempotency-Key", "Content-Type", "ETag", "Allow", "Retry-After", "WWW-Authenticate",
}

// credentials in a text. The part between the underscores names owner and key;
// what follows it is the secret.
var credentials = regexp.MustCompile(`cpdk_([0-9A-Za-z]*)[0-9A-Za-z_]*`)

// fields is a JSON object; as a promise, the names are paths into an answer,
// `phasedOut.0.id` for the id of the first of a list.
type fields map[string]any

// step is one request and what is promised of its answer.
type step struct {
	shows          string // what the step shows, a sentence
	method, path   string
	token          token
	idempotencyKey string
	body           fields // none when nil
	status         int
	promised       fields
	into           any // what the answer is decoded into, unless nil
}

// conversation sends requests and prints them with their answers. After the
// first failure it does nothing more, so that a script reads without error
// handling between its steps.
type conversation struct {
	out    io.Writer
	client *http.Client
	apiURL string
	number int
	err    error
}

func (c *conversation) exchange(s step) {
	if c.err != nil {
		return
	}
	c.number++
	fmt.Fprintf(c.out, "\n%d. %s\n", c.number, s.shows)
	if err := c.send(s); err != nil {
		c.err = fmt.Errorf("step %d, %s %s: %w", c.number, s.method, s.path, err)
	}
}

// aside does something beside the conversation, and says so.
func (c *conversation) aside(shows string, do func() error) {
	if c.err != nil {
		return
	}
	_, _ = fmt.Fprintf(c.out, "\n%s\n\n", shows)
	c.err = do()
}

func (c *conversation) send(s step) error {
	request, body, err := c.newRequest(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\n   %s %s\n%s", s.method, s.path, headerLines(request.Header, s.token))
	c.printJSON(body)

	sent := time.Now()
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	took := time.Since(sent).Milliseconds()
	fmt.Fprintf(c.out, "\n   %s (%d ms)\n%s", response.Status, took, headerLines(response.Header, s.token))
	c.printJSON(answer)

	if err := s.check(response.StatusCode, answer); err != nil || s.into == nil {
		return err
	}
	return json.Unmarshal(answer, s.into)
}

func (c *conversation) newRequest(s step) (*http.Request, []byte, error) {
	var body []byte
	if s.body != nil {
		var err error
		if body, err = json.Marshal(s.body); err != nil {
			return nil, nil, err
		}
	}
	request, err := http.NewRequest(s.method, c.apiURL+s.path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token.value)
	if s.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.idempotencyKey != "" {
		request.Header.Set("Idempotency-Key", s.idempotencyKey)
	}
	return request, body, nil
}

func (s step) check(status int, answer []byte) error {
	if status != s.status {
		return fmt.Errorf("the answer is %d, and %d was promised", status, s.status)
	}
	var decoded any
	if err := json.Unmarshal(answer, &decoded); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	for _, path := range slices.Sorted(maps.Keys(s.promised)) {
		got, found := lookUp(decoded, path)
		if !found {
			return fmt.Errorf("the answer has no %s", path)
		}
		if got != s.promised[path] {
			return fmt.Errorf("%s is %v, and %v was promised", path, got, s.promised[path])
		}
	}
	return nil
}

// lookUp follows a path into decoded JSON.
func lookUp(value any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch container := value.(type) {
		case map[string]any:
			member, found := container[name]
			if !found {
				return nil, false
			}
			value = member
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index >= len(container) {
				return nil, false
			}
			value = container[index]
		default:
			return nil, false
		}
	}
	return value, true
}

func (c *conversation) printJSON(text []byte) {
	if len(text) == 0 {
		return
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "   ", "  "); err != nil {
		pretty.Reset()
		pretty.Write(text)
	}
	fmt.Fprintf(c.out, "   %s\n", shownText(pretty.String()))
}

func headerLines(header http.Header, used token) string {
	var lines strings.Builder
	for _, name := range shownHeaders {
		value := header.Get(name)
		if value == "" {
			continue
		}
		if name == "Authorization" {
			value = "Bearer " + used.String()
		}
		fmt.Fprintf(&lines, "   %s: %s\n", name, value)
	}
	return lines.String()
}

// shownText is a text as it may be shown: of a credential, enough of its public
// part to tell it from another key's.
func shownText(text string) string {
	return credentials.ReplaceAllStringFunc(text, func(credential string) string {
		public := credentials.FindStringSubmatch(credential)[1]
		return fmt.Sprintf("cpdk_%.4s...%s_...", public, public[max(0, len(public)-6):])
	})
}
