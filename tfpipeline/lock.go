package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// runs is where this machine remembers the runs that work on states.
func (a *app) runs() terraform.Runs {
	return terraform.Runs{Dir: filepath.Join(a.cacheDir(), "runs")}
}

// stateName names a root's state, as the notes of runs do.
func (a *app) stateName(root string) string {
	return a.platform.StateBucket() + "/" + a.platform.StateKey(root)
}

// begin notes that this run works on a root, and finds the runs before it that
// were killed. Their plans are removed; a state they could not save is named.
func (a *app) begin(r *root, operation string) error {
	run, err := a.runs().Begin(terraform.Run{
		State: a.stateName(r.name), Operation: operation, Workspace: r.Workspace(),
	})
	if err != nil {
		return err
	}
	r.run = run
	r.closers = append(r.closers, run.End)
	_, dead, err := a.runs().Others(run.State, run)
	if err != nil {
		return err
	}
	for _, d := range dead {
		kept, err := a.runs().Sweep(d)
		if err != nil {
			return err
		}
		if kept != "" {
			return console.WithNext(fmt.Errorf("%s: a run that was killed at work (%s, begun %s) left a state that it could not save, kept in %s",
				r.name, d.Operation, d.Started.Format(time.RFC3339), kept), "%s", pushCommand(r.name, kept))
		}
	}
	r.killed = dead
	return nil
}

// unfinished reports whether a run that makes things was killed on this
// root, so that there may be resources that the state does not know.
func (r *root) unfinished() bool {
	return slices.ContainsFunc(r.killed, func(d terraform.Run) bool { return d.Operation == "apply" })
}

// settled forgets the killed runs: nothing of them is left.
func (a *app) settled(r *root) error {
	var err error
	for _, d := range r.killed {
		err = errors.Join(err, a.runs().Forget(d))
	}
	r.killed = nil
	return err
}

// pushCommand is how a person saves a state by hand.
func pushCommand(root, path string) string {
	return fmt.Sprintf("cd envs/%s && terraform init && terraform state push %s", root, path)
}

// patience is how a root's state lock is waited for: with the holder's name
// told first, and without waiting for the dead.
func (a *app) patience(r *root, timeout time.Duration, yes bool) terraform.Patience {
	held := func(ctx context.Context, l *terraform.LockedError) (bool, error) {
		holder, err := a.runs().Judge(l, r.run)
		if err != nil {
			return false, err
		}
		switch holder {
		case terraform.Dead:
			r.console.Progress("%s: the state lock was left by a run of yours on this machine that was killed (%s, since %s)", r.name, l.Operation, l.Created)
			if err := r.console.Confirm(ctx, "Take its lock?", yes); err != nil {
				return false, a.advise(r.name, l)
			}
			if err := r.Unlock(ctx, l.ID); err != nil {
				return false, err
			}
			r.console.Progress("%s: took the lock %s", r.name, l.ID)
			return true, nil
		case terraform.Alive:
			r.console.Progress("%s: another run of yours on this machine holds the state lock since %s (%s): waiting up to %s", r.name, l.Created, l.Operation, timeout)
		default:
			r.console.Progress("%s: %s holds the state lock since %s (%s): waiting up to %s", r.name, l.Who, l.Created, l.Operation, timeout)
		}
		return false, nil
	}
	return terraform.Patience{Timeout: timeout, Held: held}
}
