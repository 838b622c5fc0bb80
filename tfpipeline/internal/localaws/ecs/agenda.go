package ecs

import (
	"container/heap"
	"sync"
	"time"
)

// agenda holds what will happen, and when. The model advances from entry to
// entry, and the clock only limits how far. So a test that calls every five
// seconds sees the same history as a laptop that never calls.
type agenda struct {
	now     time.Time // how far the model has advanced
	entries entries
	count   int
	timer   *time.Timer
}

type entry struct {
	at    time.Time
	order int // among entries for the same time
	do    func()
}

type entries []entry

func (e entries) Len() int      { return len(e) }
func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e entries) Less(i, j int) bool {
	if !e[i].at.Equal(e[j].at) {
		return e[i].at.Before(e[j].at)
	}
	return e[i].order < e[j].order
}
func (e *entries) Push(x any) { *e = append(*e, x.(entry)) }
func (e *entries) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = entry{}
	*e = (*e)[:len(*e)-1]
	return last
}

func (a *agenda) add(at time.Time, do func()) {
	if at.Before(a.now) {
		at = a.now
	}
	a.count++
	heap.Push(&a.entries, entry{at, a.count, do})
}

func (a *agenda) clear() {
	a.entries = nil
	if a.timer != nil {
		a.timer.Stop()
	}
}

// inbox receives the reports of launchers and target groups from any
// goroutine, even from one that the model is calling at this moment.
type inbox struct {
	mu   sync.Mutex
	mail []entry
}

func (i *inbox) put(e entry) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mail = append(i.mail, e)
}

func (i *inbox) take() []entry {
	i.mu.Lock()
	defer i.mu.Unlock()
	mail := i.mail
	i.mail = nil
	return mail
}

func (i *inbox) empty() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.mail) == 0
}

// clock is the agenda behind the lock of the model.
type clock struct {
	mu     sync.Mutex // guards the model, and is held while it advances
	agenda agenda
	inbox  inbox // has its own lock
	closed bool
}

// after schedules do for a later time; the caller holds the lock.
func (c *clock) after(d time.Duration, do func()) { c.agenda.add(c.agenda.now.Add(d), do) }

// post schedules do for callers that do not hold the lock.
func (c *clock) post(at time.Time, do func()) {
	c.inbox.put(entry{at: at, do: do})
	// If another goroutine holds the lock, its unlock reads the inbox.
	if c.mu.TryLock() {
		c.advance(time.Now())
		c.unlock()
	}
}

// lock locks the model and advances it to the current time.
func (c *clock) lock() {
	c.mu.Lock()
	c.advance(time.Now())
}

// unlock unlocks the model, and arms a timer so that it advances without
// further calls.
func (c *clock) unlock() {
	for {
		c.sort()
		c.arm()
		c.mu.Unlock()
		if c.inbox.empty() || !c.mu.TryLock() {
			return
		}
		c.advance(time.Now())
	}
}

// sort moves the inbox's entries to the agenda.
func (c *clock) sort() {
	for _, e := range c.inbox.take() {
		if !c.closed {
			c.agenda.add(e.at, e.do)
		}
	}
}

// advance runs all entries up to a time.
func (c *clock) advance(until time.Time) {
	a := &c.agenda
	for {
		c.sort()
		if len(a.entries) == 0 || a.entries[0].at.After(until) {
			break
		}
		next := heap.Pop(&a.entries).(entry)
		a.now = next.at
		next.do()
	}
	if until.After(a.now) {
		a.now = until
	}
}

// arm sets a timer for the next entry.
func (c *clock) arm() {
	a := &c.agenda
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	if len(a.entries) == 0 || c.closed {
		return
	}
	a.timer = time.AfterFunc(time.Until(a.entries[0].at), func() {
		c.lock()
		c.unlock()
	})
}
