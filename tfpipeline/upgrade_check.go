package main

import (
	"context"
	"flag"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/upgrade"
)

func upgradeCheckCommand() command {
	return command{
		name:     "upgrade-check",
		summary:  "compare pinned versions with what is supported",
		usage:    "[-json]",
		checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			json := set.Bool("json", false, "print one JSON object")
			return func(_ context.Context, a *app, _ []string) error {
				report, err := upgrade.Check(a.platform, a.repository, time.Now())
				if err != nil {
					return err
				}
				if err := report.Print(a.console.Out, *json); err != nil {
					return err
				}
				if report.Due() {
					return console.ErrChanges
				}
				return nil
			}
		},
	}
}
