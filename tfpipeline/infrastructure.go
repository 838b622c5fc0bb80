package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// stateLockPatience is how long a promotion waits for somebody's state lock.
const stateLockPatience = 5 * time.Minute

// infrastructure is an environment's Terraform root, for a promotion. It is
// opened by the first plan, since a rollback needs no Terraform.
type infrastructure struct {
	app     *app
	console *console.Console
	env     string
	target  target
	cfg     aws.Config
	// reviewed is the plan that was approved; nil is none.
	reviewed *review
	// again is the command that goes on after a failure.
	again string

	root *root
	plan *plan.Plan
}

var _ deploy.Infrastructure = (*infrastructure)(nil)

// Close removes what opening made, the saved plan included.
func (i *infrastructure) Close() error {
	if i.root == nil {
		return nil
	}
	return i.root.Close()
}

// choices are those of a promotion: nobody is asked, since it is a workflow's.
func (i *infrastructure) choices() changeOptions {
	return changeOptions{yes: true, lockTimeout: stateLockPatience, again: i.again}
}

// Plan plans, shows and judges. What a killed run made and could not note is
// adopted by the plan.
func (i *infrastructure) Plan(ctx context.Context) (deploy.Plan, error) {
	a := i.app
	if i.root == nil {
		r, err := a.openRoot(ctx, i.console, i.env, i.target, i.cfg)
		if err != nil {
			return deploy.Plan{}, err
		}
		i.root = r
		if err := a.begin(r, "apply"); err != nil {
			return deploy.Plan{}, err
		}
	}
	i.console.Progress("%s: terraform plan", i.env)
	p, err := a.planRoot(ctx, i.root, planChoices{lockTimeout: stateLockPatience, yes: true})
	if err == nil && i.root.unfinished() {
		p, err = a.adopt(ctx, i.root, i.cfg, p, i.choices())
	}
	if p != nil && (err != nil || !p.Empty()) {
		// An errored plan says what was blocked.
		_ = view.Text{Colour: i.console.Colour(i.console.Err)}.Plan(i.console.Err, p)
	}
	if err != nil {
		return deploy.Plan{}, err
	}
	if err := a.guard(p, nil, "tfpipeline apply -env "+i.env); err != nil {
		return deploy.Plan{}, err
	}
	var unreviewed error
	if i.reviewed != nil {
		// Whether it matters, the promotion decides: what an attempt that died
		// has applied is planned no more.
		unreviewed = i.reviewed.compare(p, i.again)
	}
	i.plan = p
	if p.Empty() {
		if err := i.settle(); err != nil {
			return deploy.Plan{}, err
		}
	}
	_, summary, _ := strings.Cut(view.Verdict(p), ": ")
	return deploy.Plan{Fingerprint: p.Fingerprint(), Empty: p.Empty(), Summary: summary, Unreviewed: unreviewed}, nil
}

// Apply applies the very plan that Plan made.
func (i *infrastructure) Apply(ctx context.Context) error {
	if i.plan == nil {
		return fmt.Errorf("apply %s: it was not planned", i.env)
	}
	if err := i.app.applyRoot(ctx, i.root, i.plan, i.choices()); err != nil {
		return err
	}
	return i.settle()
}

// settle notes that the root is as it should be: a promotion goes on for long
// after that, and whoever finds it killed then need not look for resources.
func (i *infrastructure) settle() error {
	return errors.Join(i.app.settled(i.root), i.root.run.Applied())
}

// Outputs reads those of the state.
func (i *infrastructure) Outputs(ctx context.Context) (deploy.Outputs, error) {
	o, err := state.New(i.cfg, i.app.platform).Outputs(ctx, i.env)
	if isType[*state.NeverAppliedError](err) {
		err = console.WithNext(err, "tfpipeline bootstrap -env %s", i.env)
	}
	return o, err
}
