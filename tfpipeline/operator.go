package main

import (
	"context"
	"flag"
	"path/filepath"

	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func restartCommand() command {
	return command{
		name: "restart", summary: "replace the tasks of services by new ones of the same release",
		usage: "-env ENV [-service NAME]... [-timeout D] [-json]",
		env:   environments, refusal: noServices, flags: adjust(deploy.KindRestart),
	}
}

func scaleCommand() command {
	return command{
		name: "scale", summary: "give a service another number of tasks until the next promotion",
		usage: "-env ENV -service NAME... -tasks N [-timeout D] [-json]",
		env:   environments, refusal: noServices, flags: adjust(deploy.KindScale),
	}
}

func adjust(kind deploy.Kind) func(*flag.FlagSet) func(context.Context, *app, []string) error {
	return func(set *flag.FlagSet) func(context.Context, *app, []string) error {
		var o root.Adjust
		o.Declare(set, kind == deploy.KindScale)
		return func(ctx context.Context, a *app, _ []string) error { return runAdjust(ctx, a, kind, o) }
	}
}

func secretsCommand() command {
	return command{
		name: "secrets", summary: "list secrets, and store values of them",
		usage: "(list | set -secret NAME [-file FILE] | rotate -secret NAME) -env ENV [-restart] [-json]",
		env:   environments, refusal: noServices, actions: []string{"list", "set", "rotate"},
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o account.SecretChoices
			o.Declare(set)
			return func(ctx context.Context, a *app, args []string) error { return runSecrets(ctx, a, args[0], o) }
		},
	}
}

// runAdjust restarts or scales services, and reports to the console.
func runAdjust(ctx context.Context, a *app, kind deploy.Kind, o root.Adjust) error {
	if err := o.Check(a.platform, kind); err != nil {
		return err
	}
	e, err := a.openEnvironment(ctx, o.Env, string(kind))
	if err != nil {
		return err
	}
	p, err := a.pipeline(e, nil)
	if err != nil {
		return err
	}
	return a.leases(e.cloud).Adjust(ctx, p, kind, o, func(title view.Promotion, run func(func(deploy.Event)) (deploy.Record, error)) error {
		return report.Adjust(a.console, a.platform, title, o.JSON, filepath.Join(a.cache, "dossiers"), run)
	})
}

// runSecrets lists the secrets of an environment, or stores a value of one: action is
// "list", "set" or "rotate".
func runSecrets(ctx context.Context, a *app, action string, o account.SecretChoices) error {
	if err := o.Check(a.platform, action); err != nil {
		return err
	}
	e, err := a.openEnvironment(ctx, o.Env, "secrets")
	if err != nil {
		return err
	}
	if action == "list" {
		list, err := a.account(e.cloud).Secrets(ctx, o.Env)
		if err != nil {
			return err
		}
		return list.Print(a.console.Out, o.JSON)
	}
	change, err := a.account(e.cloud).SecretChange(ctx, action, o)
	if err != nil {
		return err
	}
	l := a.leases(e.cloud)
	if err := l.AskFrozen(ctx, o.Env, deploy.KindSecret); err != nil {
		return err
	}
	var stored account.Secret
	if err := l.ChangeSecret(ctx, o.Env, o.Secret, func(ctx context.Context) (err error) {
		stored, err = change(ctx)
		return err
	}); err != nil {
		return stored.ExplainNext(o.Env, err)
	}
	if err := stored.PrintStored(a.console.Out, o.Env, o.JSON); err != nil {
		return err
	}
	restart, err := l.RestartReaders(ctx, o.Env, stored.Services, "will keep the previous value until restarted", o.Restart)
	if err != nil || !restart {
		return err
	}
	return runAdjust(ctx, a, deploy.KindRestart, root.RestartOf(o.Env, stored.Services, o.JSON))
}
