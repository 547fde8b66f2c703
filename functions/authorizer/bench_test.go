package authorizer_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/telemetry"
)

// ringsInMemory are Jane's ring and no other.
type ringsInMemory struct{ ring apikey.Ring }

func (r ringsInMemory) Ring(_ context.Context, locator apikey.Locator) (apikey.Ring, error) {
	if locator != r.ring.Owner.Locator() {
		return apikey.Ring{}, nil
	}
	return r.ring, nil
}

// BenchmarkDecisionFromMemory is the cost of a decision without the read:
// decoding the event, the decision, its log line and the answer.
func BenchmarkDecisionFromMemory(b *testing.B) {
	benchmarkDecisions(b, ringsInMemory{newWorld(b).Ring(functest.Jane)})
}

// stub answers every call of DynamoDB with one item.
type stub struct{ answer string }

func (s stub) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	body := io.NopCloser(strings.NewReader(s.answer))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, ContentLength: int64(len(s.answer))}, nil
}

// BenchmarkDecisionThroughSDK adds the read, all but the network: the SDK's work
// on one call, and decoding the ring.
func BenchmarkDecisionThroughSDK(b *testing.B) {
	w := newWorld(b)
	table := dynamodb.NewFromConfig(awstest.NewTransport(stub{`{"Item":` + ringItem(b) + `}`}).Config())
	benchmarkDecisions(b, store.New(table, "table", w.Now, w.World))
}

func benchmarkDecisions(b *testing.B, rings authorizer.Rings) {
	w := newWorld(b)
	function := authorizer.New(w.World, rings, telemetry.NewLogger(io.Discard, slog.LevelInfo))
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
