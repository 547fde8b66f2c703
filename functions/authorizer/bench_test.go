package authorizer_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/telemetry"
)

// stub answers every call of DynamoDB with one item.
type stub struct{ item string }

func (s stub) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	answer := `{"Item":` + s.item + `}`
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetItem") {
		answer = `{"Responses":{"table":[` + s.item + `]},"UnprocessedKeys":{}}`
	}
	body := io.NopCloser(strings.NewReader(answer))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, ContentLength: int64(len(answer))}, nil
}

// BenchmarkDecision is the cost of a decision, all but the network: decoding the
// event, the SDK's work on one read, decoding the ring, the decision, its log
// line and the answer. Package jobauth has the decision alone.
func BenchmarkDecision(b *testing.B) {
	w := newWorld(b)
	table := dynamodb.NewFromConfig(awstest.NewTransport(stub{ringItem(b)}).Config())
	rings := store.New(table, "table", w.Now, w.World)
	function := authorizer.New(w.World, rings, w.Now, telemetry.NewLogger(io.Discard, slog.LevelInfo, "test"))
	webhook := authorize
	webhook.Body = w.encode(byCredential(functest.SecondCredential))
	event, err := json.Marshal(webhook.Event())
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		event []byte
		want  string
	}{
		{"by credential", []byte(webhook.Body), `"allowed":true`},
		{"by owner", []byte(w.encode(byOwner(functest.Jane))), `"allowed":true`},
		{"mistyped", []byte(w.encode(byCredential(functest.SecondCredential + "x"))), `"credential_malformed"`},
		{"over HTTP", event, `\"allowed\":true`},
		{"for a REST API", []byte(w.encode(restRequest("Authorization", token))), `"Effect":"Allow"`},
		{"for an HTTP API", []byte(w.encode(httpAPI2("authorization", token))), `"isAuthorized":true`},
		{"100 in a batch", []byte(w.encode(question{"requests": slices.Repeat([]any{byOwner(functest.Jane)}, 100)})), `"allowed":true`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if answer, err := function.Invoke(b.Context(), c.event); err != nil || !strings.Contains(string(answer), c.want) {
					b.Fatalf("%s, %v", answer, err)
				}
			}
		})
	}
}
