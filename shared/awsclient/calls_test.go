package awsclient_test

import (
	"context"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/awstest"
)

func answer(header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func getItem(ctx context.Context, cfg aws.Config) (*dynamodb.GetItemOutput, error) {
	return dynamodb.NewFromConfig(cfg).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String("table"), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "1"}},
	})
}

// A newer SDK that names a step otherwise, or adds one that every call pays for,
// shows here.
func TestACallConsistsOfTheseSteps(t *testing.T) {
	var steps []string
	cfg := awsclient.ConfigOn(roundTripper(func(*http.Request) (*http.Response, error) { return answer(nil, "{}"), nil }), awstest.Getenv, "")
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		steps = stack.List()
		return nil
	})
	want := []string{
		"OperationInputValidation", "setOperationInput", "ResolveEndpoint", "OperationSerializer",
		"InterceptBeforeRetryLoop", "Retry", "InterceptAttempt", "ResolveAuthScheme", "GetIdentity", "ResolveEndpointV2", "ComputePayloadHash", "Signing",
		"ResponseErrorWrapper", "RequestIDRetriever", "OperationDeserializer", "RecordResponseTiming",
	}
	check := func(operation string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(steps, func(step string) bool { return step == operation || strings.HasSuffix(step, " stack step") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", operation, diff)
		}
	}
	_, err := getItem(t.Context(), cfg)
	check("GetItem", err)
	_, err = secretsmanager.NewFromConfig(cfg).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("secret")})
	check("GetSecretValue", err)
}

func TestACallTellsWhoMakesIt(t *testing.T) {
	var header http.Header
	_, err := getItem(t.Context(), awsclient.ConfigOn(roundTripper(func(r *http.Request) (*http.Response, error) {
		header = r.Header
		return answer(nil, "{}"), nil
	}), awstest.Getenv, ""))
	if err != nil {
		t.Fatal(err)
	}
	if agent := header.Get("User-Agent"); !strings.HasPrefix(agent, "user-api-key-service aws-sdk-go-v2/1.") {
		t.Errorf("the user agent is %q", agent)
	}
	if authorization := header.Get("Authorization"); !strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 Credential=test/") {
		t.Errorf("the call is signed %q", authorization)
	}
}

// An answer with a wrong sum is none, and a read is tried again.
func TestADamagedAnswerIsNotUsed(t *testing.T) {
	const good = `{"Item":{"a":{"S":"good"}}}`
	sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(good))), 10)
	for name, test := range map[string]struct {
		sums  []string
		calls int
		fails bool
	}{
		"without a sum":     {[]string{""}, 1, false},
		"right":             {[]string{sum}, 1, false},
		"wrong":             {[]string{"1", "1", "1"}, 3, true},
		"no number":         {[]string{"x", "-1", sum + "0"}, 3, true},
		"wrong, then right": {[]string{"1", sum}, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				out, err := getItem(t.Context(), awsclient.ConfigOn(roundTripper(func(*http.Request) (*http.Response, error) {
					header := http.Header{}
					if test.sums[calls] != "" {
						header.Set("X-Amz-Crc32", test.sums[calls])
					}
					calls++
					return answer(header, good), nil
				}), awstest.Getenv, ""))
				if calls != test.calls || (err != nil) != test.fails || err == nil && out.Item["a"] == nil {
					t.Errorf("%d calls, %v, %v", calls, out, err)
				}
			})
		})
	}
}
