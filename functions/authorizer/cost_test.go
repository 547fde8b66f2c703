package authorizer_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/functions/authorizer"
	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// onlyConsistentReads fails the test at any call but a strongly consistent read
// of one item by its key.
func onlyConsistentReads(t *testing.T) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		var read struct {
			ConsistentRead bool
			Key            map[string]any
		}
		if err := json.Unmarshal(call.Body, &read); err != nil || !read.ConsistentRead || len(read.Key) != 2 {
			t.Errorf("%s %s", call.Operation, call.Body)
		}
		return next()
	}
}

func TestDecisionIsOneConsistentRead(t *testing.T) {
	w := newWorld(t)
	unknown := byOwner(apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"})
	forged := byCredential(w.forged())
	// The first use of the Active key is noted, and the first of the Phased out one
	// announced.
	w.invoked(byOwner(functest.Jane))
	w.invoked(byCredential(functest.FirstCredential))
	for name, q := range map[string]question{
		"by an Active credential":    byCredential(functest.SecondCredential),
		"by a Phased out credential": byCredential(functest.FirstCredential),
		"by a forged credential":     forged,
		"by owner":                   byOwner(functest.Jane),
		"by an owner without keys":   unknown,
	} {
		t.Run(name, func(t *testing.T) {
			w.Calm()
			w.Table.Transport.SetFault(onlyConsistentReads(t))
			w.asked("JOB_RUNNER_TOKEN", q)
			w.WantCalls("GetItem")
			w.invoked(q)
			w.WantCalls("GetItem")
			if q["credential"] != nil {
				w.protected(restToken(bearer(q)))
				w.WantCalls("GetItem")
			}
		})
	}
}

// A schedule is read in the same call as its ring.
func TestDecisionByScheduleIsOneConsistentRead(t *testing.T) {
	w := newWorld(t)
	following(w)
	w.invoked(byOwner(functest.Jane))
	w.Calm()
	w.Table.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		var read struct {
			RequestItems map[string]struct {
				ConsistentRead bool
				Keys           []map[string]any
			}
		}
		err := json.Unmarshal(call.Body, &read)
		if table := read.RequestItems[storetest.Table]; err != nil || !table.ConsistentRead || len(table.Keys) != 2 {
			t.Errorf("%s %s", call.Operation, call.Body)
		}
		return next()
	})
	for _, id := range []string{"nightly", "weekly"} {
		w.asked("JOB_RUNNER_TOKEN", ofJane(id)(w))
		w.WantCalls("BatchGetItem")
		w.invoked(ofJane(id)(w))
		w.WantCalls("BatchGetItem")
	}
}

// Once in five minutes a decision costs one write more.
func TestFirstUseOfAKeyIsOneWriteInFiveMinutes(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.asked("JOB_RUNNER_TOKEN", byOwner(functest.Jane))
		w.WantCalls("GetItem", "UpdateItem")
		w.Pass(store.UsePrecision - time.Millisecond)
		w.invoked(byCredential(functest.SecondCredential))
		w.WantCalls("GetItem")
		w.Pass(time.Millisecond)
	}
	another := authorizer.New(w.World, w.Keys.Rings, w.Now, w.Log) // an instance knows of no other
	w.invoked(byOwner(functest.Jane))
	w.WantCalls("GetItem", "UpdateItem")
	w.function = another
	w.invoked(byOwner(functest.Jane))
	w.WantCalls("GetItem", "UpdateItem")
}

// What is refused is no use, nor is the renewal of a run.
func TestOnlyWhatIsAllowedIsAUse(t *testing.T) {
	w := newWorld(t)
	w.invoked(byCredential(functest.FirstCredential)) // announced, once an hour
	for _, q := range []question{byCredential(functest.FirstCredential), byCredential(w.forged()), byOwner(apikey.Owner{AccountID: "a", IAMID: "b"})} {
		w.Calm()
		w.invoked(q)
		w.WantCalls("GetItem")
	}
	trainingRuns(t, w.World)
	w.Calm()
	w.decode(&decision{})(w.invoke(shown("direct-renewal")))
	w.WantCalls("BatchGetItem", "UpdateItem")
}

