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

// Apply applies the saved plan. It has no time limit of its own: when ctx ends
// it interrupts Terraform a single time and waits for it. Events go to
// Options.Events. An *ApplyError says what was and was not done if that was
// not everything; an *UnsavedStateError holds a state that could not be saved.
func (d *Driver) Apply(ctx context.Context) error {
	stream := newEventStream(d.events)
	err := d.relay(ctx, d.env, stopTimeout, OrphanTimeout, func() error {
		// ApplyJSON leaves its writer set for all later commands.
		defer d.exec.SetStdout(nil)
		return d.exec.ApplyJSON(ctx, stream, tfexec.DirOrPlan(d.workspace.Plan), tfexec.Lock(false))
	})
	if err == nil || stream.finished {
		// The interrupt came too late to stop anything.
		return nil
	}
	exit, _ := errors.AsType[exitError](err)
	failure := &ApplyError{Done: stream.done, Failed: stream.failed, Killed: exit.signalled, Err: err}
	if ctx.Err() == nil && len(stream.errors) > 0 {
		// With -json Terraform prints its errors on stdout, and its exit code
		// says nothing.
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

// Refresh reads every resource and writes it into the state; it changes
// nothing else. An apply records a resource as it was when it was created,
// before other resources added rules, policies and attachments to it.
func (d *Driver) Refresh(ctx context.Context) error {
	err := d.relay(ctx, d.env, stopTimeout, OrphanTimeout, func() error {
		return d.exec.Apply(ctx, tfexec.RefreshOnly(true), tfexec.Lock(false))
	})
	if err == nil {
		return nil
	}
	// Losing a refreshed state is harmless: everything in it can be read from
	// the account.
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
