package deploy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// markTime is how long an interrupted apply goes on, at most, until the bucket
// says that it was interrupted: GitHub kills a cancelled job after ten seconds,
// and Terraform may need longer to stop.
const markTime = 5 * time.Second

// InFlight is what an interrupt would leave, and how one would go on from there.
type InFlight struct {
	Step StepName
	// Left are sentences, as in Error.
	Left []string
	Next Next
}

// flight is what an interrupt finds, which comes in a goroutine of its own.
type flight struct {
	*operation
	lease *heldLease
	// storing is full while a journal is being stored.
	storing chan struct{}

	mu  sync.Mutex // guards what follows
	now InFlight
	// journal is the attempt's, as it was then.
	journal Journal
	// ends: the attempt has come to its outcome, which an interrupt leaves alone.
	ends bool

	// interrupted is closed when lease and journal say so, ending when the attempt
	// comes to its own last writes, and idle when an interrupt stores nothing more.
	interrupted, ending, idle chan struct{}
	end                       func()
	// marked: lease and journal do say so. recorded: the record is stored too.
	marked, recorded bool
}

func newFlight(o *operation, lease *heldLease) *flight {
	f := &flight{operation: o, lease: lease, storing: make(chan struct{}, 1), interrupted: make(chan struct{}), ending: make(chan struct{}), idle: make(chan struct{})}
	f.end = sync.OnceFunc(func() { close(f.ending) })
	return f
}

// tellInFlight says what an interrupt would leave now.
func (a *attempt) tellInFlight() {
	outcome := a.record().Outcome
	if outcome == "" {
		outcome = Interrupted
	}
	now := InFlight{Step: a.step, Next: a.next(outcome), Left: a.leftBehind(outcome)}
	j := a.journal
	j.Record = j.Record.clone()
	a.flight.mu.Lock()
	a.flight.now, a.flight.journal = now, j
	a.flight.mu.Unlock()
	if a.InFlight != nil {
		now.Left = each(now.Left, func(l *string) { *l = a.Redactor.Hide(*l) })
		a.InFlight(now)
	}
}

// mark stores that the attempt was interrupted, if anything is left to be
// continued, since it may be killed before it has ended. A second interrupt has
// the record stored as well, whatever is still in flight.
func (f *flight) mark(ctx context.Context) {
	defer close(f.idle)
	f.mu.Lock()
	nothing := f.ends || !f.journal.Phase.changed() || !f.lease.held()
	f.mu.Unlock()
	if nothing {
		close(f.interrupted)
		return
	}
	finishing, cancel := f.finishing(ctx)
	defer cancel()
	var both sync.WaitGroup
	var errs [2]error
	both.Go(func() {
		errs[0] = f.retryCall(finishing, func(ctx context.Context) error { return f.lease.mark(ctx, Interrupted) })
	})
	both.Go(func() {
		f.storing <- struct{}{}
		defer func() { <-f.storing }()
		f.mu.Lock()
		j := f.journal
		f.mu.Unlock()
		errs[1] = f.storeJournal(finishing, j)
	})
	both.Wait()
	f.mu.Lock()
	f.marked = errors.Join(errs[:]...) == nil
	f.mu.Unlock()
	close(f.interrupted)
	if err := errors.Join(errs[:]...); err != nil {
		f.warn("mark what was interrupted: %v", err)
	}
	select {
	case <-f.Insisted:
		f.record(finishing)
	case <-f.ending:
	}
}

// record records an attempt that has not ended.
func (f *flight) record(ctx context.Context) {
	f.mu.Lock()
	r, now := f.journal.Record.clone(), f.now
	f.mu.Unlock()
	r.Outcome, r.Step, r.Ended, r.Left, r.Next = Interrupted, now.Step, time.Now(), now.Left, now.Next
	r.Error = "interrupted, and recorded before all had ended"
	r = hideRecord(f.Redactor, r)
	err := f.retryCall(ctx, func(ctx context.Context) error { return f.History.Record(ctx, r) })
	if err != nil {
		f.warn("record the attempt: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recorded = err == nil
}

// land waits until an interrupt, if there was one, stores nothing more: the
// attempt has come to its outcome, and stores its own end.
func (f *flight) land(ctx context.Context) {
	f.mu.Lock()
	f.ends = true
	f.mu.Unlock()
	if ctx.Err() != nil {
		f.end()
		<-f.idle
	}
}

// afterMark returns a context that ends with another one; by an interrupt only
// once that is marked, or could not be for a while.
func (f *flight) afterMark(ctx context.Context) (context.Context, context.CancelFunc) {
	late, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_, lost := errors.AsType[lostError](context.Cause(ctx))
		_, over := errors.AsType[timeUp](context.Cause(ctx))
		if !lost && !over {
			bound := time.NewTimer(markTime)
			defer bound.Stop()
			select {
			case <-f.interrupted:
			case <-bound.C:
			case <-late.Done():
			}
		}
		end(context.Cause(ctx))
	})
	return late, func() {
		stop()
		end(nil)
	}
}
