package main

import (
	"context"
	"flag"
	"slices"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/flags"
	"github.com/specboard/platform/tfpipeline/internal/report"
)

func logsCommand() command {
	return command{
		name:    "logs",
		summary: "show what services and one-off tasks write",
		usage:   "-env ENV [-service NAME | -task NAME]... [-since 10m] [-f] [-json]",
		env:     environments, refusal: noServices,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o logOptions
			set.StringVar(&o.env, "env", "", "environment")
			set.Func("service", "`name` of a service; may be repeated (default: all)", func(s string) error {
				o.services = append(o.services, s)
				return nil
			})
			set.Func("task", "`name` of a one-off task; may be repeated", func(s string) error {
				o.tasks = append(o.tasks, s)
				return nil
			})
			set.DurationVar(&o.since, "since", 10*time.Minute, "how far back to begin")
			set.StringVar(&o.grep, "grep", "", "only lines with this `text`, in upper or lower case")
			set.BoolVar(&o.show.Follow, "follow", false, "go on with what is written from now on")
			set.BoolVar(&o.show.Follow, "f", false, "as -follow")
			set.BoolVar(&o.show.JSON, "json", false, "print one JSON object a line: time, environment, name, task, message")
			return func(ctx context.Context, a *app, args []string) error {
				o.show.Environment = o.env
				return runLogs(ctx, a, o)
			}
		},
	}
}

type logOptions struct {
	env, grep       string
	services, tasks []string
	since           time.Duration
	show            report.LogOptions
}

func runLogs(ctx context.Context, a *app, o logOptions) error {
	names, err := logNames(a, o)
	if err != nil {
		return err
	}
	e, err := a.openEnvironment(ctx, o.env, "logs")
	if err != nil {
		return err
	}
	o.show.Pace = a.limits.Tick
	return report.Logs(ctx, a.console, e.ecs.Tail(names, o.grep, time.Now().Add(-o.since)), o.show)
}

// logNames are the services and tasks whose logs are asked for.
func logNames(a *app, o logOptions) ([]string, error) {
	for _, s := range o.services {
		if err := flags.Named("service", s, a.platform.ServiceNames(), "tfpipeline logs -env "+o.env+" -service"); err != nil {
			return nil, err
		}
	}
	for _, t := range o.tasks {
		if err := flags.Named("one-off task", t, a.platform.TaskNames(), "tfpipeline logs -env "+o.env+" -task"); err != nil {
			return nil, err
		}
	}
	if len(o.services)+len(o.tasks) == 0 {
		return a.platform.ServiceNames(), nil
	}
	return append(slices.Clone(o.services), o.tasks...), nil
}
