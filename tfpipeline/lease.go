package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/root"
)

// underLeases is the flags of a verb that works on an environment's lease.
func underLeases(verb string, declare func(set *flag.FlagSet, env *string) func(context.Context, *root.Leases) error) func(*flag.FlagSet) func(context.Context, *app, []string) error {
	return func(set *flag.FlagSet) func(context.Context, *app, []string) error {
		do := declare(set, set.String("env", "", "environment"))
		return func(ctx context.Context, a *app, _ []string) error {
			cloud, err := a.requireCloud(ctx, verb)
			if err != nil {
				return err
			}
			return do(ctx, a.leases(cloud))
		}
	}
}

func freezeCommand() command {
	return command{
		name: "freeze", summary: "keep promotions away from an environment, and say why", usage: "-env ENV -why REASON",
		env: environments, refusal: noServices,
		flags: underLeases("freeze", func(set *flag.FlagSet, env *string) func(context.Context, *root.Leases) error {
			why := set.String("why", "", "`reason`, which whoever promotes is told")
			return func(ctx context.Context, l *root.Leases) error { return l.Freeze(ctx, *env, *why) }
		}),
	}
}

func unfreezeCommand() command {
	return command{
		name: "unfreeze", summary: "let promotions go on after a freeze", usage: "-env ENV",
		env: environments, refusal: noServices,
		flags: underLeases("unfreeze", func(_ *flag.FlagSet, env *string) func(context.Context, *root.Leases) error {
			return func(ctx context.Context, l *root.Leases) error { return l.Unfreeze(ctx, *env) }
		}),
	}
}

func unlockCommand() command {
	return command{
		name: "unlock", summary: "remove a lock that a run left behind", usage: "-env ENV [-state ID] [-yes]",
		env: roots,
		flags: underLeases("unlock", func(set *flag.FlagSet, env *string) func(context.Context, *root.Leases) error {
			id := set.String("state", "", "`ID` of the state lock, to remove that one only")
			yes := set.Bool("yes", false, "do not ask")
			return func(ctx context.Context, l *root.Leases) error { return l.Unlock(ctx, *env, *id, *yes) }
		}),
	}
}
