package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/report"
)

func githubCommand() command {
	return command{
		name:    "github",
		summary: "print what the repository on GitHub needs",
		usage:   "[-check] [-json]",
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			check := set.Bool("check", false, "ask GitHub, and print what differs")
			asJSON := set.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, a *app, _ []string) error {
				list, differ := report.Settings(a.platform), false
				if *check {
					client, err := report.Repository(a.console, a.platform, "tfpipeline github -check")
					if err != nil {
						return err
					}
					if differ, err = report.CheckSettings(ctx, client, a.platform, list); err != nil {
						return err
					}
				}
				if err := report.WriteSettings(a.console.Out, list, *check, *asJSON); err != nil {
					return fmt.Errorf("print the settings: %w", err)
				}
				if differ {
					return console.ErrChanges
				}
				return nil
			}
		},
	}
}
