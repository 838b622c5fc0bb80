package main

import (
	"context"
	"flag"
)

func unlockCommand() command {
	return command{
		name:    "unlock",
		summary: "remove a lock that a run left behind",
		usage:   "-env ENV [-state ID] [-yes]",
		env:     roots,
		long: `
An environment has two locks: its own, which promotions and rollbacks hold, and
that of its Terraform state. Unlock shows who holds them, since when and what
for, and asks for each before it removes it. With -state it removes only the
state's lock of that id; the error that names it gives the exact command.

Use it only if the run that holds the lock is gone for good: two runs at once
destroy a state, or leave services mixed. The environment's lock ends by itself a
minute after its holder is gone. One that was left to be continued is better
continued: by the same promote, or by rollback. The lock of a run at work is not
removed by -yes.

Examples:
  tfpipeline unlock -env production
  tfpipeline unlock -env staging -state f216bbea-1111-2222-3333-444455556666`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "root whose locks are shown and removed: an environment, or shared")
			id := set.String("state", "", "`ID` of the state lock, to remove that one only")
			yes := set.Bool("yes", false, "do not ask")
			return func(ctx context.Context, a *app, _ []string) error {
				cloud, err := a.requireCloud(ctx, "unlock")
				if err != nil {
					return err
				}
				return a.leases(cloud).Unlock(ctx, *env, *id, *yes)
			}
		},
	}
}
