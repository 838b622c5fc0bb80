package main

import (
	"context"
	"errors"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

func destroyCommand() command {
	return command{
		name:    "destroy",
		summary: "remove an environment that is not protected",
		usage:   "-env ENV [-yes -name ENV]",
		env:     unprotected, refusal: "is protected (to remove it, first change that in gen/config and apply); what is not:", checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "environment to remove")
			name := set.String("name", "", "the environment's name once more, with -yes")
			o := root.Choices{Operation: root.Destroy}
			declareChoices(set, &o)
			return func(ctx context.Context, a *app, _ []string) error { return runDestroy(ctx, a, *env, *name, o) }
		},
	}
}

func runDestroy(ctx context.Context, a *app, env, name string, o root.Choices) error {
	if o.Yes && name != env {
		return console.Usage("destroy -yes also needs the name of what is destroyed", "tfpipeline destroy -env "+env+" -yes -name "+env)
	}
	if err := a.console.RequireAnswer("destroy", "tfpipeline destroy -env "+env+" -yes -name "+env, o.Yes); err != nil {
		return err
	}
	cloud, err := a.requireCloud(ctx, "destroy")
	if err != nil {
		return err
	}
	acc := a.account(cloud)
	if err := acc.Check(ctx); err != nil {
		return err
	}
	o.Retry = "tfpipeline destroy -env " + env
	o.Question = func(ctx context.Context) error {
		return a.console.ConfirmName(ctx, "This cannot be undone. Type the environment's name to destroy it:", env)
	}
	// A cluster with a one-off task in it cannot be deleted.
	o.Before = func(ctx context.Context) error { return acc.StopTasks(ctx, env) }
	changed, err := root.Change(ctx, a.rootOptions(cloud), env, o, func(ctx context.Context, _ *root.Root) error {
		return errors.Join(acc.Deregister(ctx, env), acc.DeleteSecrets(ctx, env))
	})
	switch {
	case err != nil:
		return err
	case changed:
		a.console.Answer("%s: destroyed; its history stays in %s/%s", env, a.platform.StateBucket(), a.platform.HistoryPrefix(env))
	default:
		a.console.Answer("%s: nothing to destroy", env)
	}
	return nil
}
