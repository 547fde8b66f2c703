package authorizer_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

// FuzzInvoke: whatever the function is invoked with, it answers or refuses without
// a defect, tells no credential, and lets nobody through to more than one stage.
func FuzzInvoke(f *testing.F) {
	addEvents(f)
	w := newWorld(f)
	function := authorizer.New(w.World, w.Keys.Rings, w.Now, slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, event []byte) {
		answer, err := function.Invoke(t.Context(), event)
		refusal, refused := errors.AsType[messages.InvokeResponse_Error](err)
		if err != nil && (!refused || refusal.Type == string(apikey.CodeInternal)) {
			t.Errorf("failed: %v", err)
		}
		if told := string(answer) + refusal.Message; apikey.Redact(told) != told {
			t.Errorf("a credential is told: %s, %s", answer, refusal.Message)
		}
		var overHTTP struct{ StatusCode int }
		if json.Unmarshal(answer, &overHTTP) == nil && overHTTP.StatusCode >= http.StatusInternalServerError {
			t.Errorf("answered %s", answer)
		}
		var got answerToGateway
		if json.Unmarshal(answer, &got) != nil || got.PolicyDocument == nil {
			return
		}
		for _, statement := range got.PolicyDocument.Statement {
			for _, resource := range statement.Resource {
				stage, whole := strings.CutSuffix(resource, "/*")
				stage = strings.TrimSuffix(stage, "/$default")
				if !whole || strings.ContainsAny(stage, "*?$") || strings.Count(stage, ":") != 5 {
					t.Errorf("the policy is about %s", resource)
				}
			}
		}
	})
}

// addEvents has the fuzzer begin with every event of events/.
func addEvents(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(functest.EventsFolder, "*", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(event)
	}
}
