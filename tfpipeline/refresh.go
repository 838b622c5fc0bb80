package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// refresh notes in the state what an apply's resources did to one another:
// the rules of a security group, the policies of a role. Else they would be
// drift that nobody made. What was asked for is done already, so a refresh
// that fails is told and no more.
func (a *app) refresh(ctx context.Context, r *root, o changeOptions) {
	r.console.Progress("%s: terraform apply -refresh-only", r.name)
	err := a.patience(r, o.lockTimeout, o.yes).Wait(ctx, func(timeout time.Duration) error {
		return r.Refresh(ctx, timeout)
	})
	if err != nil {
		r.console.Progress("%s: applied, but the state was not refreshed, so drift will report what this apply did: %v", r.name, a.hide(err))
		r.console.Suggest("tfpipeline apply -env %s -refresh-only", r.name)
	}
}

// refreshOnly shows how a root differs from its state, asks, and writes that
// into the state: from then on it is no drift.
func (a *app) refreshOnly(ctx context.Context, name string, t target, cfg aws.Config, o changeOptions) (err error) {
	r, err := a.openRoot(ctx, a.console, name, t, cfg)
	if err != nil {
		return err
	}
	defer closeRoot(r, &err)
	if err := a.begin(r, "refresh"); err != nil {
		return err
	}
	a.console.Progress("%s: terraform plan -refresh-only", name)
	p, err := a.planRoot(ctx, r, planChoices{lockTimeout: o.lockTimeout, refreshOnly: true, yes: o.yes})
	if err != nil {
		return err
	}
	d := plan.Classify(p, config.AcceptedDrifts())
	if len(d.Real)+len(d.Accepted) == 0 {
		fmt.Fprintf(a.console.Out, "%s: the state knows all there is\n", name)
		return nil
	}
	d.Unused = nil // a question for the drift command
	report := view.DriftReport{}
	report.Add(name, d)
	if err := report.Text(a.console.Out); err != nil {
		return fmt.Errorf("print the drift: %w", err)
	}
	if err := a.console.Confirm(ctx, fmt.Sprintf("Write this into the state of %s?", name), o.yes); err != nil {
		return err
	}
	o.refreshed = true
	if err := a.applyRoot(ctx, r, p, o); err != nil {
		return err
	}
	fmt.Fprintf(a.console.Out, "%s: the state is refreshed\n", name)
	return nil
}
