package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/report"
)

func annotateCommand() command {
	return command{
		name:    "annotate",
		summary: "write into a GitHub release when it was deployed",
		usage:   "-release TAG -result JSON",
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			tag := set.String("release", "", "`tag` of the release")
			result := set.String("result", "", "`JSON` of the promotion, from its step's output \"result\"")
			return func(ctx context.Context, a *app, _ []string) error {
				line := "tfpipeline annotate -release TAG -result \"$RESULT\""
				if *tag == "" || *result == "" {
					return console.Usage("which release, and with which result?", line)
				}
				client, err := report.Repository(a.console, a.platform, line)
				if err != nil {
					return err
				}
				return report.Release(ctx, a.console, client, a.platform.Name, *tag, *result)
			}
		},
	}
}
