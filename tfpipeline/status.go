package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/dashboard"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

type statusOptions struct {
	env            string
	json, markdown bool
	html, drift    string
	withoutLogs    bool
}

func statusCommand() command {
	return command{
		name:    "status",
		summary: "say which release runs where, and whether all is well",
		usage:   "[-env ENV] [-json | -markdown | -html FILE [-drift FILE] [-without-logs]]",
		env:     environments, refusal: noServices, anyEnv: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o statusOptions
			set.StringVar(&o.env, "env", "", "environment (default: all)")
			set.BoolVar(&o.json, "json", false, "print one JSON object")
			set.BoolVar(&o.markdown, "markdown", false, "print a Markdown table")
			set.StringVar(&o.html, "html", "", "write the dashboard, a page that needs nothing else, to this `file`")
			set.StringVar(&o.drift, "drift", "", "with -html: `file` that tfpipeline drift -json wrote")
			set.BoolVar(&o.withoutLogs, "without-logs", false, "with -html: leave out what tasks wrote, for a page that is published")
			return func(ctx context.Context, a *app, args []string) error {
				switch {
				case o.json && o.markdown, o.html != "" && (o.json || o.markdown):
					return console.Usage("-json, -markdown and -html are three forms of the output; choose one", "tfpipeline status -json")
				case o.html == "" && o.withoutLogs:
					return console.Usage("-without-logs is for -html", "tfpipeline status -html dashboard.html -without-logs")
				case o.html == "" && o.drift != "":
					return console.Usage("-drift is for -html", "tfpipeline status -html dashboard.html -drift "+o.drift)
				}
				return runStatus(ctx, a, o)
			}
		},
	}
}

func runStatus(ctx context.Context, a *app, o statusOptions) error {
	sources, err := a.sources(ctx, "status", o.env)
	if err != nil {
		return err
	}
	if o.html != "" {
		page, err := renderDashboard(ctx, a, sources, o.drift, o.withoutLogs, 0)
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.html, page, 0o644); err != nil {
			return fmt.Errorf("write the dashboard: %w", err)
		}
		return nil
	}
	all := make(view.Statuses, len(sources))
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range sources {
		g.Go(func() (err error) {
			all[i], err = s.Status(ctx, a.platform)
			return root.Explain(s.Name, err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	write := all.Text
	switch {
	case o.json:
		write = all.JSON
	case o.markdown:
		write = all.Markdown
	}
	if err := write(a.console.Out); err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	return nil
}

// sources are one environment, or all if env is "".
func (a *app) sources(ctx context.Context, command, env string) ([]report.Source, error) {
	names := []string{env}
	if env == "" {
		names = environments(a.platform)
	}
	cloud, err := a.requireCloud(ctx, command)
	if err != nil {
		return nil, err
	}
	var sources []report.Source
	for _, name := range names {
		e, err := a.environmentOf(name, cloud)
		if err != nil {
			return nil, err
		}
		sources = append(sources, report.Source{Environment: e.Environment, ECS: e.ecs, History: e.history, Lock: e.lock})
	}
	return sources, nil
}

// renderDashboard looks at the sources; the page renews itself after every seconds.
func renderDashboard(ctx context.Context, a *app, sources []report.Source, driftFile string, withoutLogs bool, every int) ([]byte, error) {
	drift, err := report.ReadDrift(driftFile)
	if err != nil {
		return nil, err
	}
	d := report.Dashboard(ctx, a.platform, a.checkout(), sources, drift)
	d.WithoutLogs = withoutLogs
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var page bytes.Buffer
	if err := d.HTML(&page, every); err != nil {
		return nil, fmt.Errorf("write the dashboard: %w", err)
	}
	return page.Bytes(), nil
}

func dashboardCommand() command {
	return command{
		name:    "dashboard",
		summary: "serve the status as a page that renews itself",
		usage:   "[-addr ADDRESS] [-every TIME] [-drift FILE]",
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			address := set.String("addr", "127.0.0.1:8080", "loopback `address` to serve at; port 0 is any that is free")
			every := set.Duration("every", 15*time.Second, "how often the page renews itself")
			drift := set.String("drift", "", "`file` that tfpipeline drift -json wrote")
			return func(ctx context.Context, a *app, args []string) error {
				if *every < time.Second {
					return console.Usage(fmt.Sprintf("-every %v is too short: it must be a second or more", *every), "tfpipeline dashboard -every 15s")
				}
				sources, err := a.sources(ctx, "dashboard", "")
				if err != nil {
					return err
				}
				return dashboard.Serve(ctx, dashboard.Options{
					Address: *address, Every: *every - time.Second/2, // a page may ask a moment early
					Render: func(ctx context.Context) ([]byte, error) {
						return renderDashboard(ctx, a, sources, *drift, false, int(every.Seconds()))
					},
					Started: func(url string) { a.console.Progress("the dashboard is at %s until Ctrl-C", url) },
				})
			}
		},
	}
}
