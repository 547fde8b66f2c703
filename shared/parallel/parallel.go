// Package parallel does one thing to many, several at a time.
package parallel

import "sync"

// Each does the work for all, at most so many at a time, and waits for the end. The
// work must not panic.
func Each[T any](most int, all []T, work func(T)) {
	var group sync.WaitGroup
	places := make(chan struct{}, most)
	for _, one := range all {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			work(one)
		})
	}
	group.Wait()
}
