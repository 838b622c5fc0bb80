package main

import (
	"context"
	"errors"
	"flag"
	"path/filepath"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/flags"
	"github.com/specboard/platform/tfpipeline/internal/github"
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
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o attemptOptions
			set.StringVar(&o.env, "env", "", "environment to promote to")
			set.StringVar(&o.tag, "release", "", "`tag` of the release")
			set.StringVar(&o.commit, "commit", "", "`SHA` of the commit, for what no release names")
			set.StringVar(&o.reviewed, "reviewed", "", "`fingerprint` of the plan that was approved, or the file that plan -json wrote; any other plan is refused")
			set.StringVar(&o.overrideProof, "override-proof", "", "promote without a proof, for this `reason`, which is recorded")
			set.Var(&o.force, "force", "promote a release that was rolled back from; -force=`REASON` records why")
			set.BoolVar(&o.forward, "forward", false, "leave it at nothing, with exit code 0, if a newer release runs")
			o.declare(set)
			return func(ctx context.Context, a *app, args []string) error {
				return runPromote(ctx, a, o)
			}
		},
	}
}

// attemptOptions are the choices of promotions and rollbacks.
type attemptOptions struct {
	env, tag, commit        string
	reviewed, overrideProof string
	force                   flags.Reason
	withMigrations, forward bool
	dryRun, json, markdown  bool
	timeout, lockWait       time.Duration
	dossier                 string
}

func (o *attemptOptions) declare(set *flag.FlagSet) {
	set.BoolVar(&o.dryRun, "dry-run", false, "walk every check, and stop before the first change")
	set.BoolVar(&o.markdown, "markdown", false, "with -dry-run: print what an approver wants to know as Markdown; in a workflow the step's summary and outputs get it too")
	set.BoolVar(&o.json, "json", false, "print one JSON object for each event")
	set.DurationVar(&o.timeout, "timeout", deploy.DefaultLimits().Total, "bound on everything from the lock to the verification")
	set.DurationVar(&o.lockWait, "lock-wait", deploy.DefaultLimits().LockWait, "how long to wait for somebody at work; 0 not at all")
	set.StringVar(&o.dossier, "dossier", "", "`folder` for what explains a failure (default: in the user's cache)")
}

func runPromote(ctx context.Context, a *app, o attemptOptions) error {
	line := "tfpipeline promote -env " + o.env
	switch {
	case o.tag == "" && o.commit == "":
		return console.Usage("which release? Name its tag, or a commit", line+" -release TAG")
	case o.tag != "" && o.commit != "":
		return console.Usage("-release and -commit name the same thing twice; choose one", line+" -release "+o.tag)
	}
	if err := o.choose(line); err != nil {
		return err
	}
	var approved *root.Review
	if o.reviewed != "" {
		var err error
		if approved, err = root.ReadReview(o.reviewed, o.env); err != nil {
			return err
		}
	}
	if o.commit != "" {
		var err error
		if o.commit, err = a.checkout().Expand(ctx, o.commit); err != nil {
			return err
		}
		line += " -commit " + o.commit
	} else {
		line += " -release " + o.tag
	}
	return runAttempt(ctx, a, deploy.KindPromote, o, approved, line)
}

// choose refuses choices that exclude one another.
func (o attemptOptions) choose(line string) error {
	switch {
	case o.timeout <= 0:
		return console.Usage("-timeout must be more than 0, such as 45m", line+" -timeout 1h")
	case o.markdown && !o.dryRun:
		return console.Usage("-markdown is for whoever approves, before anything is changed: it needs -dry-run", line+" -dry-run -markdown")
	case o.markdown && o.json:
		return console.Usage("-json and -markdown are two answers; choose one", line+" -dry-run -markdown")
	}
	return nil
}

// runAttempt promotes or rolls back, and reports to the console, GitHub and
// the webhook.
func runAttempt(ctx context.Context, a *app, kind deploy.Kind, o attemptOptions, approved *root.Review, line string) (err error) {
	flight := a.console.Begin(console.InFlight{Next: line, Environment: o.env})
	defer flight.End()
	e, err := a.openEnvironment(ctx, o.env, string(kind))
	if err != nil {
		return err
	}
	if kind == deploy.KindRollback && !o.dryRun {
		if err := a.leases(e.cloud).AskFrozen(ctx, o.env, kind); err != nil {
			return err
		}
	}
	id, end, err := root.Note(cacheDir(), o.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	title := view.Promotion{Environment: o.env, Kind: kind, To: o.tag, Services: a.platform.ServiceNames()}
	if o.tag == "" && o.commit != "" {
		title.To = deploy.Release{Commit: o.commit}.String()
	}
	if err := report.Current(ctx, e.history, &title); err != nil {
		return root.Explain(e.Name, err)
	}
	live := report.NewLive(a.console, title, o.json)
	options := a.rootOptions(e.cloud)
	options.Console = a.console.Redirect(live.Log)
	i := &root.Infrastructure{Options: options, Environment: o.env, Reviewed: approved, DryRun: o.dryRun, Retry: line}
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
		if !o.dryRun {
			told.Observe(ctx, event)
		}
	}
	p.Notifier = told
	p.Insisted = a.console.Insisted()
	p.InFlight = func(f deploy.InFlight) {
		flight.Tell(console.InFlight{Work: view.InFlight(o.env, string(kind), title.To, f), Next: view.Next(o.env, f.Next), Environment: o.env})
	}
	actor, caller := a.identify(e.cloud)(ctx)
	q := deploy.Request{
		ID: id, Tag: o.tag, Commit: o.commit, Actor: actor, Caller: caller, RunURL: github.ReadRun(a.console.Getenv).URL, Why: a.why(),
		OverrideProof: o.overrideProof, Force: o.force.Given, ForceReason: o.force.Text, Forward: o.forward, WithMigrations: o.withMigrations,
		DryRun: o.dryRun, Timeout: o.timeout, LockWait: o.lockWait, CredentialsEnd: root.CredentialsEnd(a.console),
	}
	if q.LockWait == 0 {
		q.LockWait = -1
	}
	if approved != nil {
		q.Reviewed = approved.Fingerprint
	}
	run := p.Promote
	if kind == deploy.KindRollback {
		run = p.Rollback
	}
	record, err := run(ctx, q)
	live.Close()
	if closeErr := i.Close(); closeErr != nil {
		a.console.Progress("warning: %v", closeErr)
	}
	failure, failed := errors.AsType[*deploy.Error](err)
	if failed {
		record, err = failure.Record, root.Explain(o.env, report.WithNext(failure))
	}
	if outputErr := told.Outputs(record); outputErr != nil {
		a.console.Progress("warning: %v", outputErr)
	}
	if o.markdown {
		return errors.Join(told.Preview(ctx, e.lock, i.Seen(), record, err), err)
	}
	if failed {
		// A dossier that cannot be written is a warning: it must not hide the
		// failure itself.
		if dossierErr := report.Dossier(a.console, failure, o.dossier, filepath.Join(cacheDir(), "dossiers")); dossierErr != nil {
			a.console.Progress("warning: %v", dossierErr)
		}
	}
	if err != nil {
		return err
	}
	report.Result(a.console, record, o.dryRun, o.json)
	return nil
}
