package console

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes of the program. CI branches on them, so each answers one
// question.
const (
	ExitOK          = 0   // as asked
	ExitFailed      = 1   // failed or refused; no service has changed its release
	ExitChanges     = 2   // plan -detailed-exitcode: changes are pending
	ExitRolledBack  = 3   // failed and rolled back
	ExitBroken      = 4   // services are mixed, or the rollback failed: page someone
	ExitSuperseded  = 5   // another deployment took over
	ExitInterrupted = 130 // stopped by a signal
)

// ErrInterrupted is the cause of a context that a signal ended.
var ErrInterrupted = errors.New("interrupted")

// ErrChanges is returned by a plan that was asked to report pending changes by
// its exit code. The plan itself has been printed.
var ErrChanges = WithCode(ExitChanges, errors.New("changes are pending"))

// coded is an error that owns its exit code.
type coded struct {
	code int
	error
}

func (e coded) Unwrap() error { return e.error }

// ExitCode is the code the program ends with.
func (e coded) ExitCode() int { return e.code }

// WithCode gives an error its exit code.
func WithCode(code int, err error) error { return coded{code, err} }

// ExitCode returns the exit code for an error: the error's own if it has one.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if own, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return own.ExitCode()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrInterrupted) {
		return ExitInterrupted
	}
	return ExitFailed
}

// Next is an error that knows what to do next: a command, or a sentence.
type Next interface {
	error
	Next() string
}

type advised struct {
	error
	next string
}

func (e advised) Unwrap() error { return e.error }
func (e advised) Next() string  { return e.next }

// WithNext adds to an error what to do next. If several callers add something,
// the last one wins.
func WithNext(err error, format string, args ...any) error {
	return advised{err, fmt.Sprintf(format, args...)}
}

// Usage is the error of a command line that cannot be understood; next is the
// command to try.
func Usage(message, next string) error { return advised{errors.New(message), next} }

// Suggest prints what to do next after a success.
func (c *Console) Suggest(format string, args ...any) {
	c.Progress("next: "+format, args...)
}

// NextOf returns what an error says to do next; "" if it says nothing.
func NextOf(err error) string {
	if n, ok := errors.AsType[Next](err); ok {
		return n.Next()
	}
	return ""
}

// Fail prints an error and what to do next, and returns the exit code.
func (c *Console) Fail(err error) int {
	if err == nil {
		return ExitOK
	}
	if code := ExitCode(err); errors.Is(err, ErrChanges) && code == ExitChanges {
		return code
	}
	c.Progress("tfpipeline: %v", err)
	annotation := err.Error()
	if next := NextOf(err); next != "" {
		c.Suggest("%s", next)
		annotation += "\nnext: " + next
	}
	c.Annotate(Problem, annotation)
	return ExitCode(err)
}
