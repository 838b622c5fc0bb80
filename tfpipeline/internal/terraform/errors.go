package terraform

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// LockedError is a state lock that somebody else holds.
type LockedError struct {
	deploy.StateLock
	// Asked is when the request began that met the lock, if that is known.
	Asked time.Time
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("the state is locked by %s since %s (%s, lock %s)", e.Who, e.Created, e.Operation, e.ID)
}

// NoBucketError is a state bucket that does not exist.
type NoBucketError struct{ Err error }

func (e *NoBucketError) Error() string { return "the state bucket does not exist" }
func (e *NoBucketError) Unwrap() error { return e.Err }

// StalePlanError is a saved plan that the state has moved on from.
type StalePlanError struct{ Err error }

func (e *StalePlanError) Error() string {
	return "the plan is stale: the state has changed since it was made"
}
func (e *StalePlanError) Unwrap() error { return e.Err }

// UnsavedStateError is an apply whose state could not be written to the
// backend. Path is where it was kept.
type UnsavedStateError struct {
	Path string
	Err  error
}

func (e *UnsavedStateError) Error() string {
	return fmt.Sprintf("%v; the state could not be saved and was kept in %s: push it with terraform state push before anything else", e.Err, e.Path)
}
func (e *UnsavedStateError) Unwrap() error { return e.Err }

// ApplyError is an apply that did not do all it had planned.
type ApplyError struct {
	// Done and Failed are addresses, in the order of time. What is done is in
	// the state.
	Done, Failed []string
	Err          error
}

func (e *ApplyError) Error() string {
	if len(e.Done) == 0 {
		return fmt.Sprintf("apply: nothing was changed: %v", e.Err)
	}
	return fmt.Sprintf("apply: %d changes were made, then: %v", len(e.Done), e.Err)
}
func (e *ApplyError) Unwrap() error { return e.Err }

// CommandError is any other failure: what Terraform said, without its frame.
type CommandError struct {
	// Message is the text of Terraform's errors, a paragraph each.
	Message string
	Err     error
}

func (e *CommandError) Error() string { return e.Message }
func (e *CommandError) Unwrap() error { return e.Err }

// explain turns an error of terraform-exec into one of ours. A context that
// ended is reported by its cause: terraform-exec's own error answers to
// Canceled and to DeadlineExceeded alike, and its text can panic.
func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return classify(err)
}

// classify finds the kinds of failure that terraform-exec knows as text only.
func classify(err error) error {
	text := plain(message(err))
	switch {
	case strings.Contains(text, "Error acquiring the state lock"):
		if locked, ok := parseLock(text); ok {
			return locked
		}
	case strings.Contains(text, "Saved plan is stale"), strings.Contains(text, "Saved plan does not match"):
		return &StalePlanError{err}
	case strings.Contains(text, "NoSuchBucket"), strings.Contains(text, "S3 bucket") && strings.Contains(text, "does not exist"):
		return &NoBucketError{err}
	}
	return &CommandError{Message: essence(text), Err: err}
}

// message is an error's text, also of one whose Error method would panic.
func message(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "terraform ended with an error that cannot be shown"
		}
	}()
	return err.Error()
}

var (
	frame  = regexp.MustCompile(`(?m)^[│╷╵][ \t]?`)
	escape = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// plain removes colours and the frame around diagnostics.
func plain(text string) string {
	return frame.ReplaceAllString(escape.ReplaceAllString(text, ""), "")
}

// essence keeps the errors and drops the warnings that come before them.
func essence(text string) string {
	if i := strings.Index(text, "Error: "); i >= 0 {
		text = text[i:]
	}
	return strings.TrimSpace(text)
}

var lockField = regexp.MustCompile(`(?m)^\s*(ID|Path|Operation|Who|Created):\s*(.*?)\s*$`)

// parseLock reads the Lock Info block. Without an id there is none: the lock
// went away while Terraform looked.
func parseLock(text string) (*LockedError, bool) {
	var e LockedError
	fields := map[string]*string{"ID": &e.ID, "Path": &e.Path, "Operation": &e.Operation, "Who": &e.Who, "Created": &e.Created}
	for _, m := range lockField.FindAllStringSubmatch(text, -1) {
		if f := fields[m[1]]; *f == "" {
			*f = m[2]
		}
	}
	return &e, e.ID != ""
}
