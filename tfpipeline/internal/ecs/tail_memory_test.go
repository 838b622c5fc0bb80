package ecs

import (
	"fmt"
	"testing"
	"time"
)

// A log with more lines than a tail remembers is read on from those that it does.
func TestTailForgets(t *testing.T) {
	t.Parallel()
	begun := time.UnixMilli(1e12)
	l := &tailed{from: begun, newest: begun, seen: map[string]time.Time{}}
	for i := range 1000 {
		l.newest = begun.Add(time.Duration(i) * time.Millisecond)
		l.seen[fmt.Sprint(i)] = l.newest
		l.forget(100)
		if len(l.seen) > 100 {
			t.Fatalf("%d lines are remembered", len(l.seen))
		}
		for id, at := range l.seen {
			if at.Before(l.from) {
				t.Fatalf("line %s is remembered, and not read", id)
			}
		}
		if want := min(i, 100/2) + 1; len(l.seen) < want-1 {
			t.Fatalf("after %d lines, %d are remembered", i+1, len(l.seen))
		}
		if got := int(l.newest.Sub(l.from).Milliseconds()) + 1; got != len(l.seen) && l.from != begun {
			t.Fatalf("%d lines are read again, %d are remembered", got, len(l.seen))
		}
	}
}
