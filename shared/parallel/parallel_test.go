package parallel_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/userapikey/service/shared/parallel"
)

func TestEachIsDoneOnceAndNoMoreThanTheMostAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, many = 3, 10
		var underWay, begun atomic.Int64
		var times [many]atomic.Int64
		places, done := make(chan struct{}), make(chan struct{})
		all := make([]int, many)
		for i := range all {
			all[i] = i
		}
		go func() {
			defer close(done)
			parallel.Each(most, all, func(i int) {
				if now := underWay.Add(1); now > most {
					t.Errorf("%d are under way", now)
				}
				begun.Add(1)
				<-places
				underWay.Add(-1)
				times[i].Add(1)
			})
		}()
		synctest.Wait()
		if got := begun.Load(); got != most {
			t.Errorf("%d were begun", got)
		}
		select {
		case <-done:
			t.Error("it did not wait for the end")
		default:
		}
		close(places)
		<-done
		for i := range times {
			if got := times[i].Load(); got != 1 {
				t.Errorf("%d was done %d times", i, got)
			}
		}
	})
}
