package main

import (
	"context"
	"flag"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

func applyCommand() command {
	return command{
		name:    "apply",
		summary: "plan, guard, show, confirm, apply",
		usage:   "-env ENV [-yes] [-allow ADDRESS]... [-reviewed FINGERPRINT|FILE] | -env ENV -refresh-only [-yes]",
		env:     roots, checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var env, reviewed string
			o := root.Choices{Operation: root.Apply}
			var refreshOnly bool
			set.StringVar(&env, "env", "", "root to apply: an environment, or shared")
			set.Func("allow", "`ADDRESS` that may be destroyed or replaced; may be repeated", func(s string) error {
				o.Allow = append(o.Allow, s)
				return nil
			})
			set.StringVar(&reviewed, "reviewed", "", "`fingerprint` of the plan that was approved, or the file that plan -json wrote")
			set.BoolVar(&refreshOnly, "refresh-only", false, "change nothing, write what is there into the state")
			declareChoices(set, &o)
			return func(ctx context.Context, a *app, args []string) error {
				if refreshOnly && (reviewed != "" || len(o.Allow) > 0 || o.Adopt) {
					return console.Usage("-refresh-only changes nothing, so there is nothing to allow, review or adopt", "tfpipeline apply -env "+env+" -refresh-only")
				}
				return runApply(ctx, a, env, reviewed, refreshOnly, o)
			}
		},
	}
}

func runApply(ctx context.Context, a *app, env, reviewed string, refreshOnly bool, o root.Choices) (err error) {
	if reviewed != "" {
		if o.Reviewed, err = root.ReadReview(reviewed, env); err != nil {
			return err
		}
	}
	if err := a.console.RequireAnswer("apply", "tfpipeline apply -env "+env+" -yes, after reading tfpipeline plan -env "+env, o.Yes); err != nil {
		return err
	}
	cloud, err := a.requireCloud(ctx, "apply")
	if err != nil {
		return err
	}
	o.Retry = "tfpipeline apply -env " + env
	if refreshOnly {
		o.Retry += " -refresh-only"
		return root.RefreshState(ctx, a.rootOptions(cloud), env, o)
	}
	changed, err := root.Change(ctx, a.rootOptions(cloud), env, o, func(ctx context.Context, r *root.Root) error { return r.PrintOutputs(ctx) })
	switch {
	case err != nil:
		return err
	case changed:
		a.console.Answer("%s: applied", env)
	default:
		a.console.Answer("%s: no changes", env)
	}
	return nil
}

// declareChoices declares the flags of every command that applies.
func declareChoices(set *flag.FlagSet, o *root.Choices) {
	set.BoolVar(&o.Yes, "yes", false, "do not ask; needed where there is no terminal")
	if o.Operation != root.Destroy {
		set.BoolVar(&o.Adopt, "adopt", false, "first look for what exists but is not in the state, and adopt it; the first run after a killed one does so by itself")
	}
	set.DurationVar(&o.LockTimeout, "lock-timeout", 5*time.Minute, "how long to wait for a lock that somebody holds")
}
