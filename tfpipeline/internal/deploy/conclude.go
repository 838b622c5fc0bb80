package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// refuse ends an attempt that cannot begin.
func (a *attempt) refuse(_ context.Context, err error) (Record, error) {
	r := a.record()
	a.enter(StepLock)
	r.Step, r.Outcome, r.Ended = StepLock, Untouched, time.Now()
	r.Error, a.refusal = a.Redactor.Hide(err.Error()), err
	r.Next = a.next()
	a.ended()
	told := a.Redactor.record(*r)
	return told, &Error{Step: StepLock, Outcome: Untouched, Next: r.Next, Record: told, Err: a.Redactor.err(err)}
}

// fail ends an attempt that failed: it leaves the services well, says how they
// were left, and keeps or gives back the lock accordingly. ctx is the caller's,
// which an interrupt ends.
func (a *attempt) fail(ctx context.Context, step StepName, err error) (Record, error) {
	a.hold.inTime()
	r := a.record()
	r.Step = step
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = interruptedError{err}
	}
	outcome := Untouched
	_, lost := errors.AsType[lostError](err)
	a.idle = a.over != nil && !a.acted && a.journal.PutBack == ""
	switch {
	case r.Outcome == Deployed:
		outcome = Deployed // and could not be recorded
	case a.idle:
		outcome = a.leaveAsItWas(ctx)
	case ctx.Err() != nil, lost && a.journal.Changed:
		outcome = Interrupted
	case lost || !a.hold.held():
	case a.journal.Updated:
		var backErr error
		if outcome, backErr = a.putBack(ctx, step, err); backErr != nil {
			err = fmt.Errorf("%w; %w", err, backErr)
		}
	default:
		a.collect(ctx)
	}
	r.Outcome, r.Error, r.Ended = outcome, a.Redactor.Hide(err.Error()), a.past.clock()
	a.refusal = err
	r.Left = a.leftBehind()
	r.Next = a.next()
	if a.hold.held() {
		r.Left = append(r.Left, a.closeUp(ctx)...)
	}
	a.ended()
	told := a.Redactor.record(*r)
	return told, &Error{
		Step: step, Outcome: outcome, Left: told.Left, Next: told.Next, Record: told,
		Evidence: a.Redactor.evidence(a.evidence), Err: a.Redactor.err(err),
	}
}

// interruptedError says in a person's words that the caller's context ended.
type interruptedError struct{ err error }

func (e interruptedError) Error() string {
	return strings.ReplaceAll(e.err.Error(), context.Canceled.Error(), "interrupted")
}
func (e interruptedError) Unwrap() error { return e.err }

// leaveAsItWas hands back the lock of an attempt that was to be continued or
// ended, before anything was changed: it can be still.
func (a *attempt) leaveAsItWas(ctx context.Context) Outcome {
	outcome := Untouched
	switch {
	case a.left.touched() && a.over.Left == Broken:
		outcome = Broken
	case ctx.Err() != nil, a.left.touched():
		// What that attempt left may be mixed, whatever this one did not do.
		outcome = Interrupted
	}
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	if err := a.hold.handBack(ctx, *a.over); err != nil {
		a.warn("the lock: %v", err)
		// Whoever comes finds this attempt's journal, which says the same.
		return Interrupted
	}
	return outcome
}

// closeUp stores the record, tells people and settles the lock, in an order in
// which a kill that follows an interrupt loses the least. It returns what could
// not be done.
func (a *attempt) closeUp(ctx context.Context) []string {
	var undone []string
	outcome := a.record().Outcome
	kept := Outcome("")
	switch {
	case outcome == Broken, outcome == Deployed:
		kept = Broken
	case outcome == Interrupted && a.journal.Changed:
		kept = Interrupted
	}
	a.changed(ctx)
	switch {
	case a.idle:
	case kept != "":
		undone = append(undone, a.settleLock(ctx, kept)...)
	}
	if outcome != Deployed {
		if err := a.store(ctx); err != nil {
			a.warn("%v", err)
			undone = append(undone, fmt.Sprintf("the record could not be stored: %v", err))
		}
	}
	if err := a.notify(ctx); err != nil {
		a.warn("%v", err)
	}
	if kept == "" && !a.idle {
		undone = append(undone, a.settleLock(ctx, "")...)
	}
	return undone
}

// settleLock gives the lock back, or marks it with what was left.
func (a *attempt) settleLock(ctx context.Context, left Outcome) []string {
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	var err error
	if left == "" {
		err = a.hold.release(ctx)
	} else {
		err = a.hold.leave(ctx, left)
	}
	if err == nil {
		return nil
	}
	a.warn("the lock: %v", err)
	if errors.Is(err, ErrLockLost) {
		return []string{fmt.Sprintf("the lock belongs to somebody else by now: %v", err)}
	}
	return []string{fmt.Sprintf("the lock could not be stored, and ends by itself within %v: %v", a.limits.Lease, err)}
}

// store is the step record. Its time is its own: an attempt that came so far is
// recorded even if it is interrupted.
func (a *attempt) store(ctx context.Context) error {
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	r := a.Redactor.record(*a.record())
	if err := a.again(ctx, func(ctx context.Context) error { return a.History.Record(ctx, r) }); err != nil {
		return fmt.Errorf("record the attempt: %w", err)
	}
	return nil
}

// notify tells people. Nothing depends on it.
func (a *attempt) notify(ctx context.Context) error {
	if a.Notifier == nil {
		return nil
	}
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	r := a.Redactor.record(*a.record())
	if err := a.again(ctx, func(ctx context.Context) error { return a.Notifier.Notify(ctx, r) }); err != nil {
		a.warn("notify: %v", err)
	}
	return nil
}

// unlock gives the lock back. Should that fail, it ends by itself.
func (a *attempt) unlock(ctx context.Context) error {
	a.settleLock(ctx, "")
	return nil
}
