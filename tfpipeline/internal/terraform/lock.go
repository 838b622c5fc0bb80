package terraform

import (
	"context"
	"errors"
	"strings"
	"time"
)

// lockTime is how Terraform writes the time into a lock.
const lockTime = "2006-01-02 15:04:05.999999999 -0700 MST"

// Holder says what is known of who holds a state lock.
type Holder int

const (
	// Stranger is somebody else, another machine, or Terraform run by hand.
	Stranger Holder = iota
	// Alive is another run of this user on this machine.
	Alive
	// Dead is a run of this user on this machine that was killed, or this very
	// run: the answer to its request for the lock was lost on the way.
	Dead
)

// Judge finds out who holds a lock, from what this machine remembers.
func (r Runs) Judge(e *LockedError, own *Run) (Holder, error) {
	if e.Who != Who() || own == nil {
		return Stranger, nil
	}
	created, err := time.Parse(lockTime, e.Created)
	if err != nil {
		return Stranger, nil //nolint:nilerr // a lock of another format is a stranger's
	}
	alive, dead, err := r.Others(own.State, own)
	if err != nil {
		return Stranger, err
	}
	if len(alive) > 0 {
		return Alive, nil
	}
	if !e.Asked.IsZero() && !created.Before(e.Asked) {
		return Dead, nil // made by the very request that was refused
	}
	for _, run := range dead {
		if !run.Started.After(created) && run.takes(e.Operation) {
			return Dead, nil
		}
	}
	return Stranger, nil
}

// takes reports whether a run takes locks of Terraform for such an operation.
func (r Run) takes(operation string) bool {
	switch r.Operation {
	case "plan":
		return operation == "OperationTypePlan"
	case operationApplied:
		return false
	default:
		return true
	}
}

// LockWait is how a held lock is waited for.
type LockWait struct {
	// Timeout is how long to wait in all.
	Timeout time.Duration
	// Held is asked once, when the lock is first found held: it tells the
	// person who holds it, and reports whether the lock was taken away from
	// one who is dead.
	Held func(context.Context, *LockedError) (taken bool, err error)
}

// Do runs an operation that needs the lock; do receives the lock timeout to
// pass to Terraform.
func (p LockWait) Do(ctx context.Context, do func(lockTimeout time.Duration) error) error {
	began := time.Now()
	until := began.Add(p.Timeout)
	err := do(0)
	if locked, ok := errors.AsType[*LockedError](err); ok {
		locked.Asked = began
		if p.Held != nil {
			if _, heldErr := p.Held(ctx, locked); heldErr != nil {
				return heldErr
			}
		}
		err = do(max(0, time.Until(until)).Round(time.Second))
	}
	// A lock whose holder could not be read (it was released meanwhile) is
	// not waited for by Terraform.
	for wait := time.Second; lostLock(err) && time.Now().Before(until); wait = min(2*wait, 8*time.Second) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		err = do(max(0, time.Until(until)).Round(time.Second))
	}
	return err
}

// lostLock reports whether an operation failed on a lock that somebody held
// and that was gone when Terraform asked whose it was.
func lostLock(err error) bool {
	e, ok := errors.AsType[*CommandError](err)
	return ok && strings.Contains(e.Message, "Error acquiring the state lock") && strings.Contains(e.Message, "PreconditionFailed")
}
