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

// after schedules do for a later time; the caller holds the lock.
func (r *Runtime) after(d time.Duration, do func()) { r.agenda.add(r.agenda.now.Add(d), do) }

// post schedules do for callers that do not hold the lock.
func (r *Runtime) post(at time.Time, do func()) {
	r.inbox.put(entry{at: at, do: do})
	// If another goroutine holds the lock, its unlock reads the inbox.
	if r.mu.TryLock() {
		r.advance(time.Now())
		r.unlock()
	}
}

// lock locks the model and advances it to the current time.
func (r *Runtime) lock() {
	r.mu.Lock()
	r.advance(time.Now())
}

// unlock unlocks the model, and arms a timer so that it advances without
// further calls.
func (r *Runtime) unlock() {
	for {
		r.sort()
		r.arm()
		r.mu.Unlock()
		if r.inbox.empty() || !r.mu.TryLock() {
			return
		}
		r.advance(time.Now())
	}
}

// sort moves the inbox's entries to the agenda.
func (r *Runtime) sort() {
	for _, e := range r.inbox.take() {
		if !r.closed {
			r.agenda.add(e.at, e.do)
		}
	}
}

// advance runs all entries up to a time.
func (r *Runtime) advance(until time.Time) {
	a := &r.agenda
	for {
		r.sort()
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
func (r *Runtime) arm() {
	a := &r.agenda
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	if len(a.entries) == 0 || r.closed {
		return
	}
	a.timer = time.AfterFunc(time.Until(a.entries[0].at), func() {
		r.lock()
		r.unlock()
	})
}
