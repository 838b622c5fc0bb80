package main

import (
	"context"
	"flag"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

func restoreCommand() command {
	return command{
		name: "restore", summary: "give the database the data of another time",
		usage: "(-to TIME | -snapshot ID | -back | -discard) -env ENV [-yes -name ENV]",
		env:   environments, refusal: noServices, checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o account.RestoreChoices
			o.Declare(set)
			return func(ctx context.Context, a *app, _ []string) error { return runRestore(ctx, a, o) }
		},
	}
}

func runRestore(ctx context.Context, a *app, o account.RestoreChoices) error {
	if err := o.Check(a.platform, time.Now()); err != nil {
		return err
	}
	if err := a.console.RequireAnswer("restore", o.Line()+" -yes -name "+o.Env, o.Yes); err != nil {
		return err
	}
	cloud, err := a.requireCloud(ctx, "restore")
	if err != nil {
		return err
	}
	acc := a.account(cloud)
	if err := acc.Check(ctx); err != nil {
		return err
	}
	r, err := acc.Restoration(ctx, o)
	if err != nil {
		return err
	}
	l := a.leases(cloud)
	if err := l.AskFrozen(ctx, o.Env, deploy.KindRestore); err != nil {
		return err
	}
	if err := r.Confirm(ctx); err != nil {
		return err
	}
	if o.Discards() {
		return l.ChangeDatabase(ctx, o.Env, o.Line(), r.Discard)
	}
	x := root.Exchange{Kind: deploy.KindRestore, Address: account.DatabaseAddress, Begun: r.Begun, Do: r.Do}
	if err := x.Run(ctx, a.rootOptions(cloud), o.Env, root.Choices{Yes: true, LockTimeout: 5 * time.Minute, Retry: o.Line()}); err != nil {
		return err
	}
	r.Print()
	if len(a.platform.DatabaseRoles()) > 0 {
		a.console.Progress("%s: the database has the roles that it had at that time; tfpipeline run -env %s -task %s creates today's roles, and applies the migrations since then; in a frozen environment it needs -force", o.Env, o.Env, config.MigrateTask)
	}
	services := acc.DatabaseServices()
	restart, err := l.RestartReaders(ctx, o.Env, services, "will reach the database by its name once restarted", true)
	if err == nil && restart {
		err = runAdjust(ctx, a, deploy.KindRestart, root.RestartOf(o.Env, services, false))
	}
	if err != nil {
		return err
	}
	r.Suggest()
	return nil
}
