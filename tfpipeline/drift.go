package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func driftCommand() command {
	return command{
		name:    "drift",
		summary: "say what differs from what Terraform left",
		usage:   "[-env ENV] [-json | -markdown] [-issues]",
		env:     roots, anyEnv: true, checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o driftOptions
			set.StringVar(&o.env, "env", "", "root to look at: an environment, or shared (default: all)")
			set.BoolVar(&o.json, "json", false, "print one JSON object")
			set.BoolVar(&o.markdown, "markdown", false, "print Markdown")
			set.BoolVar(&o.issues, "issues", false, "keep one issue on GitHub for each root")
			return func(ctx context.Context, a *app, args []string) error {
				switch {
				case o.json && o.markdown:
					return console.Usage("-json and -markdown are two forms of the output; choose one", "tfpipeline drift -json")
				}
				return runDrift(ctx, a, o)
			}
		},
	}
}

type driftOptions struct {
	env            string
	json, markdown bool
	issues         bool
}

func runDrift(ctx context.Context, a *app, o driftOptions) error {
	names := a.platform.Roots()
	if o.env != "" {
		names = []string{o.env}
	}
	var client *github.Client
	if o.issues {
		var err error
		if client, err = report.Repository(a.console, a.platform, "tfpipeline drift -issues"); err != nil {
			return err
		}
	}
	cloud, err := a.requireCloud(ctx, "drift")
	if err != nil {
		return err
	}
	drifts, errs, err := root.Drifts(ctx, a.rootOptions(cloud), names)
	if err != nil {
		return err
	}
	notCompared := root.Failed(a.console, "compared", names, errs)
	if notCompared != nil && !o.issues {
		return notCompared
	}
	drift := view.DriftReport{}
	var unclean, compared []string
	for i, name := range names {
		if errs[i] != nil {
			continue
		}
		compared = append(compared, name)
		drift.Add(name, drifts[i])
		if !drifts[i].Clean() {
			unclean = append(unclean, name)
		}
	}
	write := drift.Text
	switch {
	case o.json:
		write = drift.JSON
	case o.markdown:
		write = drift.Markdown
	}
	if err := write(a.console.Out); err != nil {
		return fmt.Errorf("print the drift: %w", err)
	}
	if o.issues {
		notTold := root.Failed(a.console, "told on GitHub", compared, report.Issues(ctx, a.console, client, a.platform.Name, compared, &drift))
		return errors.Join(notCompared, notTold)
	}
	if len(unclean) == 0 {
		return nil
	}
	for _, name := range unclean {
		a.console.Suggest("tfpipeline plan -env %s, for what an apply would put back; tfpipeline apply -env %s -refresh-only, which writes the rest into the state", name, name)
	}
	return console.ErrChanges
}
