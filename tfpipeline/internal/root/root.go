package root

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// Operation is the word for what is done to a root, as people and the notes on
// this machine use it.
type Operation string

// The operations.
const (
	Plan    Operation = "plan"
	Apply   Operation = "apply"
	Destroy Operation = "destroy"
	Refresh Operation = "refresh"
)

// Root is one root opened for work.
type Root struct {
	Name   string
	roots  *Roots
	driver *terraform.Driver
	// run is this run's note on the machine; killed are the runs before it
	// that could not remove theirs.
	run    *terraform.Run
	killed []terraform.Run
	// tell receives what an apply does.
	tell    func(terraform.Event)
	closers []func() error
}

// Close removes everything that opening made, plans included.
func (r *Root) Close() error { return closeAll(r.closers) }

func (r *Root) console() *console.Console { return r.roots.Console }

// Progress tells what goes on with this root.
func (r *Root) Progress(format string, args ...any) {
	r.console().Progress("%s: "+format, append([]any{r.Name}, args...)...)
}

// runs is where this machine remembers the runs that work on states.
func (r *Root) runs() terraform.Runs {
	return terraform.Runs{Dir: filepath.Join(r.roots.Cache, "runs")}
}

// begin notes that this run works on a root, and finds the runs before it that
// were killed. Their plans are removed; a state they could not save is named.
func (r *Root) begin(op Operation) error {
	p := r.roots.Platform
	run, err := r.runs().Begin(terraform.Run{
		State: p.StateBucket() + "/" + p.StateKey(r.Name), Operation: string(op), Workspace: r.driver.Workspace(),
	})
	if err != nil {
		return err
	}
	r.run = run
	r.closers = append(r.closers, run.End)
	_, dead, err := r.runs().Others(run.State, run)
	if err != nil {
		return err
	}
	for _, d := range dead {
		kept, err := r.runs().Sweep(d)
		if err != nil {
			return err
		}
		if kept != "" {
			return console.WithNext(fmt.Errorf("%s: a run that was killed at work (%s, begun %s) left a state that it could not save, kept in %s",
				r.Name, d.Operation, d.Started.Format(time.RFC3339), kept), "%s", pushCommand(r.Name, kept))
		}
	}
	r.killed = dead
	return nil
}

// unfinished reports whether a run that makes things was killed on this root,
// so that there may be resources that the state does not know.
func (r *Root) unfinished() bool {
	return slices.ContainsFunc(r.killed, func(d terraform.Run) bool { return d.Operation == string(Apply) })
}

// settle forgets the killed runs: nothing of them is left.
func (r *Root) settle() error {
	var err error
	for _, d := range r.killed {
		err = errors.Join(err, r.runs().Forget(d))
	}
	r.killed = nil
	return err
}

// pushCommand is how a person saves a state by hand.
func pushCommand(root, path string) string {
	return fmt.Sprintf("cd envs/%s && terraform init && terraform state push %s", root, path)
}

// lockWait is how the root's state lock is waited for: the holder is named
// first, and nobody waits for a dead one.
func (r *Root) lockWait(timeout time.Duration, yes bool) terraform.LockWait {
	held := func(ctx context.Context, l *terraform.LockedError) (bool, error) {
		holder, err := r.runs().Judge(l, r.run)
		if err != nil {
			return false, err
		}
		switch holder {
		case terraform.Dead:
			r.Progress("the state lock was left by a run of yours on this machine that was killed (%s, since %s)", l.Operation, l.Created)
			if err := r.console().Confirm(ctx, "Take its lock?", yes); err != nil {
				return false, r.advise(l)
			}
			if err := r.driver.Unlock(ctx, l.ID); err != nil {
				return false, err
			}
			r.Progress("took the lock %s", l.ID)
			return true, nil
		case terraform.Alive:
			r.Progress("another run of yours on this machine holds the state lock since %s (%s): waiting up to %s", l.Created, l.Operation, timeout)
		default:
			r.Progress("%s holds the state lock since %s (%s): waiting up to %s", l.Who, l.Created, l.Operation, timeout)
		}
		return false, nil
	}
	return terraform.LockWait{Timeout: timeout, Held: held}
}

