package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func planCommand() command {
	return command{
		name:    "plan",
		summary: "show what an apply would change",
		usage:   "-env ENV | -all [-comment] [-json | -markdown] [-detailed-exitcode] [-offline]",
		env:     roots, anyEnv: true, checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o planOptions
			set.StringVar(&o.env, "env", "", "root to plan: an environment, or shared")
			set.BoolVar(&o.all, "all", false, "plan every root")
			set.BoolVar(&o.comment, "comment", false, "with -all, in a workflow: keep one comment on the pull request, write the step's summary")
			set.BoolVar(&o.json, "json", false, "print one JSON object: root, target, counts, changes, fingerprint, summary")
			set.BoolVar(&o.markdown, "markdown", false, "with -env: print Markdown for whoever approves it; in a workflow the step's summary and outputs get it too")
			set.BoolVar(&o.detailed, "detailed-exitcode", false, "exit 2 if changes are pending")
			set.BoolVar(&o.offline, "offline", false, "plan against an empty state, without AWS")
			set.BoolVar(&o.noLock, "no-lock", false, "do not take the state lock, for roles that may not write; -comment implies it")
			set.DurationVar(&o.lockTimeout, "lock-timeout", 5*time.Minute, "how long to wait for a state lock that somebody holds")
			return func(ctx context.Context, a *app, args []string) error {
				// The role of pull requests may not write locks, and a pull
				// request must not block an apply.
				o.noLock = o.noLock || o.comment
				switch {
				case o.all && o.env != "":
					return console.Usage("plan takes -all or -env, not both", "tfpipeline plan -all")
				case o.markdown && (o.all || o.json):
					return console.Usage("-markdown works with -env, not with -all or -json", "tfpipeline plan -env production -markdown")
				case o.comment && !o.all:
					return console.Usage("-comment needs -all", "tfpipeline plan -all -comment")
				case o.env == "" && !o.all:
					required := planCommand()
					required.anyEnv = false
					return required.verb(a).CheckEnv("")
				case o.all:
					return runPlanAll(ctx, a, o)
				}
				return runPlan(ctx, a, o)
			}
		},
	}
}

type planOptions struct {
	env                             string
	all, comment, markdown          bool
	json, detailed, offline, noLock bool
	lockTimeout                     time.Duration
}

func runPlan(ctx context.Context, a *app, o planOptions) (err error) {
	cloud, err := root.FindCloud(ctx, a.platform, a.console, o.offline, a.aws...)
	if err != nil {
		return err
	}
	if !o.json && !o.markdown {
		// The headline comes first, so that nobody takes an offline plan for a
		// real one.
		a.console.Answer("%s", cloud.Target.Headline(o.env, o.offline))
	}
	r, err := root.Open(ctx, a.rootOptions(cloud), o.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, planErr := r.Section(ctx, o.choices())
	if s.Plan == nil {
		return planErr
	}
	switch {
	case o.json:
		err = view.PlanJSON(a.console.Out, string(cloud.Target), s.Plan)
	case o.markdown:
		err = report.Planned(ctx, a.console, a.checkout(), report.Comment(a.platform.Name, cloud.Target == root.Offline, s))
	default:
		err = view.Text{Colour: a.console.Colour(a.console.Out)}.Plan(a.console.Out, s.Plan)
	}
	switch {
	case planErr != nil:
		return planErr
	case err != nil && o.markdown:
		return err
	case err != nil:
		return fmt.Errorf("print the plan: %w", err)
	case o.detailed && !s.Plan.Empty():
		return console.ErrChanges
	}
	return nil
}

func (o planOptions) choices() root.Choices {
	return root.Choices{Operation: root.Plan, LockTimeout: o.lockTimeout, NoLock: o.noLock}
}
