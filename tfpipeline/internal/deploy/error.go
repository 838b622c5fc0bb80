package deploy

import (
	"errors"
	"fmt"
	"strings"
)

// Error is how every attempt fails.
type Error struct {
	// Step is where.
	Step StepName
	// Outcome is how the services were left.
	Outcome Outcome
	// Left are sentences on what the attempt left behind: migrations that ran,
	// infrastructure that was applied, deployments in flight.
	Left []string
	// Next is the command to run, or what to do before it.
	Next string
	// Record is the attempt's, complete even if it could not be stored.
	Record Record
	// Evidence is what was gathered on the failure.
	Evidence Evidence
	Err      error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Step, e.Err)
	for _, l := range e.Left {
		fmt.Fprintf(&b, "\n  %s", l)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the program's. A release that is deployed and could not be
// recorded is broken too: the next rollback would go to the wrong place.
func (e *Error) ExitCode() int {
	if e.Outcome == Deployed {
		return Broken.ExitCode()
	}
	return e.Outcome.ExitCode()
}

var (
	// ErrLockTaken is returned by Lock.Take if somebody was faster.
	ErrLockTaken = errors.New("the lock was taken by somebody else")
	// ErrLockLost is returned by Lock.Renew and Lock.Release if the lease is
	// no longer the one held.
	ErrLockLost = errors.New("the lock is no longer ours")
	// ErrNoJournal is returned by History.Journal if there is none.
	ErrNoJournal = errors.New("there is no journal")
	// ErrRecorded is returned by History.Record if the attempt has another
	// record already.
	ErrRecorded = errors.New("the attempt is recorded already")
)

// transient is an error that may go away by itself.
type transient struct{ err error }

func (t transient) Error() string { return t.err.Error() }
func (t transient) Unwrap() error { return t.err }

// Transient marks an error that may go away by itself: throttling, a 5xx, a
// dropped connection. A call that failed so may have had its effect.
func Transient(err error) error {
	if err == nil {
		return nil
	}
	return transient{err}
}

// IsTransient reports whether an error was marked by Transient. That the lock
// was lost for such a reason does not bring it back.
func IsTransient(err error) bool {
	_, ok := errors.AsType[transient](err)
	_, lost := errors.AsType[lostError](err)
	return ok && !lost
}
