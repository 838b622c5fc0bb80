package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

func applyCommand() command {
	return command{
		name:    "apply",
		summary: "plan, guard, show, confirm, apply",
		usage:   "-env ENV [-yes] [-allow ADDRESS]... [-reviewed FINGERPRINT|FILE] | -env ENV -refresh-only [-yes]",
		env:     roots, checkout: true,
		long: `
Plans one root, refuses what would destroy data, shows the plan, asks, and
applies that very plan. A held state lock is waited for, and its holder named;
a lock that a killed run of yours left on this machine is taken after asking.
With -reviewed it applies only the plan that was approved: the one with that
fingerprint, which plan and the comment on a pull request print.

With -refresh-only it changes nothing but the state: it shows how the account
differs from it, asks, and writes that down, so that drift reports it no more.
Every apply ends with that, for what it made itself.

Examples:
  tfpipeline apply -env staging
  tfpipeline apply -env production -allow module.cache.aws_elasticache_replication_group.this
  tfpipeline plan -env production -json > plan.json
  tfpipeline apply -env production -yes -reviewed plan.json
  tfpipeline apply -env staging -refresh-only`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var env, reviewed string
			var o changeOptions
			var refreshOnly bool
			set.StringVar(&env, "env", "", "root to apply: an environment, or shared")
			set.Func("allow", "`ADDRESS` that may be destroyed or replaced; may be repeated", func(s string) error {
				o.allow = append(o.allow, s)
				return nil
			})
			set.StringVar(&reviewed, "reviewed", "", "`fingerprint` of the plan that was approved, or the file that plan -json wrote")
			set.BoolVar(&refreshOnly, "refresh-only", false, "change nothing, write what is there into the state")
			o.declare(set)
			return func(ctx context.Context, a *app, args []string) error {
				if refreshOnly && (reviewed != "" || len(o.allow) > 0 || o.adopt) {
					return console.Usage("-refresh-only changes nothing, so there is nothing to allow, review or adopt", "tfpipeline apply -env "+env+" -refresh-only")
				}
				return a.apply(ctx, env, reviewed, refreshOnly, o)
			}
		},
	}
}

func (a *app) apply(ctx context.Context, env, reviewed string, refreshOnly bool, o changeOptions) (err error) {
	if reviewed != "" {
		if o.reviewed, err = readReview(reviewed, env); err != nil {
			return err
		}
	}
	if err := a.console.RequireAnswer("apply", "tfpipeline apply -env "+env+" -yes, after reading tfpipeline plan -env "+env, o.yes); err != nil {
		return err
	}
	t, cfg, err := a.findCloud(ctx, "apply")
	if err != nil {
		return err
	}
	o.again = "tfpipeline apply -env " + env
	if refreshOnly {
		o.again += " -refresh-only"
		return a.refreshOnly(ctx, env, t, cfg, o)
	}
	changed, err := a.change(ctx, env, t, cfg, o, a.outputs)
	switch {
	case err != nil:
		return err
	case changed:
		fmt.Fprintf(a.console.Out, "%s: applied\n", env)
	default:
		fmt.Fprintf(a.console.Out, "%s: no changes\n", env)
	}
	return nil
}
