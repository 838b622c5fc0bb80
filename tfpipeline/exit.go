package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Exit codes. CI branches on them, so each answers one question. Those of a
// promotion or rollback are its outcome's.
const (
	exitOK          = 0   // as asked
	exitFailed      = 1   // failed or refused; no service has changed its release
	exitChanges     = 2   // -detailed-exitcode: changes are pending
	exitRolledBack  = 3   // failed and rolled back
	exitBroken      = 4   // services are mixed, or the rollback failed: page someone
	exitSuperseded  = 5   // another deployment took over
	exitInterrupted = 130 // stopped by a signal
)

// codeError is an error that owns its exit code.
type codeError struct {
	code int
	err  error
}

func (e codeError) Error() string { return e.err.Error() }
func (e codeError) Unwrap() error { return e.err }

// usageError is a command line that cannot be understood; the hint is the next
// command to try.
type usageError struct{ message, hint string }

func (e usageError) Error() string { return e.message }

// errChanges is how a plan says that something would change, when asked to.
var errChanges = codeError{exitChanges, errors.New("changes are pending")}

// hinted carries the next command to run.
type hinted struct {
	err  error
	next string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }

// next adds the command that helps with an error.
func next(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// exitCode is the code of an error.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[codeError](err); ok {
		return e.code
	}
	if e, ok := errors.AsType[*deploy.Error](err); ok {
		return e.ExitCode()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	return exitFailed
}

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")
