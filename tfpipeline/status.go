package main

import (
	"context"
	"flag"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func statusCommand() command {
	return command{
		name:    "status",
		summary: "say which release runs where, and whether all is well",
		usage:   "[-env ENV] [-json | -markdown]",
		env:     environments, refusal: noServices, anyEnv: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "environment (default: all)")
			json := set.Bool("json", false, "print one JSON object")
			markdown := set.Bool("markdown", false, "print a Markdown table")
			return func(ctx context.Context, a *app, args []string) error {
				switch {
				case *json && *markdown:
					return console.Usage("-json and -markdown are two answers; choose one", "tfpipeline status -json")
				}
				return runStatus(ctx, a, *env, *json, *markdown)
			}
		},
	}
}

func runStatus(ctx context.Context, a *app, env string, json, markdown bool) error {
	names := []string{env}
	if env == "" {
		names = nil
		for _, e := range a.platform.Environments {
			names = append(names, e.Name)
		}
	}
	cloud, err := a.requireCloud(ctx, "status")
	if err != nil {
		return err
	}
	all := make(view.Statuses, len(names))
	g, groupCtx := errgroup.WithContext(ctx)
	for i, name := range names {
		e, err := a.environmentOf(name, cloud)
		if err != nil {
			return err
		}
		g.Go(func() (err error) {
			all[i], err = report.Status(groupCtx, a.platform, e.Environment, e.ecs, e.history, e.lock)
			return root.Explain(name, err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	write := all.Text
	switch {
	case json:
		write = all.JSON
	case markdown:
		write = all.Markdown
	}
	if err := write(a.console.Out); err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	return nil
}
