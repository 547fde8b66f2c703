package sweep_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/awstest"
)

// Time is the function's only for so long: it stops with what it began whole, and
// the next runs do the rest.
func TestASweepStopsCleanlyBeforeItsTimeIsUp(t *testing.T) {
	const users, limit, reserve = 150, 60 * time.Second, 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.secrets.SetPageSize(20)
		for n := range users {
			w.create(userN(n))
			w.orphan(userN(10_000 + n))
		}
		pass(days(76))
		w.table.CatchUp()
		var sum sweep.Counts
		runs := 0
		for ; ; runs++ {
			if runs == 14 { // the 13th is on the day of the rotations
				pass(days(14))
			}
			p := w.start(ofDeployment)
			var mu sync.Mutex
			var lastBegun time.Duration
			began := time.Now()
			p.onAll(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
				mu.Lock()
				if slices.Contains([]string{"PutSecretValue", "ListSecrets"}, call.Operation) {
					lastBegun = max(lastBegun, time.Since(began))
				}
				mu.Unlock()
				pass(time.Second)
				return next()
			})
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			counts, err := p.Handle(ctx)
			if took := time.Since(began); err != nil || ctx.Err() != nil || took > limit-5*time.Second || counts.Failed != 0 {
				t.Fatalf("run %d took %v: %+v, %v", runs+1, took, counts, err)
			}
			cancel()
			// A rotation's first write is a few calls after it began.
			if lastBegun > limit-reserve+3*time.Second {
				t.Errorf("run %d began something %v after its start", runs+1, lastBegun)
			}
			sum.Rotated += counts.Rotated
			sum.Announced += counts.Announced
			sum.Removed += counts.Removed
			if counts.LeftOver == 0 && runs > 14 {
				break
			}
			pass(15 * time.Minute)
			w.table.CatchUp()
		}
		wantCounts(t, sum, sweep.Counts{Rotated: users, Announced: users, Removed: users})
		if runs < 16 {
			t.Errorf("all was done in %d runs: nothing was left over", runs)
		}
		w.wantAgreement()
	})
}

// A clock that steps back at any of the sweep's calls, a little and far by turns,
// has nothing rotated twice, and nothing forgotten.
func TestAClockThatStepsBackRotatesNothingTwice(t *testing.T) {
	steps := []time.Duration{time.Second, days(1), days(100)}
	awstest.AtEachCall(t, func(t *testing.T, n int) (met bool) {
		w := newWorld(t)
		everythingIsDue(w, 1)
		p := w.start(ofDeployment)
		var back atomic.Int64
		now := func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
		p.Now, p.Keys.Now = now, now
		p.onAll(awstest.Nth(n, awstest.Before(func() {
			met = true
			back.Store(int64(steps[n%len(steps)]))
		})))
		if counts := p.run(); counts.Failed != 0 {
			t.Errorf("the run did %+v", counts)
		}
		p.run()
		pass(15 * time.Minute)
		w.sweep()
		pass(24 * time.Hour) // of the day's walk, what was left
		w.sweep()
		w.wantAgreement(p)
		doneOnce(w, 1)
		return met
	})
}

// quota is a Secrets Manager that allows so many writes in any second, and refuses
// more.
type quota struct {
	mu      sync.Mutex
	writes  []time.Time
	most    int
	refused int
}

const ofTheRegion = 50

func (q *quota) meet(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
	if slices.ContainsFunc([]string{"Get", "Describe", "List"}, func(read string) bool { return strings.HasPrefix(call.Operation, read) }) {
		return next()
	}
	q.mu.Lock()
	q.writes = append(q.writes, time.Now())
	for time.Since(q.writes[0]) >= time.Second {
		q.writes = q.writes[1:]
	}
	q.most = max(q.most, len(q.writes))
	over := len(q.writes) > ofTheRegion
	if over {
		q.refused++
	}
	q.mu.Unlock()
	pass(10 * time.Millisecond)
	if over {
		return awstest.Refuse(400, "ThrottlingException")(call, next)
	}
	return next()
}

// TestTheSharesOfTheQuotaAreKept: two sweeps at once, each with a share, never ask
// for more than that together, retries included.
func TestTheSharesOfTheQuotaAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		share, sweeps int
		fault         awstest.Fault
	}{
		"one sweep":                    {20, 1, nil},
		"two sweeps":                   {20, 2, nil},
		"a share of one":               {1, 1, nil},
		"everything is sent again":     {20, 2, awstest.On("UpdateSecretVersionStage", awstest.LoseAnswer)},
		"nothing comes through at all": {20, 2, awstest.On("PutSecretValue", awstest.Reset)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, sum := sweepUnderQuota(t, c.share, c.sweeps, c.fault)
				// One is always at hand when a process starts.
				if q.most > c.sweeps*(c.share+1) || q.refused > 0 {
					t.Errorf("%d writes in a second, %d refused", q.most, q.refused)
				}
				if c.fault == nil && (sum.Rotated != 60 || sum.Failed != 0) {
					t.Errorf("the sweeps did %+v", sum)
				}
				t.Logf("proof: sweep: %s: at most %d writes of secrets in a second, of %d", name, q.most, ofTheRegion)
			})
		})
	}
}

func TestWithoutAShareTheQuotaIsExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if q, _ := sweepUnderQuota(t, 0, 2, nil); q.refused == 0 {
			t.Errorf("%d writes in a second, and none was refused", q.most)
		}
	})
}

// sweepUnderQuota has sweeps rotate sixty keys at once; a share of 0 is none.
func sweepUnderQuota(t *testing.T, share, sweeps int, fault awstest.Fault) (q *quota, sum sweep.Counts) {
	w := newWorld(t)
	for n := range 60 {
		w.create(userN(n))
	}
	pass(days(90))
	w.table.CatchUp()
	q = &quota{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for range sweeps {
		p := w.startOn(apikey.RotationPolicy{MaxAgeDays: 90}, w.table, w.secrets, func(c client) secretsmanager.HTTPClient {
			if share == 0 {
				return c
			}
			return awsclient.Paced(aws.Config{HTTPClient: c}, share).HTTPClient
		})
		p.secrets.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			return q.meet(call, func() (*http.Response, error) {
				if fault != nil {
					return fault(call, next)
				}
				return next()
			})
		})
		group.Go(func() {
			counts, _ := p.Handle(t.Context())
			mu.Lock()
			defer mu.Unlock()
			sum.Rotated += counts.Rotated
			sum.Failed += counts.Failed
		})
	}
	group.Wait()
	return q, sum
}
