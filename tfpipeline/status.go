package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
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
			all[i], err = statusOf(groupCtx, a, e)
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

// statusOf looks at one environment, at everything at the same time.
func statusOf(ctx context.Context, a *app, e *environment) (view.Status, error) {
	var public []string
	for _, service := range a.platform.Services {
		if service.Public() {
			public = append(public, service.Name)
		}
	}
	var o view.Observation
	names := a.services()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { o.Records, o.Skipped, err = e.history.Recent(ctx); return err })
	g.Go(func() error { o.Lock, o.LockError = e.lock.Holder(ctx); return nil })
	g.Go(func() (err error) { o.Services, err = e.ecs.DescribeServices(ctx, names); return err })
	g.Go(func() (err error) { o.Stopped, err = e.ecs.StoppedTasks(ctx, names, time.Time{}); return err })
	g.Go(func() (err error) { o.Digests, err = e.ecs.RunningDigests(ctx, names); return err })
	g.Go(func() (err error) { o.Targets, err = e.ecs.TargetHealth(ctx, public); return err })
	err := g.Wait()
	s := view.Status{Environment: e.Name, URL: "https://" + a.platform.Host(e.Environment), Time: time.Now().UTC()}
	if failure, ok := errors.AsType[*ecs.Error](err); ok && failure.Code == "ClusterNotFoundException" {
		s.Problems = []string{"there is nothing yet: tfpipeline bootstrap -env " + e.Name}
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", e.Name, err)
	}
	s.Fill(names, o)
	return s, nil
}
