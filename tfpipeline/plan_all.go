package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// allRoots is the name of "every root" in the headline.
const allRoots = "all roots"

// runPlanAll plans every root and prints all plans, even if some roots fail.
func runPlanAll(ctx context.Context, a *app, o planOptions) error {
	var c *report.PullRequest
	if o.comment {
		// Find the pull request first: a wrong token should fail before the
		// plans, which take a while.
		var err error
		if c, err = report.FindPullRequest(ctx, a.console, a.checkout()); err != nil {
			return err
		}
	}
	cloud, err := root.FindCloud(ctx, a.platform, a.console, o.offline, a.aws...)
	if err != nil {
		return err
	}
	if !o.json {
		a.console.Answer("%s", cloud.Target.Headline(allRoots, o.offline))
	}
	sections, errs, err := root.PlanAll(ctx, a.rootOptions(cloud), o.choices())
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if o.json {
		err = view.PlansJSON(a.console.Out, string(cloud.Target), sections)
	} else {
		err = view.Text{Colour: a.console.Colour(a.console.Out)}.Plans(a.console.Out, sections)
	}
	if err != nil {
		return fmt.Errorf("print the plans: %w", err)
	}
	if c != nil {
		err = c.Tell(ctx, report.Comment(a.platform.Name, cloud.Target == root.Offline, sections...))
	}
	err = errors.Join(err, root.Failed(a.console, "planned", a.platform.Roots(), errs))
	if c != nil {
		err = errors.Join(err, report.Refusals(sections))
	}
	if err == nil && o.detailed && slices.ContainsFunc(sections, func(s view.Section) bool { return !s.Plan.Empty() }) {
		return console.ErrChanges
	}
	return err
}
