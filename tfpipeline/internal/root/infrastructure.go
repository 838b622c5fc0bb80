package root

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Infrastructure is an environment's Terraform root, for a promotion. The
// first plan opens it, since a rollback needs no Terraform. It asks no
// questions: a workflow has nobody to answer.
type Infrastructure struct {
	Options
	Environment string
	// Reviewed is the plan that was approved; nil is none.
	Reviewed *Review
	// DryRun plans with the rights of the role of plans: it takes no state lock,
	// and the plan is never applied.
	DryRun bool
	// Retry is the command that continues after a failure.
	Retry string

	root *Root
	plan *plan.Plan
	// seen is the last plan, even if the guard refused it.
	seen *plan.Plan
}

var _ deploy.Infrastructure = (*Infrastructure)(nil)

// Close removes everything that opening the root created, the saved plan
// included.
func (i *Infrastructure) Close() error {
	if i.root == nil {
		return nil
	}
	return i.root.Close()
}

func (i *Infrastructure) choices() Choices {
	if i.DryRun {
		return Choices{Operation: Plan, NoLock: true, Retry: i.Retry}
	}
	return Choices{Operation: Apply, Yes: true, LockTimeout: 5 * time.Minute, Retry: i.Retry, promotes: true}
}

// Plan plans the root, shows the plan and guards it.
func (i *Infrastructure) Plan(ctx context.Context) (deploy.Plan, error) {
	if i.root == nil {
		r, err := Open(ctx, i.Options, i.Environment)
		if err != nil {
			return deploy.Plan{}, err
		}
		i.root = r
	}
	p, err := i.root.Plan(ctx, i.choices())
	i.seen = p
	if p != nil && (err != nil || !p.Empty()) {
		// An errored plan says what was blocked.
		end := i.Console.Group("plan of " + i.Environment)
		_ = view.Text{Colour: i.Console.Colour(i.Console.Err)}.Plan(i.Console.Err, p)
		end()
	}
	if err == nil {
		err = i.root.Guard(p, nil)
	}
	if err != nil {
		return deploy.Plan{}, err
	}
	var unreviewed error
	if i.Reviewed != nil {
		// The promotion decides whether the difference matters: changes that a
		// dead attempt has applied are no longer in the plan.
		unreviewed = i.Reviewed.compare(p, i.Retry)
	}
	i.plan = p
	if p.Empty() {
		if err := errors.Join(i.root.settle(ctx), i.root.continueToken(ctx, i.choices())); err != nil {
			return deploy.Plan{}, err
		}
	}
	_, summary, _ := strings.Cut(view.Verdict(p), ": ")
	return deploy.Plan{Fingerprint: p.Fingerprint(), Empty: p.Empty(), Summary: summary, Unreviewed: unreviewed}, nil
}

// Seen returns the last plan, even if it was refused; nil if there was none.
func (i *Infrastructure) Seen() *plan.Plan { return i.seen }

// Apply applies the saved plan that Plan made.
func (i *Infrastructure) Apply(ctx context.Context, attempt string) error {
	if i.plan == nil {
		return fmt.Errorf("apply %s: it was not planned", i.Environment)
	}
	if err := forgetDead(i.Cache, i.Environment); err != nil {
		return err
	}
	c := i.choices()
	c.attempt = attempt
	return i.root.Apply(ctx, i.plan, c)
}

// Outputs reads the outputs from the state.
func (i *Infrastructure) Outputs(ctx context.Context) (deploy.Outputs, error) {
	o, err := state.New(i.Cloud.Config, i.Platform).Outputs(ctx, i.Environment)
	if isType[*state.NeverAppliedError](err) {
		err = console.WithNext(err, "tfpipeline bootstrap -env %s", i.Environment)
	}
	return o, err
}

// ForgetDead removes the state lock of an attempt that died. If the lock was
// renewed recently, the attempt may still be alive: ForgetDead then returns
// after how long its death is certain.
func (i *Infrastructure) ForgetDead(ctx context.Context, attempt string) (after time.Duration, err error) {
	bucket := state.New(i.Cloud.Config, i.Platform)
	l, err := bucket.StateLock(ctx, i.Environment)
	switch {
	case isType[*state.ForeignError](err), err == nil && (l == nil || l.Attempt() != attempt):
		return 0, nil // the lock is not that attempt's
	case err != nil:
		return 0, err
	case !l.Abandoned(i.Leases.span()):
		return i.Leases.span() - l.Age, nil
	}
	if err := bucket.RemoveStateLock(ctx, i.Environment, *l); err != nil {
		return 0, err
	}
	i.Console.Progress("%s: removed the state lock of %s which died", i.Environment, holder(*l))
	return 0, nil
}
