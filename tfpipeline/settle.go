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
		long: `
A run that was killed, as GitHub kills a cancelled job, may leave Terraform at
work, a state that it could not save, and locks. Settle waits until Terraform has
let go of what it was at, or ends it; saves the state; gives the locks back;
marks the environment's lock if the run left something to be continued; and tells
the webhook of NOTIFY_URL and, in a workflow, GitHub's deployments how the run
ended, if it could not. It takes at most five minutes, needs no checkout, and does
nothing if nothing was left: a workflow runs it after every cancelled job.

It is about this machine's runs alone, and about no lock of anybody else. It
waits for a run that is just ending. Without it nothing is lost: what the next
run needs is in the state bucket, and the locks of a dead run end by themselves
within a minute.

Exit codes: 0 nothing is left here (what is to be continued is named), 1 it could
not be settled.

Examples:
  tfpipeline settle -env production
  tfpipeline settle -env production -json | jq -r .next`,
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
						told.Died, l.Notifier = true, told
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
