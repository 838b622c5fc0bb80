package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/scaffold"
)

func initCommand() command {
	return command{
		name:     "init",
		summary:  "make this checkout your own platform, and plan it",
		usage:    "[-name NAME] [-account ID] [-region REGION] [-domain DOMAIN] [-repository OWNER/NAME] [-service NAME:PORT[:FOLDER]]... [-worker NAME[:FOLDER]]... [-no-database] [-no-cache] [-yes]",
		checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var i scaffold.Init
			i.Declare(set)
			return func(ctx context.Context, a *app, _ []string) (err error) {
				i.Dir, i.Console = a.repository, a.console
				if a.platform, err = i.Run(ctx); err != nil || i.NoPlan {
					return err
				}
				return runPlan(ctx, a, planOptions{env: a.platform.Environments[0].Name, offline: true})
			}
		},
	}
}