// A question about another account's owner is answered without looking; one
// with another account's credential needs the look, to be told from a forgery.
func TestForeignOwnerIsRefusedWithoutARead(t *testing.T) {
	w := newWorld(t)
	runner := w.elsewhere()
	if got := w.asked(runner, byOwner(functest.Jane)); got.Reason != "no_active_key" {
		t.Errorf("answered %+v", got)
	}
	w.WantCalls()
	if got := w.invoked(byOwner(functest.Jane).with("callerAccountId", "another")); got.Reason != "no_active_key" {
		t.Errorf("answered %+v", got)
	}
	w.WantCalls()
	w.asked(runner, byCredential(functest.SecondCredential))
	w.WantCalls("GetItem")
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Every change of one character, to any digit or to what is none.
func TestEveryMistypedCharacterIsRefusedWithoutIO(t *testing.T) {
	w := newWorld(t)
	good := functest.SecondCredential
	for i := range len(good) {
		for _, character := range digits + "_- \x00é" {
			typo := good[:i] + string(character) + good[i+1:]
			if typo == good {
				continue
			}
			if got := w.invoked(byCredential(typo)); got.Allowed || got.Reason != "credential_malformed" {
				t.Fatalf("character %d changed to %q: %+v", i, character, got)
			}
		}
	}
	w.WantCalls()
}

func TestEveryOtherMalformedCredentialIsRefusedWithoutIO(t *testing.T) {
	w := newWorld(t)
	good := functest.SecondCredential
	malformed := map[string]string{
		"empty":                  "",
		"the prefix":             "cpdk_",
		"blanks":                 strings.Repeat(" ", len(good)),
		"a blank in front":       " " + good,
		"a line break":           good + "\n",
		"quotes":                 `"` + good + `"`,
		"a scheme":               "Bearer " + good,
		"capitals":               strings.ToUpper(good),
		"small letters":          strings.ToLower(good),
		"another prefix":         "cpdx_" + good[5:],
		"no separator":           strings.Replace(good, "_000", "000", 1),
		"halves swapped":         "cpdk_" + good[49:98] + "_" + good[5:48],
		"twice":                  good + good,
		"very long":              strings.Repeat("x", 10_000),
		"no UTF-8 letters":       strings.Repeat("ä", 49),
		"a JWT":                  "eyJhbGciOiJFUzI1NiJ9.eyJpYW1faWQiOiJJQk1pZC0xIn0.c2lnbmF0dXJl",
		"a key's id":             w.Ring(functest.Jane).Active.ID.String(),
		"two neighbours swapped": good[:60] + good[61:62] + good[60:61] + good[62:],
	}
	for i := range len(good) {
		malformed["cut off after "+good[:i]] = good[:i]
		malformed["without its beginning "+good[:i]] = good[i+1:]
	}
	w.Calm()
	for name, credential := range malformed {
		for way, got := range map[string]decision{
			"over HTTP": w.asked("JOB_RUNNER_TOKEN", byCredential(credential)),
			"directly":  w.invoked(byCredential(credential)),
		} {
			if got != (decision{Reason: "credential_malformed"}) {
				t.Errorf("%s, %s: %+v", name, way, got)
			}
		}
	}
	w.WantCalls()
}

func TestMalformedQuestionIsRefusedWithoutIO(t *testing.T) {
	w := newWorld(t)
	good := byCredential(functest.SecondCredential)
	for _, q := range []question{{}, good.with("jobId", ""), good.with("trigger", "x"), good.with("owner", nil).with("credential", nil), good.with("extra", 1)} {
		w.ask("JOB_RUNNER_TOKEN", q).Refused(http.StatusBadRequest, apikey.CodeInvalidRequest)
		answer, err := w.invoke(q)
		w.refusedInvocation(apikey.CodeInvalidRequest, answer, err)
	}
	w.WantCalls()
}

func TestFunctionLinksNoClientThatItDoesNotNeed(t *testing.T) { functest.LinksDynamoDBAlone(t) }
