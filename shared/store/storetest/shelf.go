package storetest

import (
	"iter"
	"maps"
	"slices"
)

// shelf is items by key, and in order within each partition, so that what a query
// costs does not grow with the table.
type shelf struct {
	byKey      map[string]item
	partitions map[string][]string // keys, in order
}

func newShelf() *shelf {
	return &shelf{byKey: map[string]item{}, partitions: map[string][]string{}}
}

func (s *shelf) put(partition, key string, it item) {
	if s.byKey[key] == nil {
		keys := s.partitions[partition]
		at, _ := slices.BinarySearch(keys, key)
		s.partitions[partition] = slices.Insert(keys, at, key)
	}
	s.byKey[key] = it
}

func (s *shelf) remove(partition, key string) {
	if s.byKey[key] == nil {
		return
	}
	delete(s.byKey, key)
	keys := s.partitions[partition]
	at, _ := slices.BinarySearch(keys, key)
	if s.partitions[partition] = slices.Delete(keys, at, at+1); len(keys) == 1 {
		delete(s.partitions, partition)
	}
}

// between are the keys of a partition from first to last, both included.
func (s *shelf) between(partition, first, last string) []string {
	keys := s.partitions[partition]
	from, _ := slices.BinarySearch(keys, first)
	to, found := slices.BinarySearch(keys, last)
	if found {
		to++
	}
	return keys[from:max(from, to)]
}

// all are all keys behind one, partition by partition.
func (s *shelf) all(partition, behind string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range slices.Sorted(maps.Keys(s.partitions)) {
			if p < partition {
				continue
			}
			for _, key := range s.partitions[p] {
				if (p > partition || key > behind) && !yield(key) {
					return
				}
			}
		}
	}
}
