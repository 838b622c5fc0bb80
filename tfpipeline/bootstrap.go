package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

func bootstrapCommand() command {
	return command{
		name:    "bootstrap",
		summary: "from an empty account to a running environment",
		usage:   "-env ENV [-yes]",
		env:     roots, checkout: true,
		long: `
Makes what is missing, in this order: the state bucket, the shared root, the
environment with every service at zero tasks; then lists what a person has to
do. Between shared and the environment it checks that the domain is delegated
to the zone, and stops with the name servers if not.

It can be run at any time and as often as you like: it goes on where it
stopped, and changes nothing that is as it should be.

Example:
  tfpipeline bootstrap -env staging`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "environment to create; shared alone is possible too")
			var o changeOptions
			o.declare(set)
			return func(ctx context.Context, a *app, _ []string) error { return a.bootstrap(ctx, *env, o) }
		},
	}
}

func (a *app) bootstrap(ctx context.Context, env string, o changeOptions) error {
	if err := a.console.RequireAnswer("bootstrap", "tfpipeline bootstrap -env "+env+" -yes, after reading tfpipeline plan -env "+env, o.yes); err != nil {
		return err
	}
	t, cfg, err := a.findCloud(ctx, "bootstrap")
	if err != nil {
		return err
	}
	if err := a.checkAccount(ctx, cfg); err != nil {
		return err
	}

	a.console.Progress("state bucket %s", a.platform.StateBucket())
	did, err := a.bucket(cfg).ensure(ctx)
	for _, d := range did {
		a.console.Progress("state bucket: %s", d)
	}
	if err != nil {
		return err
	}
	anything := len(did) > 0

	o.again = "tfpipeline bootstrap -env " + env
	changed, err := a.change(ctx, config.SharedRoot, t, cfg, o, nil)
	if err != nil {
		return err
	}
	anything = anything || changed

	a.console.Progress("delegation of %s", a.platform.Domain)
	d, err := a.delegation(ctx, cfg)
	if err != nil {
		return err
	}
	if !d.complete() && env != config.SharedRoot {
		return console.WithNext(d, "%s, which continues from here", o.again)
	}

	var todo []string
	if !d.complete() {
		todo = append(todo, d.Error())
	}
	if env != config.SharedRoot {
		changed, err := a.change(ctx, env, t, cfg, o, nil)
		if err != nil {
			return err
		}
		anything = anything || changed
		missing, err := a.missingSecrets(ctx, cfg, env)
		if err != nil {
			return err
		}
		todo = append(todo, missing...)
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

// checkAccount refuses credentials of another account before anything is made
// with them.
func (a *app) checkAccount(ctx context.Context, cfg aws.Config) error {
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return console.WithNext(fmt.Errorf("ask AWS whose credentials these are: %w", err), "aws sso login")
	}
	if got := aws.ToString(who.Account); got != a.platform.Account {
		return console.WithNext(fmt.Errorf("these credentials are of account %s, and the platform is in %s", got, a.platform.Account),
			"export AWS_PROFILE, or set Account in gen/config/default.go and make gen")
	}
	return nil
}

// missingSecrets lists the secrets that wait for a person's value, each with
// the command that stores one.
func (a *app) missingSecrets(ctx context.Context, cfg aws.Config, env string) ([]string, error) {
	client := secretsmanager.NewFromConfig(cfg)
	var missing []string
	for _, s := range a.platform.Secrets {
		if s.Kind != config.Provided {
			continue
		}
		name := a.platform.SecretName(env, s.Name)
		out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
		if err != nil {
			return nil, fmt.Errorf("look at secret %s: %w", name, err)
		}
		if len(out.VersionIdsToStages) > 0 {
			continue
		}
		missing = append(missing, fmt.Sprintf("store %s (%s), from a file, so that no shell remembers it:\naws secretsmanager put-secret-value --region %s --secret-id %s --secret-string file://%s",
			name, s.Hint, a.platform.Region, name, s.Name))
	}
	return missing, nil
}