// advise adds the next command to errors of Terraform that have one.
func (r *Root) advise(err error) error {
	if _, ok := errors.AsType[*terraform.NoBucketError](err); ok {
		return console.WithNext(fmt.Errorf("%s: the state bucket %s does not exist yet", r.Name, r.roots.Platform.StateBucket()),
			"tfpipeline bootstrap -env %s", r.Name)
	}
	if l, ok := errors.AsType[*terraform.LockedError](err); ok {
		return console.WithNext(fmt.Errorf("%s: %w", r.Name, err), "if that run is gone for good: tfpipeline unlock -env %s -state %s", r.Name, l.ID)
	}
	if lockRefused(err) {
		return console.WithNext(fmt.Errorf("%s: %w", r.Name, r.hide(err)), "these credentials may not lock the state: tfpipeline plan -env %s -no-lock", r.Name)
	}
	if permissions := denied(err); permissions != nil {
		return r.refused(err, permissions)
	}
	return fmt.Errorf("%s: %w", r.Name, r.hide(err))
}

// hide hides what looks like a secret in an error of Terraform's: a provider
// may quote what it sent.
func (r *Root) hide(err error) error { return r.roots.Redactor.Error(err) }

// Choices are those of one plan, and of the apply that may follow it.
type Choices struct {
	// Operation says what is planned; Apply if it is empty.
	Operation Operation
	// Yes answers the questions beforehand.
	Yes bool
	// LockTimeout is how long a held state lock is waited for; NoLock plans
	// without it, for roles that may not write.
	LockTimeout time.Duration
	NoLock      bool
	// Allow are the addresses that may be destroyed or replaced.
	Allow []string
	// Reviewed is the plan that was approved; nil is none.
	Reviewed *Review
	// Adopt looks for resources that the state does not know.
	Adopt bool
	// Retry is the command that goes on after a failure.
	Retry string
	// Question replaces the usual one, if Yes has not answered it.
	Question func(context.Context) error
	// Before runs between the answer and the apply.
	Before func(context.Context) error
}

// Plan plans the root. A plan that failed half-way comes back together with its
// error. What a killed apply made and could not note, or what Adopt asks for,
// is adopted by the plan.
func (r *Root) Plan(ctx context.Context, c Choices) (*plan.Plan, error) {
	refresh := c.Operation == Refresh
	r.Progress("terraform plan%s", map[bool]string{true: " -refresh-only"}[refresh])
	var document []byte
	planErr := r.lockWait(c.LockTimeout, c.Yes).Do(ctx, func(timeout time.Duration) (err error) {
		document, err = r.driver.Plan(ctx, terraform.PlanOptions{LockTimeout: timeout, NoLock: c.NoLock, Destroy: c.Operation == Destroy, RefreshOnly: refresh})
		return err
	})
	if planErr != nil {
		planErr = r.advise(planErr)
	}
	if document == nil {
		return nil, planErr
	}
	p, err := plan.Parse(r.Name, document)
	if err != nil {
		return nil, errors.Join(planErr, err)
	}
	if planErr == nil && (c.Adopt || c.Operation == Apply && r.unfinished()) {
		p, err = r.adopt(ctx, p, c)
		if err != nil {
			return p, err
		}
	}
	if planErr != nil {
		return p, planErr
	}
	return p, r.findDeferred(ctx, p)
}

// Guard refuses a plan that cannot be taken back, unless the very addresses are
// named.
func (r *Root) Guard(p *plan.Plan, allow []string) error {
	command := "tfpipeline apply -env " + r.Name
	err := plan.Guard(p, r.roots.Platform, allow)
	refusal, ok := errors.AsType[*plan.GuardError](err)
	switch {
	case !ok:
		return err
	case len(refusal.Violations) == 0:
		return console.WithNext(refusal, "%s, without what allows nothing", command)
	default:
		return console.WithNext(refusal, "if that is meant: %s %s", command, refusal.Flags())
	}
}
