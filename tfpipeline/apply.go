package main

import (
	"context"
	"flag"
	"fmt"
)

func applyCommand() command {
	return command{
		name:    "apply",
		summary: "plan, guard, show, confirm, apply",
		usage:   "-env ENV [-yes] [-allow ADDRESS]...",
		long: `
Plans one root, refuses what would destroy data, shows the plan, asks, and
applies that very plan. A held state lock is waited for, and its holder named;
a lock that a killed run of yours left on this machine is taken after asking.

Examples:
  tfpipeline apply -env staging
  tfpipeline apply -env production -allow module.cache.aws_elasticache_replication_group.this`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var env string
			var o changeOptions
			set.StringVar(&env, "env", "", "root to apply: an environment, or shared")
			set.Func("allow", "`ADDRESS` that may be destroyed or replaced; may be repeated", func(s string) error {
				o.allow = append(o.allow, s)
				return nil
			})
			o.declare(set)
			return func(ctx context.Context, a *app, args []string) error {
				if len(args) > 0 {
					return usageError{fmt.Sprintf("apply takes no argument %q", args[0]), "tfpipeline apply -env " + args[0]}
				}
				return a.apply(ctx, env, o)
			}
		},
	}
}

func (a *app) apply(ctx context.Context, env string, o changeOptions) error {
	if err := a.checkRoot(env); err != nil {
		return err
	}
	if err := a.mustBeAbleToAsk("apply -env "+env, o.yes); err != nil {
		return err
	}
	t, cfg, err := a.findCloud(ctx, "apply")
	if err != nil {
		return err
	}
	o.again = "tfpipeline apply -env " + env
	changed, err := a.change(ctx, env, t, cfg, o, a.outputs)
	switch {
	case err != nil:
		return err
	case changed:
		fmt.Fprintf(a.stdout, "%s: applied\n", env)
	default:
		fmt.Fprintf(a.stdout, "%s: no changes\n", env)
	}
	return nil
}
