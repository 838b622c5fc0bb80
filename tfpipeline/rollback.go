package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func rollbackCommand() command {
	return command{
		name:    "rollback",
		summary: "bring an earlier release back to every service",
		usage:   "-env ENV [-to TAG] [-with-migrations] [-force[=REASON]]",
		env:     environments, refusal: noServices,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o attemptOptions
			set.StringVar(&o.env, "env", "", "environment to roll back")
			set.StringVar(&o.tag, "to", "", "`tag` or commit of the release to go to (default: the last good one before the current)")
			set.BoolVar(&o.withMigrations, "with-migrations", false, "run that release's migrations before it")
			set.Var(&o.force, "force", "roll back behind a contract migration; -force=`REASON` records why")
			o.declare(set)
			return func(ctx context.Context, a *app, args []string) error {
				return runRollback(ctx, a, o)
			}
		},
	}
}

func runRollback(ctx context.Context, a *app, o attemptOptions) error {
	line := "tfpipeline rollback -env " + o.env
	if err := o.choose(line); err != nil {
		return err
	}
	if o.tag != "" {
		line += " -to " + o.tag
	}
	return runAttempt(ctx, a, deploy.KindRollback, o, nil, line)
}
