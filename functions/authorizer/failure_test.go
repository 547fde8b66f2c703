package authorizer_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// questionsThatNeedTheRing would be allowed, were the ring known.
func questionsThatNeedTheRing() map[string]question {
	return map[string]question{
		"by credential": byCredential(functest.SecondCredential),
		"by owner":      byOwner(functest.Jane),
	}
}

// questionsThatNeedTheTable are those, and one by a schedule, which it binds.
func (w world) questionsThatNeedTheTable() map[string]question {
	following(w)
	questions := questionsThatNeedTheRing()
	questions["by schedule"] = ofJane("nightly")(w)
	return questions
}

// A decision is never guessed: when the ring cannot be read there is none.
func TestNothingIsAllowedWhileTheKeyStoreIsOutOfReach(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"down":             awstest.Reset,
		"failing":          awstest.Refuse(http.StatusInternalServerError, "InternalServerError"),
		"answers lost":     awstest.LoseAnswer,
		"throttled":        awstest.Refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
		"throttled, anew":  awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
		"limit reached":    awstest.Refuse(http.StatusBadRequest, "RequestLimitExceeded"),
		"access denied":    awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
		"table missing":    awstest.Refuse(http.StatusBadRequest, "ResourceNotFoundException"),
		"answers no JSON":  answering("<html>"),
		"answers cut off":  answering(`{"Item":{"pk":`),
		"answers no items": answering(`[]`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				questions := w.questionsThatNeedTheTable()
				w.Table.Transport.SetFault(fault)
				for way, q := range questions {
					w.ask("JOB_RUNNER_TOKEN", q).Refused(http.StatusServiceUnavailable, apikey.CodeUnavailable)
					answer, err := w.invoke(q)
					if message := w.refusedInvocation(apikey.CodeUnavailable, answer, err); strings.Contains(message, "injected") {
						t.Errorf("%s: the invoker is told the cause: %s", way, message)
					}
				}
				for name, event := range questionsOfGateways(bearer(byCredential(functest.SecondCredential))) {
					answer, err := w.invoke(event)
					if message := w.refusedInvocation(apikey.CodeUnavailable, answer, err); message == "Unauthorized" {
						t.Errorf("%s: nobody knows whether the caller is authorized", name)
					}
				}
			})
		})
	}
}

// answering answers every call with the text.
func answering(text string) awstest.Fault {
	return func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
	}
}

// A ring that is not what was asked for decides nothing.
func TestNothingIsAllowedByAnItemThatIsNotTheRing(t *testing.T) {
	janes := ringItem(t)
	for name, item := range map[string]string{
		"another owner's ring": strings.ReplaceAll(janes, functest.Jane.IAMID, "IBMid-2"),
		"a ring of no owner":   strings.ReplaceAll(janes, functest.Jane.AccountID, ""),
		"another item":         `{"pk":{"S":"OWNER#1"},"sk":{"S":"EVENT#0000000001"}}`,
		"an empty item":        `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Table.Transport.SetFault(answering(`{"Item":` + item + `}`))
			for _, q := range questionsThatNeedTheRing() {
				w.ask("JOB_RUNNER_TOKEN", q).Refused(http.StatusInternalServerError, apikey.CodeInternal)
				answer, err := w.invoke(q)
				w.refusedInvocation(apikey.CodeInternal, answer, err)
			}
		})
	}
	t.Run("but by Jane's own", func(t *testing.T) {
		w := newWorld(t)
		w.Table.Transport.SetFault(answering(`{"Item":` + janes + `}`))
		if got := w.invoked(byOwner(functest.Jane)); !got.Allowed {
			t.Errorf("answered %+v", got)
		}
	})
}

// ringItem is the item of Jane's ring as DynamoDB answers it.
func ringItem(t testing.TB) string {
	t.Helper()
	for _, item := range newWorld(t).Table.Items() {
		if strings.Contains(item, `{"S":"RING"}`) {
			return item
		}
	}
	t.Fatal("there is no ring")
	return ""
}

// frozen never answers.
type frozen struct{}

func (frozen) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A table that does not answer is a 503 before the function's time is over, be
// it much or little.
func TestNothingIsAllowedByATableThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		questions := w.questionsThatNeedTheTable()
		table := dynamodb.NewFromConfig(awstest.NewTransport(frozen{}).Config())
		w.function = authorizer.New(w.World, store.New(table, storetest.Table, w.Now, w.World), w.Now, w.Log)
		for _, limit := range []time.Duration{15 * time.Second, 4 * time.Second} {
			for _, q := range questions {
				request := authorize
				request.Body = w.encode(q)
				webhook, err := json.Marshal(request.Event())
				if err != nil {
					t.Fatal(err)
				}
				answer, err := w.invokeWithin(limit, webhook)
				var got events.APIGatewayProxyResponse
				if err != nil || json.Unmarshal(answer, &got) != nil || got.StatusCode != http.StatusServiceUnavailable || got.Headers["Retry-After"] == "" {
					t.Errorf("over HTTP: %s, %v", answer, err)
				}
				answer, err = w.invokeWithin(limit, []byte(w.encode(q)))
				w.refusedInvocation(apikey.CodeUnavailable, answer, err)
			}
			for _, event := range questionsOfGateways(bearer(byCredential(functest.SecondCredential))) {
				answer, err := w.invokeWithin(limit, []byte(w.encode(event)))
				w.refusedInvocation(apikey.CodeUnavailable, answer, err)
			}
		}
	})
}

// invokeWithin invokes a function that has so much time, and checks that it did
// not use all of it.
func (w world) invokeWithin(limit time.Duration, event []byte) ([]byte, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	answer, err := w.InvokeIn(ctx, w.function, event)
	if ctx.Err() != nil {
		w.t.Errorf("the function's %v are over", limit)
	}
	return answer, err
}

// Secrets Manager and its failures are no business of a decision.
func TestSecretsManagerDownChangesNoDecision(t *testing.T) {
	w := newWorld(t)
	w.Secrets.Transport.SetFault(awstest.Reset)
	for _, q := range questionsThatNeedTheRing() {
		if got := w.asked("JOB_RUNNER_TOKEN", q); !got.Allowed {
			t.Errorf("answered %+v", got)
		}
	}
	w.WantCalls("GetItem", "UpdateItem", "GetItem")
}

// What needs no ring is decided though the table is down.
func TestMalformedCredentialIsRefusedThoughTheKeyStoreIsDown(t *testing.T) {
	w := newWorld(t)
	w.Table.Transport.SetFault(awstest.Reset)
	if got := w.asked("JOB_RUNNER_TOKEN", byCredential("cpdk_")); got.Reason != "credential_malformed" {
		t.Errorf("answered %+v", got)
	}
	w.WantCalls()
}

func TestReadIsTriedAgainBeforeItIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Table.Transport.SetFault(awstest.Once(awstest.Reset))
		if got := w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane)); !got.Allowed {
			t.Errorf("answered %+v", got)
		}
	})
}
