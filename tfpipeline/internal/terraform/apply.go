package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// Apply applies the saved plan. It has no deadline of its own: an interrupt
// through ctx is passed on once, and waited for. What happened meanwhile is
// told to Options.Events and kept in an *ApplyError if it was not all.
func (d *Driver) Apply(ctx context.Context, lockTimeout time.Duration) error {
	if err := d.exec.SetEnv(d.env); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	stream := newEventStream(d.events)
	// Terraform checks the saved plan against the state, so options that
	// would change it (targets, variables) have no place here.
	err := d.exec.ApplyJSON(ctx, stream, tfexec.DirOrPlan(d.workspace.Plan), tfexec.LockTimeout(lockTimeout.String()))
	// ApplyJSON leaves its writer behind, for everything that comes after.
	d.exec.SetStdout(nil)
	if err == nil || stream.finished {
		// An interrupt that came too late to stop anything is no failure.
		return nil
	}
	failure := &ApplyError{Done: stream.done, Failed: stream.failed, Err: d.whyApplyFailed(ctx, err, stream)}
	if saved, saveErr := d.rescueState(context.WithoutCancel(ctx)); saveErr != nil {
		return errors.Join(failure, saveErr)
	} else if saved != "" {
		return &UnsavedStateError{Path: saved, Err: failure}
	}
	return failure
}

// whyApplyFailed finds the reason in what Terraform reported: with -json its
// errors are on stdout, and its exit says nothing.
func (d *Driver) whyApplyFailed(ctx context.Context, err error, stream *eventStream) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(stream.errors) > 0 {
		return classify(errors.New(strings.Join(stream.errors, "\n\n")))
	}
	return classify(err)
}

// erroredState is where Terraform leaves a state that it could not save.
const erroredState = "errored.tfstate"

// rescueState looks for a state that Terraform could not save. It is pushed
// once more, since most such failures pass; else it is moved out of the
// workspace, which is about to be removed, and its new place is returned.
func (d *Driver) rescueState(ctx context.Context) (string, error) {
	from := filepath.Join(d.workspace.Dir, erroredState)
	content, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("rescue the state that could not be saved: %w", err)
	}
	// First to a durable place: the program may be killed while it pushes.
	to := filepath.Join(filepath.Dir(d.workspace.top), filepath.Base(d.workspace.top)+"."+erroredState)
	if err := os.WriteFile(to, content, 0o600); err != nil {
		return "", fmt.Errorf("rescue the state that could not be saved: %w", err)
	}
	for _, delay := range d.pushAfter {
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		// Terraform refuses to replace a state that is newer than this one.
		if _, err = d.output(ctx, "state", "push", erroredState); err == nil {
			return "", errors.Join(os.Remove(to), os.Remove(from))
		}
	}
	return to, nil
}
