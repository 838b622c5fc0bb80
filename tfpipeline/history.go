package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

func historyCommand() command {
	return command{
		name:    "history",
		summary: "list what was promoted and rolled back",
		usage:   "-env ENV [-limit N | -id ID] [-json]",
		env:     environments, refusal: noServices,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "environment")
			limit := set.Int("limit", 20, "how many attempts; 0 is all")
			id := set.String("id", "", "`ID` of one attempt")
			json := set.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, a *app, _ []string) error {
				e, err := a.openEnvironment(ctx, *env, "history")
				switch {
				case err != nil:
					return err
				case *id != "":
					err = report.Record(ctx, a.console, e.history, *env, *id, *json)
				default:
					err = report.History(ctx, a.console, e.history, *env, *limit, *json)
				}
				return root.Explain(*env, err)
			}
		},
	}
}
