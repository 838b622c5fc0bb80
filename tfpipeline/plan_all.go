package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// allRoots is what a plan of every root is called.
const allRoots = "all roots"

// planAll plans every root and tells of all, also where one fails.
func (a *app) planAll(ctx context.Context, o planOptions) error {
	var c *commenter
	if o.comment {
		// Asked before the work, which takes a while.
		var err error
		if c, err = a.commenter(); err != nil {
			return err
		}
	}
	t, cfg, err := a.findTarget(ctx, o.offline)
	if err != nil {
		return err
	}
	if !o.json {
		fmt.Fprintln(a.console.Out, headline(allRoots, t, o.offline))
	}
	sections, failures, err := a.planRoots(ctx, t, cfg, o)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if o.json {
		err = view.PlansJSON(a.console.Out, string(t), sections)
	} else {
		err = view.Text{Colour: a.console.Colour(a.console.Out)}.Plans(a.console.Out, sections)
	}
	if err != nil {
		return fmt.Errorf("print the plans: %w", err)
	}
	if c != nil {
		comment := view.Comment{Sections: sections, RunURL: a.runURL(), Commit: c.commit()}
		if t == targetOffline {
			comment.Note = "**Offline plan**: real Terraform and provider against an empty state, without AWS. Everything looks new."
		}
		err = c.tell(ctx, a, comment)
	}
	return errors.Join(err, a.failed(failures), pending(sections, o.detailed && err == nil && len(failures) == 0))
}

// pending is how a plan says that something would change, when asked to.
func pending(sections []view.Section, asked bool) error {
	for _, s := range sections {
		if asked && !s.Plan.Empty() {
			return console.ErrChanges
		}
	}
	return nil
}

// rootError is why one root could not be planned.
type rootError struct {
	root string
	err  error
}

// failed tells of each failure, with its next command, and returns the sum.
func (a *app) failed(failures []rootError) error {
	if len(failures) == 0 {
		return nil
	}
	var names []string
	for _, f := range failures {
		a.console.Fail(f.err)
		names = append(names, f.root)
	}
	return fmt.Errorf("%d of %d roots could not be planned: %s", len(failures), len(a.platform.Roots()), strings.Join(names, ", "))
}

// planRoots plans every root, several at a time: a plan waits for AWS, and for
// its provider to start, more than it works. Terraform, the endpoint and the
// credentials are found once.
func (a *app) planRoots(ctx context.Context, t target, cfg aws.Config, o planOptions) (sections []view.Section, failures []rootError, err error) {
	b, err := a.openToolbox(ctx, a.console.Unattended(), t, cfg)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()

	roots := a.platform.Roots()
	sections = make([]view.Section, len(roots))
	errs := make([]error, len(roots))
	var g errgroup.Group
	// A plan keeps less than one processor busy, and takes half a gigabyte.
	g.SetLimit(2 * runtime.NumCPU())
	for i, name := range roots {
		g.Go(func() error {
			sections[i], errs[i] = b.planOne(ctx, name, o)
			return nil // one root does not end the others
		})
	}
	_ = g.Wait() // never an error
	redact := a.redactor()
	for i, err := range errs {
		if err != nil {
			sections[i].Error = redact.Hide(err.Error())
			failures = append(failures, rootError{roots[i], err})
		}
	}
	return sections, failures, nil
}

// planOne plans one of several roots.
func (b *toolbox) planOne(ctx context.Context, name string, o planOptions) (s view.Section, err error) {
	s.Root = name
	r, err := b.openRoot(ctx, name)
	if err != nil {
		return s, err
	}
	defer closeRoot(r, &err)
	if b.target != targetOffline {
		if err := b.begin(r, "plan"); err != nil {
			return s, err
		}
	}
	b.console.Progress("%s: terraform plan", name)
	s.Plan, err = b.planRoot(ctx, r, planChoices{lockTimeout: o.lockTimeout, noLock: o.noLock})
	if s.Plan == nil {
		return s, err
	}
	if refusal, ok := errors.AsType[*plan.GuardError](plan.Guard(s.Plan, b.platform, nil)); ok {
		s.Refused = refusal.Violations
	}
	b.console.Progress("%s: planned", name)
	return s, err
}
