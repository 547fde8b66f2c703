package awstest

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Fault decides what becomes of one call. It may carry the call out through
// next, before or instead of failing it; also after the caller has given it up.
type Fault func(call Call, next func() (*http.Response, error)) (*http.Response, error)

var errConnection = errors.New("connection reset by peer (injected)")

// Reset fails the call before it takes effect.
func Reset(Call, func() (*http.Response, error)) (*http.Response, error) { return nil, errConnection }

// LoseAnswer carries the call out and loses the answer.
func LoseAnswer(_ Call, next func() (*http.Response, error)) (*http.Response, error) {
	response, err := next()
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	return nil, errConnection
}

// Hang fails the call before it takes effect, when its caller gives it up.
func Hang(call Call, _ func() (*http.Response, error)) (*http.Response, error) {
	<-call.Context.Done()
	return nil, call.Context.Err()
}

// HoldAnswer carries the call out and holds the answer until the caller has
// given it up.
func HoldAnswer(call Call, next func() (*http.Response, error)) (*http.Response, error) {
	response, err := next()
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	return Hang(call, next)
}

// Refuse answers with an AWS error instead of carrying the call out.
func Refuse(status int, code string) Fault {
	return func(Call, func() (*http.Response, error)) (*http.Response, error) {
		return Answer(status, map[string]any{"__type": code, "message": "injected"}), nil
	}
}

// On applies the fault to one operation only.
func On(operation string, fault Fault) Fault {
	return func(call Call, next func() (*http.Response, error)) (*http.Response, error) {
		if call.Operation != operation {
			return next()
		}
		return fault(call, next)
	}
}

// Once applies the fault to the first call that it is asked about.
func Once(fault Fault) Fault { return Nth(1, fault) }

// Nth applies the fault to the n-th call that it is asked about, counted from 1.
func Nth(n int, fault Fault) Fault {
	return counted(fault, func(asked int) bool { return asked == n })
}

// From applies the fault to the n-th call that it is asked about, counted from 1,
// and to all after it.
func From(n int, fault Fault) Fault {
	return counted(fault, func(asked int) bool { return asked >= n })
}

func counted(fault Fault, hit func(asked int) bool) Fault {
	var asked atomic.Int64
	return func(call Call, next func() (*http.Response, error)) (*http.Response, error) {
		if hit(int(asked.Add(1))) {
			return fault(call, next)
		}
		return next()
	}
}

// AtEachCall tests what comes of something at its first call, at its second and so
// on, each time in a bubble, until it has no such call.
func AtEachCall(t *testing.T, test func(t *testing.T, n int) (met bool)) {
	t.Helper()
	for n, met := 1, true; met; n++ {
		ran := false
		met = false
		t.Run(fmt.Sprint("call ", n), func(t *testing.T) {
			ran = true
			synctest.Test(t, func(t *testing.T) { met = test(t, n) })
		})
		if n == 1 && ran && !met {
			t.Error("there was no call at all")
		}
	}
}

// Before makes a change just before the call is carried out.
func Before(change func()) Fault {
	return func(_ Call, next func() (*http.Response, error)) (*http.Response, error) {
		change()
		return next()
	}
}
