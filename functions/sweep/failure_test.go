package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

var errKilled = errors.New("the process is no more (injected)")

// killAt ends the process at its n-th call, before that takes effect or after: none
// that is made then arrives.
func (p *process) killAt(n int, after bool, cancel func()) (met func() bool) {
	killed, hit := make(chan struct{}), false
	at := awstest.Nth(n, func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		hit = true
		if after {
			if response, err := next(); err == nil {
				_ = response.Body.Close()
			}
		}
		close(killed)
		cancel()
		return nil, errKilled
	})
	p.onAll(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		select {
		case <-killed:
			return nil, errKilled
		default:
			return at(call, next)
		}
	})
	return func() bool { return hit }
}

// Killed at any of its calls, before it or after, and run again: all is done, and
// nothing of it twice.
func TestASweepThatIsKilledIsFinishedByTheNext(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint("after it ", after), func(t *testing.T) {
			awstest.AtEachCall(t, func(t *testing.T, n int) bool {
				w := newWorld(t)
				everythingIsDue(w, 1)
				p := w.start(ofDeployment)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				met := p.killAt(n, after, cancel)
				_, _ = p.Handle(ctx)
				pass(15 * time.Minute)
				if counts := w.sweep(); counts.Failed != 0 || counts.LeftOver != 0 {
					t.Errorf("the next run did %+v", counts)
				}
				w.wantAgreement(p)
				doneOnce(w, 1)
				wantCounts(t, w.sweep(), sweep.Counts{})
				return met()
			})
		})
	}
}

// Each call fails in turn, as it may: what was not done is done by the next run.
func TestWhatFailsIsStillDueAtTheNextRun(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"throttled": awstest.Refuse(400, "ThrottlingException"), "answer lost": awstest.LoseAnswer,
	} {
		t.Run(name, func(t *testing.T) {
			awstest.AtEachCall(t, func(t *testing.T, n int) (met bool) {
				w := newWorld(t)
				everythingIsDue(w, 1)
				p := w.start(ofDeployment)
				p.onAll(awstest.Nth(n, func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
					met = true
					return fault(call, next)
				}))
				_, _ = p.Handle(t.Context())
				pass(24 * time.Hour)
				w.sweep()
				w.wantAgreement(p)
				doneOnce(w, 1)
				return met
			})
		})
	}
}

// One ring whose secret is gone, one that cannot be read, and one that a defect
// meets: the others are rotated, and a failure is announced once.
func TestOneRingThatFailsDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 20 {
			w.create(userN(n))
		}
		_, err := w.secrets.Client().DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{
			SecretId: aws.String(w.ring(userN(3)).SecretARN), ForceDeleteWithoutRecovery: aws.Bool(true),
		})
		w.must(err)
		w.damage(userN(5))
		pass(days(90))
		p := w.start(apikey.RotationPolicy{MaxAgeDays: 90})
		// The walk meets the damaged ring again.
		wantCounts(t, p.run(), sweep.Counts{Rotated: 18, Failed: 3})
		wantCounts(t, p.run(), sweep.Counts{Failed: 2})
		failed := w.notices(apikey.EventRotationFailed)
		if len(failed) != 1 || failed[0].Owner != userN(3) || failed[0].Reason != string(apikey.CodeConflict) {
			t.Errorf("announced: %+v", failed)
		}
		for n := range 20 {
			if n != 5 && (w.ring(userN(n)).Revision == 2) == (n == 3) {
				t.Errorf("user %d: %+v", n, w.ring(userN(n)))
			}
		}
	})
}

// failing is randomness that has a defect once.
type failing struct {
	io.Reader

	reads atomic.Int32
}

func (f *failing) Read(b []byte) (int, error) {
	if f.reads.Add(1) == 1 {
		panic("cpdk_not_to_be_logged")
	}
	return f.Reader.Read(b)
}

func TestADefectThatOneRingMeetsDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 3 {
			w.create(userN(n))
		}
		pass(days(90))
		p := w.start(ofDeployment)
		p.Keys.Random = &failing{Reader: p.Keys.Random}
		p.slowly(1) // so that one is read at a time
		wantCounts(t, p.run(), sweep.Counts{Rotated: 2, Failed: 1})
		wantCounts(t, w.sweep(), sweep.Counts{Rotated: 1})
		w.wantAgreement(p)
	})
}

// A rotation whose answer was lost, and that was made, has not failed.
func TestNoFailureIsAnnouncedOfAKeyThatWasRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create(userN(0))
		pass(days(90))
		p := w.start(ofDeployment)
		gone := false
		p.table.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			switch {
			case call.Operation == "TransactWriteItems":
				gone = true
				return awstest.LoseAnswer(call, next)
			case call.Operation == "GetItem" && gone && strings.Contains(string(call.Body), "EVENT#"):
				return awstest.Reset(call, next)
			}
			return next()
		})
		wantCounts(t, p.run(), sweep.Counts{Failed: 1})
		if failed := w.notices(apikey.EventRotationFailed); len(failed) != 0 || w.ring(userN(0)).Revision != 2 {
			t.Errorf("announced %+v of the ring %+v", failed, w.ring(userN(0)))
		}
		wantCounts(t, w.sweep(), sweep.Counts{})
		w.wantAgreement(p)
	})
}

func TestWithoutTheTableTheSweepFailsAndTheNextDoesItAll(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{"out of reach": awstest.Reset, "throttled": awstest.Refuse(400, "ThrottlingException")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				everythingIsDue(w, 1)
				p := w.start(ofDeployment)
				p.table.SetFault(fault)
				if counts, err := p.Handle(t.Context()); apikey.CodeOf(err) != apikey.CodeUnavailable || counts != (sweep.Counts{}) {
					t.Errorf("did %+v, answered %v", counts, err)
				}
				w.sweep()
				doneOnce(w, 1)
			})
		})
	}
}

// Without Secrets Manager nothing is rotated, which is announced; reminders and
// deletions go on.
func TestWithoutSecretsManagerTheClockDoesWhatItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		everythingIsDue(w, 2)
		p := w.start(ofDeployment)
		p.secrets.SetFault(awstest.Reset)
		counts, err := p.Handle(t.Context())
		if apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("answered %v", err)
		}
		wantCounts(t, counts, sweep.Counts{Announced: 2, Deleted: 2, Failed: 4})
		if failed := w.notices(apikey.EventRotationFailed); len(failed) != 4 {
			t.Errorf("announced: %+v", failed)
		}
		w.sweep()
		doneOnce(w, 2)
	})
}
