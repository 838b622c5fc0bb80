package localaws

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// store keeps the resources of a service as records of several kinds, each by
// region and name. Records may be used only while holding the lock.
type store[T any] struct {
	sync.Mutex
	records map[place]*T
}

// place is where a record is kept.
type place struct{ region, kind, name string }

func newStore[T any]() *store[T] { return &store[T]{records: map[place]*T{}} }

// list returns the records of a kind, by name.
func (s *store[T]) list(region, kind string) []*T {
	var all []*T
	for _, at := range slices.SortedFunc(maps.Keys(s.records), func(a, b place) int { return strings.Compare(a.name, b.name) }) {
		if at.region == region && at.kind == kind {
			all = append(all, s.records[at])
		}
	}
	return all
}
