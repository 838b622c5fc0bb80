package main

import (
	"context"
	"flag"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/report"
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
	o.Retry = "tfpipeline bootstrap -env " + env
	changed, todo, err := a.account(cloud).Bootstrap(ctx, env, o.Retry, func(ctx context.Context, name string) (bool, error) {
		return root.Change(ctx, a.rootOptions(cloud), name, o, nil)
	})
	if err != nil {
		return err
	}
	todo = append(todo, report.Unset(ctx, a.console, a.platform, env)...)
	switch {
	case changed:
		a.console.Answer("%s: bootstrapped", env)
	default:
		all := "bucket and shared"
		if env != config.SharedRoot {
			all = "bucket, shared and " + env
		}
		a.console.Answer("%s: nothing to do: %s are as they should be", env, all)
	}
	if len(todo) > 0 {
		a.console.Answer("\nwhat a person must still do:")
		for _, t := range todo {
			a.console.Answer("- %s", strings.ReplaceAll(t, "\n", "\n  "))
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
