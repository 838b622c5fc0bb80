package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/report"
)

func settleCommand() command {
	return command{
		name:    "settle",
		summary: "finish what a cancelled run left on this machine",
		usage:   "-env ENV [-json]",
		env:     roots,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "root to settle: an environment, or shared")
			json := set.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, a *app, _ []string) error {
				cloud, err := a.requireCloud(ctx, "settle")
				if err != nil {
					return err
				}
				l := a.leases(cloud)
				if e, ok := a.platform.Environment(*env); ok {
					told, err := report.NewAttempt(a.console, a.platform, e, a.checkout())
					if err != nil {
						return err
					}
					if told.Webhook != nil || told.GitHub != nil {
						l.Notifier = told
					}
				}
				s, err := l.Settle(ctx, *env)
				if err != nil {
					return err
				}
				return s.Print(a.console, *json)
			}
		},
	}
}
