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
		name: "freeze", summary: "keep changes away from an environment, and say why", usage: "-env ENV -why REASON [-json]",
		env: environments, refusal: noServices,
		flags: underLeases("freeze", func(set *flag.FlagSet, env *string) func(context.Context, *root.Leases) error {
			why := set.String("why", "", "`reason`, which whoever is refused is told")
			json := set.Bool("json", false, "print one JSON object: environment, frozen, before")
			return func(ctx context.Context, l *root.Leases) error {
				f, err := l.Freeze(ctx, *env, *why)
				if err != nil {
					return err
				}
				return f.Print(l.Console, *json)
			}
		}),
	}
}

func unfreezeCommand() command {
	return command{
		name: "unfreeze", summary: "let changes go on after a freeze", usage: "-env ENV [-json]",
		env: environments, refusal: noServices,
		flags: underLeases("unfreeze", func(set *flag.FlagSet, env *string) func(context.Context, *root.Leases) error {
			json := set.Bool("json", false, "print one JSON object: environment, frozen, before")
			return func(ctx context.Context, l *root.Leases) error {
				f, err := l.Unfreeze(ctx, *env)
				if err != nil {
					return err
				}
				return f.Print(l.Console, *json)
			}
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
