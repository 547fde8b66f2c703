package notices_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/notices"
	"github.com/userapikey/service/shared/notices/noticestest"
)

func TestDeadLetterIsKeptWithItsReason(t *testing.T) {
	queue := noticestest.NewQueue()
	letters := notices.NewDeadLetters(queue.Client(), noticestest.QueueURL)
	if err := letters.Keep(t.Context(), []byte(`{"a":1}`), errors.New("it cannot be read")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]noticestest.Message{{Body: `{"a":1}`, Reason: "it cannot be read"}}, queue.Messages()); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
}

// A letter that the queue does not take would hold up all behind it for as long as
// the stream keeps it; and it is a text of nobody knows whom.
func TestQueueTakesWhateverIsInADeadLetter(t *testing.T) {
	for name, test := range map[string]struct{ record, reason, wantRecord, wantReason string }{
		"no reason":          {`{}`, "", `{}`, "unknown"},
		"control characters": {`{}`, "the item \x00\x1b carries no notice", `{}`, "the item \ufffd\ufffd carries no notice"},
		"no characters":      {"{\"a\":\"\uffff\ufffe\"}", "\uffff", "{\"a\":\"\ufffd\ufffd\"}", "\ufffd"},
		"no UTF-8":           {"{\"a\":\"\xff\"}", "\xff", "{\"a\":\"\ufffd\"}", "\ufffd"},
		"a long reason":      {`{}`, strings.Repeat("é", 5000), `{}`, strings.Repeat("é", 512)},
	} {
		t.Run(name, func(t *testing.T) {
			queue := noticestest.NewQueue()
			letters := notices.NewDeadLetters(queue.Client(), noticestest.QueueURL)
			if err := letters.Keep(t.Context(), []byte(test.record), errors.New(test.reason)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]noticestest.Message{{Body: test.wantRecord, Reason: test.wantReason}}, queue.Messages()); diff != "" {
				t.Errorf("-want +got: %s", diff)
			}
		})
	}
}

func TestLargestDeadLetterFits(t *testing.T) {
	queue := noticestest.NewQueue()
	letters := notices.NewDeadLetters(queue.Client(), noticestest.QueueURL)
	err := letters.Keep(t.Context(), []byte(strings.Repeat("x", notices.MaxDeadLetterBytes)), errors.New(strings.Repeat("🌙", 5000)))
	if err != nil || len(queue.Messages()) != 1 {
		t.Errorf("%d in the queue, %v", len(queue.Messages()), err)
	}
}

func TestDeadLetterThatIsNotKeptIsAnError(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"throttled":     awstest.Refuse(http.StatusBadRequest, "RequestThrottled"),
		"access denied": awstest.Refuse(http.StatusBadRequest, "AccessDenied"),
		"down":          awstest.Reset,
		"answer lost":   awstest.LoseAnswer,
		"slow":          awstest.Hang,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queue := noticestest.NewQueue()
				queue.Transport.SetFault(fault)
				if err := notices.NewDeadLetters(queue.Client(), noticestest.QueueURL).Keep(t.Context(), []byte(`{}`), errors.New("why")); err == nil {
					t.Error("it was said to be kept")
				}
				if calls := len(queue.Transport.TakeCalls()); calls > 3 {
					t.Errorf("%d calls: retries are not bounded", calls)
				}
			})
		})
	}
}
