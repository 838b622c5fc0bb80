package terraform

import "fmt"

// NoBucketError says that the state bucket does not exist.
type NoBucketError struct{ Err error }

func (e *NoBucketError) Error() string { return "the state bucket does not exist" }
func (e *NoBucketError) Unwrap() error { return e.Err }

// StalePlanError says that the state has changed since the plan was saved.
type StalePlanError struct{ Err error }

func (e *StalePlanError) Error() string {
	return "the plan is stale: the state has changed since it was made"
}
func (e *StalePlanError) Unwrap() error { return e.Err }

// UnsavedStateError says that an apply could not write its state to the
// backend.
type UnsavedStateError struct {
	State []byte
	Err   error
}

func (e *UnsavedStateError) Error() string {
	return fmt.Sprintf("%v; the state could not be saved", e.Err)
}
func (e *UnsavedStateError) Unwrap() error { return e.Err }

// ApplyError says that an apply did not do everything it had planned.
type ApplyError struct {
	// Done and Failed are addresses in the order of time. The state has
	// everything in Done.
	Done, Failed []string
	// Killed says that a signal ended Terraform, which may have created
	// resources that are not in the state.
	Killed bool
	Err    error
}

func (e *ApplyError) Error() string {
	if len(e.Done) == 0 {
		return fmt.Sprintf("apply: nothing was changed: %v", e.Err)
	}
	return fmt.Sprintf("apply: %d changes were made, then: %v", len(e.Done), e.Err)
}
func (e *ApplyError) Unwrap() error { return e.Err }

// CommandError is any other failure: what Terraform printed, without its
// frame.
type CommandError struct {
	// Message is the text of Terraform's errors, a paragraph each.
	Message string
	Err     error
}

func (e *CommandError) Error() string { return e.Message }
func (e *CommandError) Unwrap() error { return e.Err }
