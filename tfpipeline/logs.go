package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/report"
)

func logsCommand() command {
	return command{
		name:    "logs",
		summary: "show what services and one-off tasks write",
		usage:   "-env ENV [-service NAME | -task NAME]... [-since 10m | -id ID] [-f] [-json]",
		env:     environments, refusal: noServices,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o report.LogOptions
			o.Declare(set)
			return func(ctx context.Context, a *app, _ []string) error {
				if err := o.Check(a.platform); err != nil {
					return err
				}
				e, err := a.openEnvironment(ctx, o.Environment, "logs")
				if err != nil {
					return err
				}
				o.Pace = a.limits.Tick
				return report.Logs(ctx, a.console, a.platform, e.ecs, e.history, o)
			}
		},
	}
}
