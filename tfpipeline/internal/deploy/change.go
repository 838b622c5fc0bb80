package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The kinds of changes that are no attempts: their leases have no record.
const (
	KindApply   Kind = "apply"
	KindDestroy Kind = "destroy"
	KindRefresh Kind = "refresh"
)

// ChangeRequest says who changes an environment, and what for.
type ChangeRequest struct {
	Kind               Kind
	Actor, Why, RunURL string
}

// changeTime bounds a change under a lease. An apply has no bound of its own,
// and an environment is made in half an hour.
const changeTime = 6 * time.Hour

// Free returns a LockError if somebody works on the environment, or has left
// work that is to be continued. It reads Lock and History.
func (p *Pipeline) Free(ctx context.Context, kind Kind) error {
	_, err := p.newChange(ChangeRequest{Kind: kind}).free(ctx)
	return err
}

// Change does work under the environment's lease. Its context ends if the lease
// is lost. Where somebody else holds the lease, Change returns a LockError and
// does nothing. It needs Lock, History and Limits.
func (p *Pipeline) Change(ctx context.Context, q ChangeRequest, work func(context.Context) error) (err error) {
	a := p.newChange(q)
	over, err := a.free(ctx)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	a.hold = &hold{attempt: a, end: end}
	err = a.hold.take(ctx, Lease{
		Environment: p.Environment, RecordID: a.journal.Record.ID, Kind: q.Kind,
		Actor: q.Actor, RunURL: q.RunURL, Why: q.Why,
	}, over)
	if err != nil {
		return fmt.Errorf("take the lock of %s: %w", p.Environment, err)
	}
	err = work(ctx)
	// An interrupt may have ended the work; the lease is given back all the same.
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.limits.Finish)
	defer cancel()
	if releaseErr := a.hold.release(release); releaseErr != nil {
		return errors.Join(err, fmt.Errorf("give back the lock of %s: %w", p.Environment, releaseErr))
	}
	return err
}

// newChange is the part of an attempt that a lease needs.
func (p *Pipeline) newChange(q ChangeRequest) *attempt {
	a := &attempt{Pipeline: p, limits: p.Limits.orDefault(), step: StepLock, request: Request{Timeout: changeTime}}
	*a.record() = Record{Kind: q.Kind, ID: a.newID()}
	return a
}

// free returns the lease that may be taken over: nil if there is none.
func (a *attempt) free(ctx context.Context) (*Lease, error) {
	holder, err := retry(ctx, a, a.Lock.Holder)
	if err != nil {
		return nil, fmt.Errorf("look at the lock: %w", err)
	}
	if holder == nil {
		return nil, nil
	}
	var seen sighting
	if !seen.gone(holder, a.limits.Lease) {
		return nil, LockError{Lease: *holder}
	}
	if err := a.readHistory(ctx); err != nil {
		return nil, err
	}
	left, err := a.leftover(ctx, *holder)
	if err != nil {
		return nil, err
	}
	if claimOn(left, a.record().Kind, Release{}, time.Now()) != claimFree {
		return nil, LockError{Lease: *holder, Dead: true}
	}
	return holder, nil
}
