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
