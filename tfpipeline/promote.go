package main

import (
	"context"
	"errors"
	"flag"
	"path/filepath"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/report"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func promoteCommand() command {
	return command{
		name:    "promote",
		summary: "bring a release to every service, or to none",
		usage:   "-env ENV (-release TAG | -commit SHA) [flags]",
		env:     environments, refusal: noServices, checkout: true,
		flags: attempt(deploy.KindPromote),
	}
}

func rollbackCommand() command {
	return command{
		name:    "rollback",
		summary: "bring an earlier release back to every service",
		usage:   "-env ENV [-to TAG] [-with-migrations] [-force[=REASON]]",
		env:     environments, refusal: noServices,
		flags: attempt(deploy.KindRollback),
	}
}

func attempt(kind deploy.Kind) func(*flag.FlagSet) func(context.Context, *app, []string) error {
	return func(set *flag.FlagSet) func(context.Context, *app, []string) error {
		o := root.Attempt{Kind: kind}
		o.Declare(set)
		return func(ctx context.Context, a *app, _ []string) error { return runAttempt(ctx, a, o) }
	}
}

// runAttempt promotes or rolls back, and reports to the console, GitHub and
// the webhook.
func runAttempt(ctx context.Context, a *app, o root.Attempt) (err error) {
	if err := o.Complete(ctx, func(ctx context.Context, commit string) (string, error) { return a.checkout().Expand(ctx, commit) }); err != nil {
		return err
	}
	flight := a.console.Begin(console.InFlight{Next: o.Line, Environment: o.Env})
	defer flight.End()
	e, err := a.openEnvironment(ctx, o.Env, string(o.Kind))
	if err != nil {
		return err
	}
	if o.Kind == deploy.KindRollback && !o.DryRun {
		if err := a.leases(e.cloud).AskFrozen(ctx, o.Env, o.Kind); err != nil {
			return err
		}
	}
	id, end, err := root.Note(a.cache, o.Env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	title := view.Promotion{Environment: o.Env, Kind: o.Kind, To: o.Tag, Services: a.platform.ServiceNames()}
	if o.Tag == "" && o.Commit != "" {
		title.To = deploy.Release{Commit: o.Commit}.String()
	}
	if err := report.Current(ctx, e.history, &title); err != nil {
		return root.Explain(e.Name, err)
	}
	live := report.NewLive(a.console, title, o.JSON)
	options := a.rootOptions(e.cloud)
	options.Console = a.console.Redirect(live.Log)
	i := &root.Infrastructure{Options: options, Environment: o.Env, Reviewed: o.Approved, DryRun: o.DryRun, Retry: o.Line}
	p, err := a.pipeline(e, i)
	if err != nil {
		live.Close()
		return err
	}
	told, err := report.NewAttempt(a.console, a.platform, e.Environment, a.checkout())
	if err != nil {
		live.Close()
		return err
	}
	p.Observe = func(event deploy.Event) {
		live.Observe(event)
		if !o.DryRun {
			told.Observe(ctx, event)
		}
	}
	p.Notifier = told
	p.Insisted = a.console.Insisted()
	p.InFlight = func(f deploy.InFlight) {
		flight.Tell(console.InFlight{Work: view.InFlight(o.Env, string(o.Kind), title.To, f), Next: view.Next(o.Env, f.Next), Environment: o.Env})
	}
	run := p.Promote
	if o.Kind == deploy.KindRollback {
		run = p.Rollback
	}
	record, err := run(ctx, o.Request(ctx, a.leases(e.cloud), id))
	live.Close()
	if closeErr := i.Close(); closeErr != nil {
		a.console.Progress("warning: %v", closeErr)
	}
	failure, failed := errors.AsType[*deploy.Error](err)
	if failed {
		record, err = failure.Record, root.Explain(o.Env, report.WithNext(failure))
	}
	if outputErr := told.Outputs(record); outputErr != nil {
		a.console.Progress("warning: %v", outputErr)
	}
	if o.Markdown {
		return errors.Join(told.Preview(ctx, e.lock, i.Seen(), record, err), err)
	}
	if failed {
		// A dossier that cannot be written is a warning: it must not hide the
		// failure itself.
		if dossierErr := report.Dossier(a.console, failure, o.Dossier, filepath.Join(a.cache, "dossiers")); dossierErr != nil {
			a.console.Progress("warning: %v", dossierErr)
		}
	}
	if err != nil {
		return err
	}
	report.Result(a.console, a.platform, record, o.DryRun, o.JSON)
	return nil
}
