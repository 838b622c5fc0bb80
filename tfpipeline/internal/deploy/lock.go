package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lock takes the environment's lock: at once if it is free, after waiting if
// somebody is at work, and from an attempt that did not finish only to continue
// or to end that.
func (a *attempt) lock(ctx context.Context) error {
	began := time.Now()
	wait := a.request.LockWait
	if wait == 0 {
		wait = a.limits.LockWait
	}
	// The attempt's own time begins with the lock.
	most := max(wait, 0) + a.limits.Finish
	ctx, cancel := context.WithTimeoutCause(ctx, most, timeUp{most})
	defer cancel()
	// A rollback knows its release only from the history.
	if q := a.request; a.record().Kind == KindPromote && q.Tag != "" {
		commit, err := a.peel(ctx, q.Tag)
		switch {
		case err != nil:
			return err
		case q.Commit != "" && q.Commit != commit:
			return fmt.Errorf("release %s is commit %s, not %s", q.Tag, commit, q.Commit)
		}
		a.record().Release.Commit = commit
	}
	said := ""
	for {
		holder, err := retry(ctx, a.operation, a.Lock.Holder)
		if err != nil {
			return fmt.Errorf("look at the lock: %w", err)
		}
		if a.request.DryRun {
			if holder != nil {
				a.warn("the lock is not free: %s", heldBy(holder))
			}
			return a.history.read(ctx)
		}
		if holder == nil || !holder.AtWork() {
			err = a.takeOver(ctx, holder)
			if !errors.Is(err, ErrLockTaken) {
				return err
			}
			continue
		}
		if wait < 0 || time.Since(began) >= wait {
			return LockError{Lease: *holder, Waited: time.Since(began)}
		}
		if holder.RecordID != said {
			said = holder.RecordID
			a.emit(Event{Kind: EventWait, Message: "waiting for the lock: " + heldBy(holder)})
		}
		if !a.pause(ctx, a.limits.Tick) {
			return context.Cause(ctx)
		}
	}
}

// takeOver takes a lock that nobody is at work under.
func (a *attempt) takeOver(ctx context.Context, holder *Lease) error {
	if err := a.history.read(ctx); err != nil {
		return err
	}
	if holder == nil {
		return a.takeLock(ctx, continuation{how: howFree}, nil)
	}
	left, err := a.history.leftover(ctx, *holder)
	if err != nil {
		return err
	}
	c := takeover(*holder, left.journal, left.record, a.record().Kind, a.record().Release)
	if c.how == howWait || c.how == howRefused {
		return LockError{Lease: *holder, Dead: c.how == howRefused}
	}
	return a.takeLock(ctx, c, holder)
}

// peel finds the commit of a release.
func (o *operation) peel(ctx context.Context, tag string) (string, error) {
	commit, err := retry(ctx, o, func(ctx context.Context) (string, error) { return o.Checkout.Peel(ctx, tag) })
	if err != nil {
		return "", fmt.Errorf("find the commit of release %s: %w", tag, err)
	}
	return commit, nil
}

// takeLock stores the lease. What a later run has to know is stored before: as
// soon as the lease is ours, nothing else leads to the attempt that left it.
func (a *attempt) takeLock(ctx context.Context, c continuation, over *Lease) error {
	fresh := a.journal
	a.journal, a.from = c.begin(fresh), c
	if a.journal.Phase == PhaseRollingBack {
		a.services = recorded(a.services, a.record()) // no step comes that would
	}
	if c.attempt() != nil {
		if err := a.write(ctx, a.journal); err != nil {
			return fmt.Errorf("store the journal: %w", err)
		}
	}
	r := a.record()
	err := a.lease.take(ctx, Lease{
		Environment: a.Environment, RecordID: r.ID, Kind: r.Kind, Release: r.Release,
		Actor: r.Actor, RunURL: r.RunURL, Why: a.request.Why,
	}, over)
	if err != nil {
		a.journal, a.from = fresh, continuation{}
		a.services = serviceNames(a.Platform)
		return err
	}
	if over != nil {
		a.warn("took over the lock: %s", LockError{Lease: *over, Dead: true})
	}
	return a.history.recordDead(ctx, c.leftover)
}

// LockError is a lock that another attempt holds or left.
type LockError struct {
	Lease Lease
	// Dead: its holder is gone.
	Dead bool
	// Waited is how long the lock was waited for.
	Waited time.Duration
}

func (e LockError) Error() string {
	text := fmt.Sprintf("the lock of %s: %s", e.Lease.Environment, heldBy(&e.Lease))
	switch {
	case e.Lease.Left != "":
		text += fmt.Sprintf("; that was left %s", e.Lease.Left)
	case e.Dead:
		text += fmt.Sprintf("; that died at about %s", e.Lease.Until.UTC().Format(time.RFC3339))
	}
	if e.Waited > 0 {
		text += fmt.Sprintf(" (waited %v)", e.Waited.Round(time.Second))
	}
	return text
}

// Settle does what a run that died could not do any more: it gives the lease of
// an attempt back or, if the attempt may have changed something, marks it as one
// that is to be continued, and records the attempt. It returns the lease as it
// is left; nil if there is none of that attempt. It needs Lock and History.
func (p *Pipeline) Settle(ctx context.Context, attemptID string) (*Lease, error) {
	o := p.begin(StepUnlock)
	h := &history{operation: o}
	l, err := retry(ctx, o, o.Lock.Holder)
	if err != nil {
		return nil, fmt.Errorf("look at the lock: %w", err)
	}
	if l == nil || l.RecordID != attemptID {
		return nil, nil
	}
	left, err := h.leftover(ctx, *l)
	if err != nil {
		return nil, err
	}
	if err := h.recordDead(ctx, left); err != nil {
		return nil, err
	}
	settled := left.record != nil && left.record.Outcome.Settled()
	if left.journal == nil || !left.journal.Phase.changed() || settled {
		if err := o.retryCall(ctx, func(ctx context.Context) error { return o.Lock.Release(ctx, *l) }); err != nil {
			return nil, fmt.Errorf("give back the lock: %w", err)
		}
		return nil, nil
	}
	if l.Left != "" {
		return l, nil
	}
	marked := *l
	marked.Left, marked.Until = Interrupted, time.Now()
	marked, err = retry(ctx, o, func(ctx context.Context) (Lease, error) { return o.Lock.Renew(ctx, marked) })
	if err != nil {
		return nil, fmt.Errorf("mark the lock: %w", err)
	}
	return &marked, nil
}

// Unlock removes a lock that exists, as Lock.Holder returned it, whatever its
// holder left behind: a person has decided that nothing is to be continued. An
// attempt that died without a record gets one first, so that the history tells
// of it and a rollback knows what it touched.
func (p *Pipeline) Unlock(ctx context.Context, l Lease) error {
	o := p.begin(StepUnlock)
	h := &history{operation: o}
	left, err := h.leftover(ctx, l)
	if err != nil {
		return err
	}
	if err := h.recordDead(ctx, left); err != nil {
		return err
	}
	err = o.retryCall(ctx, func(ctx context.Context) error {
		// It was shown to a person, who took its holder for gone.
		now, err := o.Lock.Holder(ctx)
		switch {
		case err != nil || now == nil:
			return err
		case now.Version != l.Version:
			return fmt.Errorf("it was renewed since it was shown: %s", heldBy(now))
		}
		return o.Lock.Release(ctx, l)
	})
	if err != nil {
		return fmt.Errorf("remove the lock: %w", err)
	}
	return nil
}
