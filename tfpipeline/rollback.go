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
		long: `
Sets every service to the task definitions that an earlier release recorded: the
named one, or the last good one before the current. No Terraform, no build, no
migrations unless -with-migrations asks for that release's. The release that is
rolled back from is marked rejected, and a later promotion of it is refused.

It also ends a promotion that was interrupted, killed or left broken: without
-to, what ran before that one comes back.

It is refused if a contract migration has been applied since that release, which
the old code may not live with; -force overrides that, and -force=REASON records
why.

Exit codes are those of promote.

Examples:
  tfpipeline rollback -env production
  tfpipeline rollback -env production -to v1.2.2
  tfpipeline rollback -env production -to v1.2.2 -dry-run`,
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
