package root

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// Operation is what a command does to a root.
type Operation string

// The operations.
const (
	Plan    Operation = "plan"
	Apply   Operation = "apply"
	Destroy Operation = "destroy"
	Refresh Operation = "refresh"
)

// Root is one root that has been opened.
type Root struct {
	Name   string
	roots  *Roots
	driver *terraform.Driver
	// workspace is the temporary folder in which Terraform works.
	workspace *terraform.Workspace
	// unfinished is an apply of the root that began and never ended, so that
	// resources may exist that the state does not know; abandoned is the state
	// lock that a dead run left. nil is none.
	unfinished, abandoned *state.StateLock
	// retry is the command that was typed, once it is known.
	retry string
	// tell receives the events of a plan or an apply.
	tell    func(terraform.Event)
	closers []func() error
}

// Close removes everything that opening made, plans included.
func (r *Root) Close() error { return closeAll(r.closers) }

func (r *Root) console() *console.Console { return r.roots.Console }

// Progress prints a line about this root.
func (r *Root) Progress(format string, args ...any) {
	r.console().Progress("%s: "+format, append([]any{r.Name}, args...)...)
}

// inFlight tells interrupts what is being done to this root; the format has a
// place for its name.
func (r *Root) inFlight(c Choices, format string) *console.Activity {
	return r.console().Begin(console.InFlight{Work: []string{fmt.Sprintf(format, r.Name)}, Next: c.Retry, Environment: r.Name})
}

// prepare waits until nobody changes the state, and finds out what earlier
// runs left. A caller that is about to change the state first saves the states
// that earlier runs could not save.
func (r *Root) prepare(ctx context.Context, c Choices) (err error) {
	if r.bucket() == nil || c.NoLock {
		return nil
	}
	if c.Operation != Plan {
		if err := r.saveUnsaved(ctx, c.LockTimeout); err != nil {
			return err
		}
	}
	if r.abandoned, err = r.awaitLock(ctx, c.LockTimeout); err != nil {
		return err
	}
	if r.unfinished, err = r.bucket().Unfinished(ctx, r.Name); err != nil {
		return r.advise(err)
	}
	if r.unfinished == nil {
		return nil
	}
	killed := fmt.Sprintf("%s: an apply by %s did not end (begun %s), and what it made may not be in the state", r.Name, holder(*r.unfinished), r.unfinished.Created)
	switch c.Operation {
	case Destroy:
		return console.WithNext(fmt.Errorf("%s: it would be left behind", killed), "tfpipeline apply -env %s, which adopts it; then destroy", r.Name)
	case Plan:
		r.console().Progress("%s: tfpipeline apply -env %s adopts it", killed, r.Name)
	}
	return nil
}

// settle removes the notes of earlier runs, because the state now knows
// everything they created.
func (r *Root) settle(ctx context.Context) error {
	if r.bucket() == nil {
		return nil
	}
	if r.unfinished != nil {
		if err := r.bucket().Ended(ctx, r.Name, *r.unfinished); err != nil {
			return r.advise(err)
		}
	}
	if r.abandoned != nil {
		if err := r.bucket().RemoveStateLock(ctx, r.Name, *r.abandoned); err != nil {
			return r.advise(err)
		}
		r.Progress("removed the state lock of %s which died", holder(*r.abandoned))
	}
	r.unfinished, r.abandoned = nil, nil
	return nil
}

// advise adds the next command to those errors of Terraform for which there is
// one; nil stays nil.
func (r *Root) advise(err error) error {
	if err == nil {
		return nil
	}
	if isType[*terraform.NoBucketError](err) || errors.Is(err, state.ErrNoBucket) {
		return console.WithNext(fmt.Errorf("%s: the state bucket %s does not exist yet", r.Name, r.roots.Platform.StateBucket()),
			"tfpipeline bootstrap -env %s", r.Name)
	}
	if l, ok := errors.AsType[*LockedError](err); ok && l.Lock.Attempt() != "" {
		return console.WithNext(fmt.Errorf("%s: %w", r.Name, err), "wait for it: its lock ends by itself a minute after it has died")
	} else if ok {
		return console.WithNext(fmt.Errorf("%s: %w", r.Name, err), "if that run is gone for good: tfpipeline unlock -env %s -state %s", r.Name, l.Lock.ID)
	}
	if foreign, ok := errors.AsType[*state.ForeignError](err); ok {
		return console.WithNext(fmt.Errorf("%s: %w", r.Name, err), "aws s3 cp s3://%s/%s -", r.roots.Platform.StateBucket(), foreign.Key)
	}
	if permissions := denied(err); permissions != nil {
		return r.refused(err, permissions)
	}
	return fmt.Errorf("%s: %w", r.Name, r.hide(err))
}

// hide redacts an error of Terraform's: a provider may quote what it sent.
func (r *Root) hide(err error) error { return r.roots.Redactor.Error(err) }

// Choices are the options of one plan and of the apply that may follow it.
type Choices struct {
	// Operation says what is planned; Apply if it is empty.
	Operation Operation
	// Yes answers the questions in advance.
	Yes bool
	// LockTimeout is how long to wait for somebody who changes the state;
	// NoLock plans without checking.
	LockTimeout time.Duration
	NoLock      bool
	// Allow are the addresses that may be destroyed or replaced.
	Allow []string
	// Reviewed is the plan that was approved; nil is none.
	Reviewed *Review
	// Adopt looks for existing resources that the state does not know.
	Adopt bool
	// Retry is the command that continues after a failure.
	Retry string
	// Question replaces the usual question, unless Yes has answered it.
	Question func(context.Context) error
	// Before runs after the confirmation and before the apply.
	Before func(context.Context) error
	// attempt is the id of the lease under which the change is made.
	attempt string
	// promotes is set for a promotion, which does not fail for what may wait.
	promotes bool
}

// Plan plans the root. A plan that failed half-way is returned together with
// its error. The plan adopts resources that a killed apply created without
// saving them in the state, those that Adopt asks for, and those of which an
// account has only one.
func (r *Root) Plan(ctx context.Context, c Choices) (*plan.Plan, error) {
	r.retry = cmp.Or(c.Retry, "tfpipeline plan -env "+r.Name)
	defer r.inFlight(c, "Terraform plans %s: it is stopped at once, and leaves nothing").End()
	refresh := c.Operation == Refresh
	r.Progress("terraform plan%s", map[bool]string{true: " -refresh-only"}[refresh])
	if err := r.prepare(ctx, c); err != nil {
		return nil, err
	}
	r.tell = func(e terraform.Event) {
		if e.Kind == terraform.Planning {
			r.Progress("still planning: read %d resources (%s)", e.Read, e.Elapsed)
		}
	}
	document, planErr := r.driver.Plan(ctx, terraform.PlanOptions{Destroy: c.Operation == Destroy, RefreshOnly: refresh})
	planErr = r.advise(planErr)
	if document == nil {
		return nil, planErr
	}
	p, err := plan.Parse(r.Name, document)
	if err != nil {
		return nil, errors.Join(planErr, err)
	}
	if planErr == nil && (c.Adopt || c.Operation == Apply) {
		p, err = r.adopt(ctx, p, c.Adopt || r.unfinished != nil)
		if err != nil {
			return p, err
		}
	}
	if planErr != nil {
		return p, planErr
	}
	return p, r.findDeferred(ctx, p)
}

// Guard refuses a plan that destroys what cannot be restored, unless allow
// names the addresses.
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
