package ecs

import (
	"container/heap"
	"sync"
	"time"
)

// agenda is what will happen, and when. The model moves by taking the next
// entry; the clock only says how far it may go. So a test that calls every
// five seconds and a laptop that calls never see the same history.
type agenda struct {
	now     time.Time // how far the model has come
	entries entries
	count   int
	timer   *time.Timer
}

type entry struct {
	at    time.Time
	order int // of entries for the same time
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

// inbox takes what launchers and target groups report, from any goroutine,
// also from one that the model is calling at this moment.
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

// after schedules; the lock is held.
func (r *Runtime) after(d time.Duration, do func()) { r.agenda.add(r.agenda.now.Add(d), do) }

// post schedules from outside, without the lock.
func (r *Runtime) post(at time.Time, do func()) {
	r.inbox.put(entry{at: at, do: do})
	// Who holds the lock looks into the inbox after letting go of it.
	if r.mu.TryLock() {
		r.advance(time.Now())
		r.unlock()
	}
}

// lock takes the model and brings it up to now.
func (r *Runtime) lock() {
	r.mu.Lock()
	r.advance(time.Now())
}

// unlock lets go of the model, and makes sure that it moves on by itself.
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

// sort moves the mail to the agenda.
func (r *Runtime) sort() {
	for _, e := range r.inbox.take() {
		if !r.closed {
			r.agenda.add(e.at, e.do)
		}
	}
}

// advance lets happen what was to happen until then.
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

// arm has the model move on when the next entry is due.
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
