package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// allRoots is what a plan of every root is called.
const allRoots = "all roots"

// runPlanAll plans every root and tells of all, also where one fails.
func runPlanAll(ctx context.Context, a *app, o planOptions) error {
	var c *report.PullRequest
	if o.comment {
		// Asked before the work, which takes a while.
		var err error
		if c, err = report.FindPullRequest(ctx, a.console, a.checkout()); err != nil {
			return err
		}
	}
	cloud, err := root.FindCloud(ctx, a.platform, a.console, o.offline)
	if err != nil {
		return err
	}
	if !o.json {
		fmt.Fprintln(a.console.Out, cloud.Target.Headline(allRoots, o.offline))
	}
	sections, errs, err := planRoots(ctx, a, cloud, o)
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
	err = errors.Join(err, failed(a, "planned", a.platform.Roots(), errs))
	if c != nil {
		err = errors.Join(err, report.Refusals(sections))
	}
	if err == nil && o.detailed && slices.ContainsFunc(sections, func(s view.Section) bool { return !s.Plan.Empty() }) {
		return console.ErrChanges
	}
	return err
}

// failed tells of each failure, with its next command, and returns the sum.
func failed(a *app, what string, roots []string, errs []error) error {
	var names []string
	for i, err := range errs {
		if err == nil {
			continue
		}
		if len(roots) == 1 {
			return err
		}
		a.console.Fail(err)
		names = append(names, roots[i])
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d roots could not be %s: %s", len(names), len(roots), what, strings.Join(names, ", "))
}

// planRoot plans and guards a root.
func planRoot(ctx context.Context, r *root.Root, o planOptions) (s view.Section, err error) {
	s.Root = r.Name
	if s.Plan, err = r.Plan(ctx, o.choices()); s.Plan != nil {
		s.Refused = r.Refused(s.Plan)
	}
	return s, err
}

// planRoots plans and guards every root, several at a time.
func planRoots(ctx context.Context, a *app, cloud root.Cloud, o planOptions) (sections []view.Section, errs []error, err error) {
	roots := a.platform.Roots()
	sections = make([]view.Section, len(roots))
	errs, err = root.Each(ctx, a.rootOptions(cloud), roots, func(ctx context.Context, r *root.Root) (err error) {
		s := &sections[slices.Index(roots, r.Name)]
		if *s, err = planRoot(ctx, r, o); s.Plan != nil {
			r.Progress("planned")
		}
		return err
	})
	redact := a.redactor()
	for i, name := range roots {
		sections[i].Root = name
		if err == nil && errs[i] != nil {
			sections[i].Error = redact.Hide(errs[i].Error())
		}
	}
	return sections, errs, err
}
