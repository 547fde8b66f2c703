package store

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/userapikey/service/shared/awsclient"
)

// canned answers every call alike.
type canned struct {
	status int
	body   string
}

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body)), ContentLength: int64(len(c.body))}, nil
}

// getItem reads an item from a table that gives this answer.
func getItem(t *testing.T, c canned, options ...func(*dynamodb.Options)) (item, error) {
	t.Helper()
	getenv := func(string) string { return "test" }
	client := dynamodb.NewFromConfig(awsclient.ConfigOn(c, getenv, ""), func(o *dynamodb.Options) {
		o.BaseEndpoint = nil
		o.RetryMaxAttempts = 1
	})
	table := "table"
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: item{"pk": text("1")}}, options...)
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

const typicalItem = `{"Item":{"pk":{"S":"OWNER#1"},"ü \"\n\u00e4":{"S":"\ud83d\ude00"},"revision":{"N":"12"},"digest":{"B":"AAECAw=="},"empty":{"S":""},` +
	`"suspended":{"BOOL":false},"yes":{"BOOL":true},"none":{"L":[]},"nothing":{"M":{}},"zero":{"B":""},` +
	`"phasedOut":{"L":[{"M":{"createdBy":{"M":{"kind":{"S":"user"}}},"digest":{"B":"/+8="}}},{"S":"x"},{"L":[{"N":"-1.5e3"}]}]}}}`

// quickly are answers by whether they are decoded here.
var quickly = map[string]bool{
	typicalItem:                                true,
	`{}`:                                       true,
	" { \"Item\" : { } }\n":                    true,
	`{"Item":{"a":{"S":"x"}}}{}`:               false,
	`{"Item":{"a":{"S":"x"}}} x`:               false,
	`{"Item":{"a":{"S":"x"}},"Item":{}}`:       false,
	`{"Item":{"a":{"S":"x"},"a":{"S":"y"}}}`:   false,
	`{"Item":{"a":{"S":"x","S":"y"}}}`:         false,
	`{"Item":{"a":{"S":"x","N":"1"}}}`:         false,
	`{"Item":{"a":{}}}`:                        false,
	`{"Item":{"a":{"S":null}}}`:                false,
	`{"Item":{"a":{"S":1}}}`:                   false,
	`{"Item":{"a":{"N":1}}}`:                   false,
	`{"Item":{"a":{"BOOL":"true"}}}`:           false,
	`{"Item":{"a":{"BOOL":tr}}}`:               false,
	`{"Item":{"a":{"B":"A"}}}`:                 false,
	`{"Item":{"a":{"B":"AB=="}}}`:              false,
	`{"Item":{"a":{"s":"x"}}}`:                 false,
	`{"Item":{"a":{"NULL":true}}}`:             false,
	`{"Item":{"a":{"SS":["x","y"]}}}`:          false,
	`{"Item":{"a":{"L":[null]}}}`:              false,
	`{"Item":{"a":{"L":{}}}}`:                  false,
	`{"Item":{"a":null}}`:                      false,
	`{"Item":null}`:                            false,
	`{"Item":[]}`:                              false,
	`{"item":{"a":{"S":"x"}}}`:                 false,
	`{"Item":{},"ConsumedCapacity":{}}`:        false,
	"{\"Item\":{\"a\":{\"S\":\"\xff\"}}}":      false,
	`{"Item":{"a":{"S":"\ud800"}}}`:            false,
	typicalItem[:len(typicalItem)-1]:           false,
	typicalItem[:100]:                          false,
	``:                                         false,
	`null`:                                     false,
	`[]`:                                       false,
	`<html>`:                                   false,
	`{"__type":"InternalServerError"}`:         false,
	`{"Item":` + strings.Repeat(`[`, 20000):    false,
	strings.Repeat(`{"Item":{"a":{"M":`, 3000): false,
}

// Which decoder decodes an answer makes no difference.
func TestAnswersAreDecodedAsTheSDKDecodesThem(t *testing.T) {
	for body, want := range quickly {
		name := body[:min(len(body), 60)]
		if _, quick := decodeAnswer([]byte(body)); quick != want {
			t.Errorf("%q: decoded here: %t", name, quick)
		}
		checkDecoders(t, canned{http.StatusOK, body})
		checkDecoders(t, canned{http.StatusBadRequest, body})
	}
}

func FuzzAnswerIsDecodedAsTheSDKDecodesIt(f *testing.F) {
	for body := range quickly {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) { checkDecoders(t, canned{http.StatusOK, body}) })
}

func checkDecoders(t *testing.T, c canned) {
	t.Helper()
	want, wantErr := getItem(t, c)
	got, err := getItem(t, c, decodeQuickly)
	if (err != nil) != (wantErr != nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("%.200q: the error is %v, and the SDK's %v", c.body, err, wantErr)
	}
	// Of an attribute with two types, which we leave to it, the SDK takes now one
	// and now the other.
	if _, quick := decodeAnswer([]byte(c.body)); quick && !reflect.DeepEqual(want, got) {
		t.Fatalf("%.200q: the item is %v, and the SDK's %v", c.body, got, want)
	}
}

func TestRefusalsOfDynamoDBAreDecodedByTheSDK(t *testing.T) {
	_, err := getItem(t, canned{http.StatusBadRequest, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}`}, decodeQuickly)
	refusal, ok := errors.AsType[smithy.APIError](err)
	if !ok || refusal.ErrorCode() != "ThrottlingException" || refusal.ErrorMessage() != "slow down" {
		t.Errorf("the error is %v", err)
	}
}
