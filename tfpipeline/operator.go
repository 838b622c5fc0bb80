package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/flags"
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
			var o secretOptions
			set.StringVar(&o.env, "env", "", "environment")
			set.StringVar(&o.secret, "secret", "", "`name` of the secret")
			set.StringVar(&o.file, "file", "", "`file` with the value (default: the standard input)")
			set.BoolVar(&o.restart, "restart", false, "restart the services that read it, without a question")
			set.BoolVar(&o.json, "json", false, "print JSON, never a value; -restart adds an object for each event")
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
		return report.Adjust(a.console, title, o.JSON, filepath.Join(cacheDir(), "dossiers"), run)
	})
}

type secretOptions struct {
	env, secret, file string
	restart, json     bool
}

// runSecrets lists the secrets of an environment, or stores a value of one: action is
// "list", "set" or "rotate".
func runSecrets(ctx context.Context, a *app, action string, o secretOptions) error {
	if action == "list" {
		e, err := a.openEnvironment(ctx, o.env, "secrets")
		if err != nil {
			return err
		}
		list, err := a.account(e.cloud).Secrets(ctx, o.env)
		if err != nil {
			return err
		}
		return list.Print(a.console.Out, o.json)
	}
	line := "tfpipeline secrets " + action + " -env " + o.env + " -secret"
	if err := flags.Named("secret", o.secret, a.platform.SecretNames(), line); err != nil {
		return err
	}
	secret, _ := a.platform.Secret(o.secret)
	check := account.Settable
	if action == "rotate" {
		check = account.Rotatable
	}
	if err := check(o.env, secret); err != nil {
		return err
	}
	e, err := a.openEnvironment(ctx, o.env, "secrets")
	if err != nil {
		return err
	}
	change := func(ctx context.Context) (account.Secret, error) {
		return a.account(e.cloud).RotateSecret(ctx, o.env, secret)
	}
	if action == "set" {
		value, err := a.console.Secret(ctx, "Value of "+o.secret+":", o.file)
		if err != nil {
			return err
		}
		change = func(ctx context.Context) (account.Secret, error) {
			return a.account(e.cloud).SetSecret(ctx, o.env, secret, value)
		}
	}
	if err := a.leases(e.cloud).AskFrozen(ctx, o.env, deploy.KindSecret); err != nil {
		return err
	}
	var stored account.Secret
	if err := a.leases(e.cloud).Change(ctx, o.env, deploy.KindSecret, func(ctx context.Context) (err error) {
		stored, err = change(ctx)
		return err
	}); err != nil {
		return err
	}
	if o.json {
		if err := json.NewEncoder(a.console.Out).Encode(stored); err != nil {
			return fmt.Errorf("print the secret: %w", err)
		}
	} else {
		fmt.Fprintf(a.console.Out, "%s: secret %s has a new value\n", o.env, stored.Name)
	}
	return restartReaders(ctx, a, e, stored, o)
}

// restartReaders restarts the services that read a secret, if somebody says so:
// what runs goes on with the value from before.
func restartReaders(ctx context.Context, a *app, e *environment, s account.Secret, o secretOptions) error {
	records, _, err := e.history.Recent(ctx)
	if err != nil {
		return root.Explain(o.env, err)
	}
	switch {
	case len(s.Services) == 0:
		a.console.Progress("%s: no service reads it; one-off tasks get it at their next start", o.env)
		return nil
	case deploy.LastDeployed(records) == nil:
		a.console.Progress("%s: nothing is deployed yet, so nothing has to restart", o.env)
		return nil
	}
	list := strings.Join(s.Services, ", ")
	a.console.Progress("%s: %s read it when they start, and go on with the value from before until then", o.env, list)
	restart := o.restart
	if !restart && a.console.CanAsk() {
		restart = a.console.Confirm(ctx, "Restart "+list+" now?", false) == nil
	}
	if !restart {
		a.console.Suggest("tfpipeline restart -env %s -service %s", o.env, strings.Join(s.Services, " -service "))
		return nil
	}
	return runAdjust(ctx, a, deploy.KindRestart, root.RestartOf(o.env, s.Services, o.json))
}
