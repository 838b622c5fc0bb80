package root

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// saveAfter are the pauses before each attempt to save a state that Terraform
// could not save: most such failures pass.
func saveAfter() []time.Duration { return []time.Duration{0, time.Second, 4 * time.Second} }

// rescue saves the state of an apply that Terraform could not save. If that
// fails too, it stores it next to the state in the bucket, where the next run
// finds it on any machine; if even that fails, it leaves it in the workspace.
// It reports whether the next run will know everything that the apply created.
func (r *Root) rescue(ctx context.Context, err error) (known bool, _ error) {
	unsaved, ok := errors.AsType[*terraform.UnsavedStateError](err)
	if !ok {
		failure, failed := errors.AsType[*terraform.ApplyError](err)
		return !failed || !failure.Killed, err
	}
	ctx = context.WithoutCancel(ctx)
	kept, saveErr := saveState(ctx, r.bucket(), r.Name, unsaved.State)
	switch {
	case isType[*state.SupersededError](saveErr):
		// What only this one has is adopted, for which the note of the apply stays.
		return false, console.WithNext(fmt.Errorf("%s: %w, and is kept at %s: %w", r.Name, err, kept, saveErr), "tfpipeline apply -env %s, which adopts what that state does not know", r.Name)
	case saveErr != nil:
		r.workspace.Leave()
		return false, console.WithNext(fmt.Errorf("%s: %w, and is kept on this machine: %w", r.Name, err, saveErr), "tfpipeline settle -env %s, on this machine", r.Name)
	case kept != "":
		return true, console.WithNext(fmt.Errorf("%s: %w, and is kept at %s", r.Name, err, kept), "tfpipeline apply -env %s, which saves it first", r.Name)
	default:
		return true, unsaved.Err
	}
}

// saveState saves a state, or stores it next to the state in the bucket and
// says where. If that is because a newer one is stored, it returns a
// *state.SupersededError as well.
func saveState(ctx context.Context, bucket *state.Bucket, root string, content []byte) (kept string, err error) {
	for _, delay := range saveAfter() {
		if !calls.Pause(ctx, delay) {
			err = cmp.Or(err, context.Cause(ctx))
			break
		}
		err = bucket.SaveState(ctx, root, content)
		if err == nil {
			return "", nil
		}
		if isType[*state.StateConflictError](err) || isType[*state.SupersededError](err) {
			break
		}
	}
	kept, keepErr := bucket.KeepState(ctx, root, content)
	if keepErr != nil {
		return "", fmt.Errorf("%s; %w", err.Error(), keepErr) // not as the first one: it is not kept
	}
	if !isType[*state.SupersededError](err) {
		err = nil
	}
	return kept, err
}

// saveUnsaved saves the states that earlier applies could not save: the one
// stored in the bucket, and those of runs that died on this machine.
func (r *Root) saveUnsaved(ctx context.Context, most time.Duration) error {
	left, err := terraform.FindAbandoned(filepath.Join(r.roots.Cache, "work"), r.Name)
	if err != nil {
		return err
	}
	for _, a := range left {
		if group, err := a.Running(); err != nil || group != 0 {
			continue // its Terraform is still ending
		}
		content, err := a.State()
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if content != nil {
			if _, err := r.bucket().KeepState(ctx, r.Name, content); err != nil {
				return r.advise(err)
			}
		}
		if err := a.Remove(); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	content, err := r.bucket().KeptState(ctx, r.Name)
	if err != nil || content == nil {
		return r.advise(err)
	}
	return r.locked(ctx, newAttempt(), most, func(ctx context.Context, _ state.StateLock) error {
		p := r.roots.Platform
		err := r.bucket().SaveState(ctx, r.Name, content)
		if isType[*state.SupersededError](err) {
			r.Progress("the state that an earlier apply could not save is not saved: %v; it stays as an old version of s3://%s/%s", err, p.StateBucket(), p.UnsavedKey(r.Name))
			return r.advise(r.bucket().DropKeptState(ctx, r.Name))
		}
		if err != nil {
			return console.WithNext(fmt.Errorf("%s: an earlier apply could not save its state, and it cannot be saved now: %w", r.Name, err),
				"look at s3://%s/%s, and remove it once nothing in it matters", p.StateBucket(), p.UnsavedKey(r.Name))
		}
		r.Progress("saved the state that an earlier apply could not save")
		return r.advise(r.bucket().DropKeptState(ctx, r.Name))
	})
}
