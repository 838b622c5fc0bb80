package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

func bootstrapCommand() command {
	return command{
		name:    "bootstrap",
		summary: "from an empty account to a running environment",
		usage:   "-env ENV [-yes]",
		env:     roots, checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "environment to create; shared alone is possible too")
			o := root.Choices{Operation: root.Apply}
			declareChoices(set, &o)
			return func(ctx context.Context, a *app, _ []string) error { return runBootstrap(ctx, a, *env, o) }
		},
	}
}

func runBootstrap(ctx context.Context, a *app, env string, o root.Choices) error {
	if err := a.console.RequireAnswer("bootstrap", "tfpipeline bootstrap -env "+env+" -yes, after reading tfpipeline plan -env "+env, o.Yes); err != nil {
		return err
	}
	cloud, err := a.requireCloud(ctx, "bootstrap")
	if err != nil {
		return err
	}
	acc := a.account(cloud)
	if err := acc.Check(ctx); err != nil {
		return err
	}
	if _, err := acc.Zone(ctx); err != nil {
		return err
	}
	anything, err := acc.EnsureBucket(ctx)
	if err != nil {
		return err
	}

	for _, ensure := range []func(context.Context) (bool, error){acc.EnsureServiceRoles, acc.EnsureAudience} {
		changed, err := ensure(ctx)
		if err != nil {
			return err
		}
		anything = anything || changed
	}

	o.Retry = "tfpipeline bootstrap -env " + env
	changed, err := root.Change(ctx, a.rootOptions(cloud), config.SharedRoot, o, nil)
	if err != nil {
		return err
	}
	anything = anything || changed

	d, err := acc.Delegation(ctx)
	if err != nil {
		return err
	}
	if !d.Complete() && env != config.SharedRoot {
		return console.WithNext(d, "%s, which continues from here", o.Retry)
	}

	var todo []string
	if !d.Complete() {
		todo = append(todo, d.Error())
	}
	if env != config.SharedRoot {
		changed, err := root.Change(ctx, a.rootOptions(cloud), env, o, nil)
		if err != nil {
			return err
		}
		anything = anything || changed
		missing, err := acc.MissingSecrets(ctx, env)
		if err != nil {
			return err
		}
		todo = append(todo, missing...)
		unconfirmed, err := acc.Unconfirmed(ctx, env)
		if err != nil {
			return err
		}
		if unconfirmed != "" {
			todo = append(todo, unconfirmed)
		}
	}

	switch {
	case anything:
		fmt.Fprintf(a.console.Out, "%s: bootstrapped\n", env)
	default:
		fmt.Fprintf(a.console.Out, "%s: nothing to do: bucket, shared and %s are as they should be\n", env, env)
	}
	if len(todo) > 0 {
		fmt.Fprintf(a.console.Out, "\nwhat a person must still do:\n")
		for _, t := range todo {
			fmt.Fprintf(a.console.Out, "- %s\n", strings.ReplaceAll(t, "\n", "\n  "))
		}
	}
	return nil
}

// account is the platform's account, seen with these credentials.
func (a *app) account(cloud root.Cloud) *account.Account {
	acc := account.New(a.platform, cloud.Config, a.console)
	if cloud.Target != root.Local {
		acc.LookupNS = a.lookupNS
	}
	return acc
}
