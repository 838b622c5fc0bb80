package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// Apply applies the saved plan. It has no deadline of its own: an interrupt
// through ctx is passed on once, and waited for. What happened meanwhile is
// told to Options.Events and kept in an *ApplyError if it was not all. A state
// that could not be saved is an *UnsavedStateError.
func (d *Driver) Apply(ctx context.Context) error {
	stream := newEventStream(d.events)
	err := d.relay(ctx, d.env, stopTimeout, OrphanTimeout, func() error {
		// ApplyJSON leaves its writer behind, for everything that comes after.
		defer d.exec.SetStdout(nil)
		return d.exec.ApplyJSON(ctx, stream, tfexec.DirOrPlan(d.workspace.Plan), tfexec.Lock(false))
	})
	if err == nil || stream.finished {
		// An interrupt that came too late to stop anything is no failure.
		return nil
	}
	exit, _ := errors.AsType[exitError](err)
	failure := &ApplyError{Done: stream.done, Failed: stream.failed, Killed: exit.signalled, Err: err}
	if ctx.Err() == nil && len(stream.errors) > 0 {
		// With -json its errors are on stdout, and its exit says nothing.
		failure.Err = classify(errors.New(strings.Join(stream.errors, "\n\n")))
	}
	state, readErr := readErrored(d.workspace.Dir)
	switch {
	case readErr != nil:
		return errors.Join(failure, readErr)
	case state != nil:
		return &UnsavedStateError{State: state, Err: failure}
	default:
		return failure
	}
}

// Refresh reads everything anew and writes it into the state; it changes
// nothing else. An apply knows a resource as it was when it was made, which is
// before the rules, policies and attachments that others add to it.
func (d *Driver) Refresh(ctx context.Context) error {
	err := d.relay(ctx, d.env, stopTimeout, OrphanTimeout, func() error {
		return d.exec.Apply(ctx, tfexec.RefreshOnly(true), tfexec.Lock(false))
	})
	if err == nil {
		return nil
	}
	// A refreshed state that could not be saved is no loss: what it knows is
	// in the account.
	lost := os.Remove(filepath.Join(d.workspace.Dir, erroredState))
	if errors.Is(lost, os.ErrNotExist) {
		lost = nil
	}
	return errors.Join(fmt.Errorf("refresh: %w", err), lost)
}

// erroredState is where Terraform leaves a state that it could not save.
const erroredState = "errored.tfstate"

// readErrored reads it; nil if there is none.
func readErrored(dir string) ([]byte, error) {
	state, err := os.ReadFile(filepath.Join(dir, erroredState))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the state that could not be saved: %w", err)
	default:
		return state, nil
	}
}
